"""Newton's method for many L2-penalised linear models at once, each a column block of one matrix of unknowns.

The models share the features, so that a step of all of them is a few wide matrix products. Each Newton direction is
found by conjugate gradients (Steihaug, SIAM Journal on Numerical Analysis 20, 1983), preconditioned by the leading
curvature of the features. A model that has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from profiling.heads.conjugate import Direction, System, added
from profiling.heads.coordinates import Curvature, Space

#: How far above the minimum an objective may be, as a share of it. The penalty is strongly convex, so that
#: ‖gradient‖² / (2 penalty) bounds the distance (Boyd and Vandenberghe, Convex Optimization, 9.1.2).
WITHIN = 1e-4

_COARSE = 0.25  # of the gradient may be left of a Newton system; less as the solution comes near
_ARMIJO = 1e-4  # share of the promised decrease that a step has to bring
_HALVINGS = 30  # 1e-9 of the first step: rounding has taken over
_ROUNDING = 10  # epsilons of an objective that say nothing
_TINY = 1e-30


class Loss(Protocol):
    """A convex loss of the scores (n, problems, outputs)."""

    def value(self, scores: Tensor) -> Tensor:
        """(problems,) float64 sum over rows."""
        ...

    def slope(self, scores: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
        """Derivative (n, problems, outputs), what the second derivative does to a direction, its mean diagonal."""
        ...


@dataclass(frozen=True)
class Solved:
    """Where the models ended.

    Attributes:
        unknowns: (r, problems, outputs).
        offsets: (problems, outputs) intercepts.
        value: (problems,) float64 objective.
        iterations: (problems,) int64 Newton steps.
        converged: (problems,) bool; the others ran out of iterations or of decrease.
    """

    unknowns: Tensor
    offsets: Tensor
    value: Tensor
    iterations: Tensor
    converged: Tensor


@dataclass
class _Models:
    """The models still in the batch."""

    which: Tensor
    penalties: Tensor
    unknowns: Tensor
    offsets: Tensor
    scores: Tensor
    value: Tensor
    norm: Tensor

    def kept(self, kept: Tensor) -> _Models:
        """Without some, (problems,) bool."""
        return _Models(
            self.which[kept],
            self.penalties[kept],
            self.unknowns[:, kept],
            self.offsets[kept],
            self.scores[:, kept],
            self.value[kept],
            self.norm[kept],
        )


class Newton:
    """Minimises ``Σ loss(scores) + penalty / 2 * ‖w‖²`` for every penalty.

    Args:
        space: where the unknowns live.
        loss: of all problems.
        penalties: (problems,) above 0.
        outputs: scores of a row.
        total: sum of the row weights.
        tolerance: largest Euclidean norm of the gradient of the mean loss; scikit-learn's is its largest entry.
        within: how far above its minimum an objective may be proven to be, as a share of it.
    """

    def __init__(
        self,
        space: Space,
        loss: Loss,
        penalties: Tensor,
        outputs: int,
        total: float,
        tolerance: float,
        within: float = WITHIN,
    ) -> None:
        self.space, self.loss, self.outputs, self.within = space, loss, outputs, within
        self.penalties, self.total, self.tolerance = penalties.to(space.dtype), total, tolerance
        self._known: Curvature = space.curvature()

    def minimise(self, rows: int, limit: int) -> Solved:
        """From 0; ``limit`` Newton steps at most."""
        models = self._started(rows)
        result = _nothing(models)
        for iteration in range(limit + 1):
            norm, near = self._nearness(models)
            ended = near if iteration < limit else torch.ones_like(near)
            _store(result, models, ended, near, iteration)
            if ended.all():
                break
            models = models.kept(~ended)
            moved = self._step(models, norm[~ended])
            _store(result, models, ~moved, torch.zeros_like(moved), iteration)
            if not moved.any():
                break
            models = models.kept(moved)
        return result

    def _started(self, rows: int) -> _Models:
        count, dtype = len(self.penalties), self.space.dtype
        scores = torch.zeros(rows, count, self.outputs, dtype=dtype)
        return _Models(
            torch.arange(count),
            self.penalties,
            torch.zeros(self.space.size, count, self.outputs, dtype=dtype),
            torch.zeros(count, self.outputs, dtype=dtype),
            scores,
            self.loss.value(scores),
            torch.zeros(count, dtype=dtype),
        )

    def _nearness(self, models: _Models) -> tuple[Tensor, Tensor]:
        """(problems,) norm of the gradient of the mean loss, and whether that is near enough to the minimum."""
        gradient, offsets, *_ = self._derivatives(models)
        square = self.space.inner(gradient, gradient, self.space.image(gradient)).clamp(min=0)
        norm = (square + offsets.square().sum(1)).sqrt() / self.total
        bound = square.double() / (2 * models.penalties.double())
        return norm, (norm <= self.tolerance) & (bound <= self.within * models.value)

    def _derivatives(self, models: _Models) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor], Tensor]:
        """Gradient by unknowns and by intercepts, and the loss' second derivative with its mean."""
        slope, bend, mean = self.loss.slope(models.scores)
        adjoint = self.space.adjoint(slope)
        return torch.addcmul(adjoint, models.unknowns, models.penalties[:, None]), slope.sum(0), bend, mean

    def _step(self, models: _Models, norm: Tensor) -> Tensor:
        """A Newton step of every model; (problems,) bool, whether its objective fell."""
        gradient, offsets, bend, mean = self._derivatives(models)
        divided, whole = self._known.inverse(models.penalties, mean), mean * len(models.scores)
        system = System(self.space, models.penalties, bend, divided, whole.clamp(min=_TINY))
        direction = system.solve(gradient, offsets, norm.sqrt().clamp(max=_COARSE))
        image = direction.along - direction.offsets
        slope = self.space.inner(gradient, direction.unknowns, image)
        slope = slope + (offsets * direction.offsets).sum(1)
        length = self._length(models, direction, slope.double())
        self._move(models, direction, length.to(self.space.dtype))
        return length > 0

    def _length(self, models: _Models, direction: Direction, slope: Tensor) -> Tensor:
        """Halves each model's step until its objective falls; (problems,) float64, 0 if it never does."""
        image = direction.along - direction.offsets
        cross = self.space.inner(models.unknowns, direction.unknowns, image).double()
        square = self.space.inner(direction.unknowns, direction.unknowns, image).double()
        slack = _ROUNDING * torch.finfo(self.space.dtype).eps * models.value.abs()
        length, half = torch.ones_like(models.value), models.penalties.double() / 2
        for _ in range(_HALVINGS):
            scores = models.scores + length[:, None].to(self.space.dtype) * direction.along
            norm = models.norm + length * (2 * cross + length * square)
            value = self.loss.value(scores) + half * norm
            enough = value <= models.value + _ARMIJO * length * slope + slack
            if enough.all():
                break
            length = torch.where(enough, length, length / 2)
        return torch.where(enough, length, 0)

    def _move(self, models: _Models, direction: Direction, length: Tensor) -> None:
        moved = added(Direction(models.unknowns, models.offsets, models.scores), direction, length)
        models.unknowns, models.offsets = moved.unknowns, moved.offsets
        image = self.space.scores(models.unknowns)
        models.scores = image + models.offsets
        models.norm = self.space.inner(models.unknowns, models.unknowns, image).double()
        models.value = self.loss.value(models.scores) + models.penalties.double() / 2 * models.norm


def _nothing(models: _Models) -> Solved:
    count = len(models.which)
    return Solved(
        models.unknowns.clone(),
        models.offsets.clone(),
        models.value.clone(),
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count, dtype=torch.bool),
    )


def _store(result: Solved, models: _Models, ended: Tensor, near: Tensor, iteration: int) -> None:
    where = models.which[ended]
    result.unknowns[:, where] = models.unknowns[:, ended]
    result.offsets[where] = models.offsets[ended]
    result.value[where] = models.value[ended]
    result.iterations[where] = iteration
    result.converged[where] = near[ended]
