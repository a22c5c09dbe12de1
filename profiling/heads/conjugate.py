"""Newton directions of many L2-penalised linear models at once, by preconditioned conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from profiling.heads.coordinates import Space

_MOST_STEPS = 200  # for one direction
_TINY = 1e-30


@dataclass
class Direction:
    """Unknowns, intercepts, and the change of the scores they bring."""

    unknowns: Tensor
    offsets: Tensor
    along: Tensor


@dataclass(frozen=True)
class System:
    """The Newton systems of the models in the batch: ``(Xᵀ bend X + shift) direction = -gradient``.

    Attributes:
        space: where the unknowns live.
        shift: (problems,) penalties.
        bend: what the second derivative of the loss does to scores.
        divided: roughly the inverse times (r, problems, outputs).
        whole: (problems, outputs) second derivative by the intercepts.
    """

    space: Space
    shift: Tensor
    bend: Callable[[Tensor], Tensor]
    divided: Callable[[Tensor], Tensor]
    whole: Tensor

    def solve(self, gradient: Tensor, offsets: Tensor, wanted: Tensor) -> Direction:
        """By conjugate gradients in the metric of the weights: one product with the features a step in row space.

        Args:
            gradient: (r, problems, outputs).
            offsets: (problems, outputs) gradient of the intercepts.
            wanted: (problems,) which share of the gradient may be left.
        """
        left, left_offsets = -gradient, -offsets
        search, product = self._roughly(left, left_offsets)
        found, first, live = added(search, search, torch.full_like(product, -1)), product, product > 0
        for _ in range(_MOST_STEPS):
            pushed, pushed_offsets, energy = self._times(search)
            length = torch.where(live, product / energy.clamp(min=_TINY), 0)
            found = added(found, search, length)
            left = left - length[:, None] * pushed
            left_offsets = left_offsets - length[:, None] * pushed_offsets
            solved, after = self._roughly(left, left_offsets)
            live = after > wanted.square() * first
            if not live.any():
                break
            search = added(solved, search, after / product.clamp(min=_TINY))
            product = after
        return found

    def _roughly(self, left: Tensor, left_offsets: Tensor) -> tuple[Direction, Tensor]:
        """The preconditioner times what is left, and (problems,) the inner product of both."""
        solved, offsets = self.divided(left), left_offsets / self.whole
        image = self.space.image(solved)
        product = self.space.inner(left, solved, image) + (left_offsets * offsets).sum(1)
        return Direction(solved, offsets, image + offsets), product

    def _times(self, search: Direction) -> tuple[Tensor, Tensor, Tensor]:
        """The matrix times a direction, unknowns and intercepts, and (problems,) the inner product of both."""
        curved = self.bend(search.along)
        norm = self.space.inner(search.unknowns, search.unknowns, search.along - search.offsets)
        energy = self.shift * norm + (search.along * curved).sum((0, 2))
        pushed = torch.addcmul(self.space.adjoint(curved), search.unknowns, self.shift[:, None])
        return pushed, curved.sum(0), energy


def added(first: Direction, second: Direction, length: Tensor) -> Direction:
    """``first + length * second`` for (problems,) lengths."""
    size = length[:, None]
    return Direction(
        torch.addcmul(first.unknowns, second.unknowns, size),
        torch.addcmul(first.offsets, second.offsets, size),
        torch.addcmul(first.along, second.along, size),
    )
