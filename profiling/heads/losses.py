"""Losses of many heads over one batch, as pure functions: one value per head, each head alone.

Shapes: outputs (heads, batch, ...), weights (heads, batch) with 0 for rows outside a head's fold. A row of
weight 0 may hold any target, also none (NaN, or class -1). A head without rows in the batch has loss 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Keeps 0 / 0 away where a head has no rows, or where outputs and targets are one and the same constant.
_TINY = 1e-12


def cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, class_weights: Tensor, smoothing: Tensor | None = None
) -> Tensor:
    """Weighted mean of the cross entropy, as ``torch.nn.functional.cross_entropy(weight=...)`` defines it.

    Args:
        logits: (heads, batch, classes).
        targets: (batch,) or (heads, batch) int64 class numbers.
        weights: (heads, batch) row weights, at least 0.
        class_weights: (heads, classes).
        smoothing: (heads,) share of a label given to all classes; None: 0.

    Returns:
        (heads,), in nats.
    """
    valid = targets.clamp(min=0).expand(len(logits), -1)  # (heads, batch)
    surprise = -F.log_softmax(logits, dim=-1)
    per_row = surprise.gather(-1, valid.unsqueeze(-1)).squeeze(-1)
    own = weights * class_weights.gather(1, valid)
    if smoothing is None:
        return weighted_mean(per_row, own)
    spread = (surprise * class_weights[:, None]).mean(-1)  # (heads, batch)
    return (1 - smoothing) * weighted_mean(per_row, own) + smoothing * _shared(spread, weights, own)


def l1(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the absolute error.

    Args:
        outputs: (heads, batch).
        targets: (heads, batch), in the unit of the outputs.
        weights: (heads, batch) row weights, at least 0.

    Returns:
        (heads,).
    """
    return weighted_mean((outputs - _filled(targets, weights)).abs(), weights)


def l2(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the squared error; arguments as :func:`l1`."""
    return weighted_mean((outputs - _filled(targets, weights)).square(), weights)


def ccc(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """1 - CCC (Lin, Biometrics 45, 1989; moments divided by n, as Lin's).

    Args:
        outputs: (heads, batch).
        targets: (heads, batch).
        weights: (heads, batch) row weights, at least 0.

    Returns:
        (heads,), in [0, 2]. One row alone has no covariance: loss 1, gradient 0.
    """
    filled = _filled(targets, weights)
    mean_p, mean_t = weighted_mean(outputs, weights), weighted_mean(filled, weights)
    p, t = outputs - mean_p[:, None], filled - mean_t[:, None]
    covariance = weighted_mean(p * t, weights)
    spread = weighted_mean(p**2, weights) + weighted_mean(t**2, weights) + (mean_p - mean_t) ** 2
    loss = 1 - 2 * covariance / (spread + _TINY)
    return torch.where(weights.sum(1) > 0, loss, torch.zeros_like(loss))


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """(heads, batch) -> (heads,): sum(weights * values) / sum(weights), 0 where the weights are all 0."""
    kept = torch.where(weights > 0, values, torch.zeros_like(values))
    return (kept * weights).sum(1) / weights.sum(1).clamp(min=_TINY)


def _shared(values: Tensor, weights: Tensor, total: Tensor) -> Tensor:
    """sum(weights * values) / sum(total), 0 where the weights are all 0."""
    kept = torch.where(weights > 0, values, torch.zeros_like(values))
    return (kept * weights).sum(1) / total.sum(1).clamp(min=_TINY)


def inverse_frequency(counts: Tensor) -> Tensor:
    """Class weights n / (k * count), so that the mean weight of a row is 1 (scikit-learn's ``balanced``).

    Args:
        counts: (classes,) rows of each class.

    Returns:
        (classes,) float32; a class without rows has weight 0 and is not one of the k.

    >>> inverse_frequency(torch.tensor([30, 10, 0])).tolist()
    [0.6666666865348816, 2.0, 0.0]
    """
    present = counts > 0
    balanced = counts.sum() / (present.sum() * counts.clamp(min=1))
    return torch.where(present, balanced, torch.zeros_like(balanced)).float()


def _filled(targets: Tensor, weights: Tensor) -> Tensor:
    return torch.where(weights > 0, targets, torch.zeros_like(targets))
