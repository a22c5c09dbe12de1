"""L-BFGS for many smooth convex problems at once, each a column block of one matrix of unknowns.

The problems share the data matrix, so that an iteration of all of them is two wide matrix products. Scores are
linear in the unknowns, so a line search needs no further product. A problem that has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_HISTORY = 10  # pairs kept
_ARMIJO = 1e-4  # share of the promised decrease that a step has to bring
_HALVINGS = 30  # 1e-9 of the first step: rounding has taken over


class Problems(Protocol):
    """Convex problems ``loss(scores) + penalty(unknowns)``; every tensor has the problems in dimension 1."""

    def scores(self, unknowns: Tensor) -> Tensor:
        """(r, problems, outputs) -> (rows, problems, outputs), linear."""
        ...

    def value(self, scores: Tensor, unknowns: Tensor, which: Tensor) -> Tensor:
        """(problems,) objective of the problems ``which``."""
        ...

    def gradient(self, scores: Tensor, unknowns: Tensor, which: Tensor) -> Tensor:
        """(r, problems, outputs) gradient of the problems ``which``."""
        ...

    def precondition(self, gradient: Tensor, which: Tensor) -> Tensor:
        """(r, problems, outputs): roughly the inverse Hessian times ``gradient``."""
        ...


@dataclass(frozen=True)
class Solved:
    """Where the problems ended.

    Attributes:
        unknowns: (r, problems, outputs).
        value: (problems,) objective.
        iterations: (problems,) int64.
        converged: (problems,) bool; the others ran out of iterations or of decrease.
    """

    unknowns: Tensor
    value: Tensor
    iterations: Tensor
    converged: Tensor


@dataclass
class _State:
    """The problems still in the batch."""

    which: Tensor
    unknowns: Tensor
    scores: Tensor
    value: Tensor
    gradient: Tensor
    steps: list[Tensor]
    turns: list[Tensor]

    def keep(self, kept: Tensor) -> None:
        """Leaves out problems, (problems,) bool."""
        self.which, self.value = self.which[kept], self.value[kept]
        self.unknowns, self.scores = self.unknowns[:, kept], self.scores[:, kept]
        self.gradient = self.gradient[:, kept]
        self.steps = [step[:, kept] for step in self.steps]
        self.turns = [turn[:, kept] for turn in self.turns]


def minimise(problems: Problems, start: Tensor, done: Callable[[Tensor], Tensor], limit: int) -> Solved:
    """Minimises every problem (Liu and Nocedal, Mathematical Programming 45, 1989).

    Args:
        problems: what to minimise.
        start: (r, problems, outputs).
        done: gradient (r, problems, outputs) -> (problems,) bool, converged.
        limit: most iterations.
    """
    count = start.shape[1]
    state = _started(problems, start)
    result = Solved(
        start.clone(), state.value.clone(), torch.zeros(count, dtype=torch.int64), torch.zeros(count) > 0
    )
    for iteration in range(limit + 1):
        finished = done(state.gradient)
        moved = finished if iteration == limit else finished | ~_advance(problems, state, finished)
        ended = moved | (iteration == limit)
        _store(result, state, ended, finished, iteration)
        if ended.all():
            break
        if ended.any():
            state.keep(~ended)
    return result


def _started(problems: Problems, start: Tensor) -> _State:
    which = torch.arange(start.shape[1])
    scores = problems.scores(start)
    value, gradient = problems.value(scores, start, which), problems.gradient(scores, start, which)
    return _State(which, start, scores, value, gradient, [], [])


def _store(result: Solved, state: _State, ended: Tensor, finished: Tensor, iteration: int) -> None:
    where = state.which[ended]
    result.unknowns[:, where] = state.unknowns[:, ended]
    result.value[where] = state.value[ended]
    result.iterations[where] = iteration
    result.converged[where] = finished[ended]


def _advance(problems: Problems, state: _State, finished: Tensor) -> Tensor:
    """One iteration; (problems,) bool, False where no step brings a decrease. Finished problems stay."""
    direction = -_inverse_hessian(problems, state)
    slope = _dot(direction, state.gradient)
    along = problems.scores(direction)
    length, value = _line_search(problems, state, direction, along, slope)
    length[finished] = 0
    step = direction * length[None, :, None]
    unknowns, scores = state.unknowns + step, state.scores + along * length[None, :, None]
    gradient = problems.gradient(scores, unknowns, state.which)
    state.steps, state.turns = [*state.steps, step][-_HISTORY:], [*state.turns, gradient - state.gradient]
    state.turns = state.turns[-_HISTORY:]
    state.unknowns, state.scores, state.gradient = unknowns, scores, gradient
    state.value = torch.where(length > 0, value, state.value)
    return (length > 0) | finished


def _line_search(
    problems: Problems, state: _State, direction: Tensor, along: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor]:
    """Halves each problem's step until its objective falls; (problems,) length, 0 if it never does, and value."""
    length = torch.ones_like(slope)
    for _ in range(_HALVINGS):
        size = length[None, :, None]
        value = problems.value(state.scores + along * size, state.unknowns + direction * size, state.which)
        enough = value <= state.value + _ARMIJO * length * slope
        if enough.all():
            return length, value
        length = torch.where(enough, length, length / 2)
    return torch.where(enough, length, torch.zeros_like(length)), value


def _inverse_hessian(problems: Problems, state: _State) -> Tensor:
    """The two loops over the kept pairs, around the preconditioner."""
    direction = state.gradient.clone()
    weights: list[Tensor] = []
    for step, turn in zip(reversed(state.steps), reversed(state.turns), strict=True):
        weight = _dot(step, direction) / _dot(step, turn).clamp(min=torch.finfo(step.dtype).tiny)
        direction -= weight[None, :, None] * turn
        weights.append(weight)
    direction = problems.precondition(direction, state.which)
    if state.steps:
        step, turn = state.steps[-1], state.turns[-1]
        natural = _dot(turn, problems.precondition(turn, state.which))
        direction *= (_dot(step, turn) / natural.clamp(min=torch.finfo(step.dtype).tiny))[None, :, None]
    for step, turn, weight in zip(state.steps, state.turns, reversed(weights), strict=True):
        again = _dot(turn, direction) / _dot(step, turn).clamp(min=torch.finfo(step.dtype).tiny)
        direction += (weight - again)[None, :, None] * step
    return direction


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """(problems,) inner products."""
    return (first * second).sum((0, 2))
