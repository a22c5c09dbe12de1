"""Linear models over a whole path of penalties: logistic regression and ridge, exact in the shorter side.

Every objective is ``Σ weight * loss + penalty / 2 * ‖w‖²``, the intercept free: scikit-learn's
``LogisticRegression(C=1 / penalty)`` and ``Ridge(alpha=penalty)``. Two classes are one sigmoid, more a softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from profiling.heads.coordinates import ColumnSpace, Space
from profiling.heads.newton import WITHIN, Newton, Solved

#: Of the mean loss' gradient, in the Euclidean norm: stricter than scikit-learn's 1e-4 in the largest entry.
TOLERANCE = 1e-4
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class LinearPath:
    """One linear model per penalty, on standardised features.

    Attributes:
        penalties: (models,) as asked.
        weight: (models, outputs, dim) float32.
        bias: (models, outputs) float32.
        objective: (models,) float64, as in the module's first lines.
        iterations: (models,) Newton's; 0 in closed form.
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
    space: Space,
    classes: Tensor,
    count: int,
    weights: Tensor,
    penalties: Sequence[float],
    tolerance: float = TOLERANCE,
    within: float = WITHIN,
) -> LinearPath:
    """Logistic regression for every penalty, all in one batch.

    Starting a penalty at its neighbour's solution saves nothing: from 0 every step of Newton's brings the models of
    all penalties as far as the next one's needs. A batch reads the features once for all of them.

    Args:
        space: the train rows.
        classes: (n,) int64 class numbers below ``count``.
        count: classes, at least two.
        weights: (n,) row weights, such as inverse class frequencies.
        penalties: above 0.
        tolerance: largest Euclidean norm of the gradient of the weighted mean loss.
        within: how far above its minimum an objective may be proven to be, as a share of it.
    """
    shares = weights.to(space.dtype)
    targets = F.one_hot(classes, count).to(space.dtype) if count > 2 else classes.to(space.dtype)[:, None]
    loss = _Sigmoid(targets, shares) if count == 2 else _Softmax(targets, shares)
    shifts = torch.tensor(list(penalties), dtype=torch.float64)
    newton = Newton(space, loss, shifts, targets.shape[1], float(weights.sum()), tolerance, within)
    solved = newton.minimise(len(classes), MAX_ITERATIONS)
    weight, bias = _as_logits(*_mapped(space, solved))
    return LinearPath(shifts, weight, bias, solved.value, solved.iterations, solved.converged)


def ridge_path(space: Space, targets: Tensor, penalties: Sequence[float]) -> LinearPath:
    """Ridge regression for every penalty, in closed form.

    Args:
        space: the train rows in float64, each column with mean 0.
        targets: (n,) float.
        penalties: above 0.
    """
    exact = targets.double()
    mean = exact.mean()
    moments = space.image(torch.eye(space.size, dtype=torch.float64))  # (n, r): Gram matrix, or the rows
    if isinstance(space, ColumnSpace):
        moments = space.adjoint(moments)  # (r, r)
    product = space.adjoint((exact - mean)[:, None])[:, 0]
    solutions = [_shifted_solve(moments, product, penalty) for penalty in penalties]
    unknowns = torch.stack(solutions, dim=1)[:, :, None]  # (r, models, 1)
    image = space.image(unknowns)
    residuals = (exact - mean)[:, None] - image[:, :, 0]
    shifts = torch.tensor(list(penalties), dtype=torch.float64)
    norms = space.inner(unknowns, unknowns, image)
    objective = (residuals.square().sum(0) + shifts * norms) / 2
    count = len(shifts)
    weight = space.weights(unknowns[:, :, 0]).T[:, None].float()  # (models, 1, dim)
    bias = mean.float().expand(count, 1).clone()
    none = torch.zeros(count, dtype=torch.int64)
    return LinearPath(shifts, weight, bias, objective, none, none == 0)


class _Sigmoid:
    """:class:`profiling.heads.newton.Loss` of two classes, one score; targets (n, 1) are 0 and 1."""

    def __init__(self, targets: Tensor, weights: Tensor) -> None:
        self.targets, self.weights = targets[:, None], weights[:, None, None]

    def value(self, scores: Tensor) -> Tensor:
        losses = (F.softplus(scores) - self.targets * scores) * self.weights
        return losses.double().sum((0, 2))

    def slope(self, scores: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
        share = torch.sigmoid(scores)
        curved = self.weights * share * (1 - share)
        return (share - self.targets) * self.weights, lambda along: curved * along, curved.mean(0)


class _Softmax:
    """:class:`profiling.heads.newton.Loss` of several classes; targets (n, classes) are one-hot."""

    def __init__(self, targets: Tensor, weights: Tensor) -> None:
        self.targets, self.weights = targets[:, None], weights[:, None, None]

    def value(self, scores: Tensor) -> Tensor:
        spread = torch.logsumexp(scores, 2) - (self.targets * scores).sum(2)
        return (spread * self.weights[:, :, 0]).double().sum(0)

    def slope(self, scores: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
        share = torch.softmax(scores, 2)
        weighted = share * self.weights

        def bend(along: Tensor) -> Tensor:
            return weighted * (along - (share * along).sum(2, keepdim=True))

        return weighted - self.targets * self.weights, bend, (weighted * (1 - share)).mean(0)


def _mapped(space: Space, solved: Solved) -> tuple[Tensor, Tensor]:
    """Weight (models, outputs, dim), bias (models, outputs)."""
    models, outputs = solved.unknowns.shape[1:]
    flat = space.weights(solved.unknowns.flatten(1))  # (dim, models * outputs)
    return flat.T.reshape(models, outputs, -1).float(), solved.offsets.float()


def _as_logits(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """One score of two classes becomes two logits of the same probabilities."""
    if bias.shape[1] > 1:
        return weight, bias
    return torch.cat([-weight, weight], dim=1) / 2, torch.cat([-bias, bias], dim=1) / 2


def _shifted_solve(moments: Tensor, product: Tensor, penalty: float) -> Tensor:
    shifted = moments + penalty * torch.eye(len(moments), dtype=moments.dtype)
    return torch.cholesky_solve(product[:, None], torch.linalg.cholesky(shifted))[:, 0]
