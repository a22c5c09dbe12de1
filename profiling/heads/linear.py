"""Linear models over a whole path of penalties: L-BFGS logistic regression and ridge, exact in the shorter side.

Every objective is ``Σ weight * loss + penalty / 2 * ‖w‖²``, the intercept free: scikit-learn's
``LogisticRegression(C=1 / penalty)`` and ``Ridge(alpha=penalty)``. Two classes are one sigmoid, more a softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from profiling.heads.coordinates import Coordinates, Curvature
from profiling.heads.lbfgs import minimise

#: Of the mean loss' gradient, in the Euclidean norm: stricter than scikit-learn's 1e-4 in the largest entry.
TOLERANCE = 1e-4
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class LinearPath:
    """One linear model per penalty, on standardised features.

    Attributes:
        penalties: (models,) as asked.
        weight: (models, outputs, dim) float32.
        bias: (models, outputs) float32.
        objective: (models,) float64, as in the module's first lines.
        iterations: (models,) of L-BFGS; 0 in closed form.
        converged: (models,) bool.
    """

    penalties: Tensor
    weight: Tensor
    bias: Tensor
    objective: Tensor
    iterations: Tensor
    converged: Tensor

    def outputs(self, rows: Tensor) -> Tensor:
        """(n, dim) float32 standardised -> (models, n, outputs): logits, or the standardised target."""
        flat = F.linear(rows, self.weight.flatten(0, 1), self.bias.flatten())
        return flat.view(len(rows), *self.bias.shape).transpose(0, 1)


def logistic_path(
    space: Coordinates,
    classes: Tensor,
    count: int,
    weights: Tensor,
    penalties: Sequence[float],
    tolerance: float = TOLERANCE,
) -> LinearPath:
    """Logistic regression for every penalty, all in one batch.

    Knowing the leading curvature, the solver needs a handful of iterations from 0: starting a penalty at its
    neighbour's solution was measured to save none, and a batch reads the design once for all of them.

    Args:
        space: the train rows.
        classes: (n,) int64 class numbers below ``count``.
        count: classes, at least two.
        weights: (n,) row weights, such as inverse class frequencies.
        penalties: above 0.
        tolerance: largest Euclidean norm of the gradient of the weighted mean loss.
    """
    targets = F.one_hot(classes, count).double() if count > 2 else classes.double()[:, None]
    shifts = torch.tensor(list(penalties), dtype=torch.float64)
    problems = _Logistic(space.design, targets, weights.double(), shifts)
    start = torch.zeros(space.design.shape[1] + 1, len(shifts), targets.shape[1], dtype=torch.float64)
    solved = minimise(problems, start, problems.converged(tolerance), MAX_ITERATIONS)
    weight, bias = _as_logits(*_mapped(space, solved.unknowns))
    return LinearPath(shifts, weight, bias, solved.value, solved.iterations, solved.converged)


def ridge_path(space: Coordinates, targets: Tensor, penalties: Sequence[float]) -> LinearPath:
    """Ridge regression for every penalty, in closed form.

    Args:
        space: the train rows, each column with mean 0.
        targets: (n,) float.
        penalties: above 0.
    """
    exact = targets.double()
    mean = exact.mean()
    moments = space.design.T @ space.design  # (r, r)
    product = space.design.T @ (exact - mean)
    solutions = [_shifted_solve(moments, product, penalty) for penalty in penalties]
    unknowns = torch.stack(solutions, dim=1)  # (r, models)
    residuals = (exact - mean)[:, None] - space.design @ unknowns
    shifts = torch.tensor(list(penalties), dtype=torch.float64)
    objective = (residuals.square().sum(0) + shifts * unknowns.square().sum(0)) / 2
    count = len(shifts)
    weight = space.weights(unknowns).T[:, None].float()  # (models, 1, dim)
    bias = mean.float().expand(count, 1).clone()
    none = torch.zeros(count, dtype=torch.int64)
    return LinearPath(shifts, weight, bias, objective, none, none == 0)


class _Logistic:
    """:class:`profiling.heads.lbfgs.Problems` of one design and several penalties."""

    def __init__(self, design: Tensor, targets: Tensor, weights: Tensor, penalties: Tensor) -> None:
        self.design, self.targets, self.penalties = design, targets, penalties
        self._known = Curvature(design)
        self.weights, self.total = weights, weights.sum()
        # Böhning, Annals of the Institute of Statistical Mathematics 44, 1992: largest curvature of the loss
        self._bend = (0.25 if targets.shape[1] == 1 else 0.5) * float(weights.mean())

    def scores(self, unknowns: Tensor) -> Tensor:
        flat = torch.addmm(unknowns[-1].flatten(), self.design, unknowns[:-1].flatten(1))
        return flat.view(len(self.design), *unknowns.shape[1:])

    def value(self, scores: Tensor, unknowns: Tensor, which: Tensor) -> Tensor:
        targets = self.targets[:, None]  # (rows, 1, outputs)
        if targets.shape[2] == 1:
            losses = F.softplus(scores) - targets * scores
        else:
            losses = torch.logsumexp(scores, 2, keepdim=True) - (targets * scores).sum(2, keepdim=True)
        norms = unknowns[:-1].square().sum((0, 2))
        return self.weights @ losses[:, :, 0] + self.penalties[which] / 2 * norms

    def gradient(self, scores: Tensor, unknowns: Tensor, which: Tensor) -> Tensor:
        share = torch.sigmoid(scores) if scores.shape[2] == 1 else torch.softmax(scores, 2)
        residuals = (share - self.targets[:, None]) * self.weights[:, None, None]
        gradient = torch.empty_like(unknowns)
        gradient[:-1] = (self.design.T @ residuals.flatten(1)).view_as(unknowns[:-1])
        gradient[:-1] += self.penalties[which][:, None] * unknowns[:-1]
        gradient[-1] = residuals.sum(0)
        return gradient

    def precondition(self, gradient: Tensor, which: Tensor) -> Tensor:
        inside = self._known.divided(gradient[:-1], self.penalties[which], self._bend)
        return torch.cat([inside, gradient[-1:] / (self._bend * len(self.design))])

    def converged(self, tolerance: float) -> Callable[[Tensor], Tensor]:
        """Gradient (r, problems, outputs) -> (problems,) bool."""
        largest = tolerance * float(self.total)
        return lambda gradient: gradient.square().sum((0, 2)).sqrt() <= largest


def _mapped(space: Coordinates, unknowns: Tensor) -> tuple[Tensor, Tensor]:
    """(r + 1, models, outputs) -> weight (models, outputs, dim), bias (models, outputs)."""
    flat = space.weights(unknowns[:-1].flatten(1))  # (dim, models * outputs)
    models, outputs = unknowns.shape[1:]
    return flat.T.reshape(models, outputs, -1).float(), unknowns[-1].float()


def _as_logits(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """One score of two classes becomes two logits of the same probabilities."""
    if bias.shape[1] > 1:
        return weight, bias
    return torch.cat([-weight, weight], dim=1) / 2, torch.cat([-bias, bias], dim=1) / 2


def _shifted_solve(moments: Tensor, product: Tensor, penalty: float) -> Tensor:
    shifted = moments + penalty * torch.eye(len(moments), dtype=moments.dtype)
    return torch.cholesky_solve(product[:, None], torch.linalg.cholesky(shifted))[:, 0]
