"""A head's path of penalties on its own rows, weights and target scale, and what it scores on others."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.heads.bank import Bank
from profiling.heads.coordinates import Space
from profiling.heads.linear import LinearPath, logistic_path, ridge_path
from profiling.training.head_scores import head_mae, head_uar

_COARSE = 1e-2  # near enough to compare penalties, for half the time


def solved_path(
    bank: Bank,
    index: int,
    space: Space,
    rows: NDArray[np.int64],
    targets: NDArray[np.generic],
    *,
    coarse: bool = False,
) -> LinearPath:
    """The head's models of all penalties.

    Args:
        bank: whose head.
        index: of the head.
        space: features of the rows.
        rows: their numbers.
        targets: (rows,) class numbers or years.
        coarse: near enough to compare penalties, not to keep one.
    """
    spec, objective = bank.specs[index], bank.objective
    if spec.labels:
        near = {"tolerance": _COARSE, "within": _COARSE} if coarse else {}
        classes = torch.from_numpy(targets).long()
        weights = objective.class_weights[index].cpu()[classes]
        weights = weights * bank.balance.weights(torch.from_numpy(rows))[index]
        return logistic_path(space, classes, len(spec.labels), weights, spec.penalties, **near)
    years = torch.from_numpy(targets).double()
    standardised = (years - objective.target_mean[index].cpu()) / objective.target_scale[index].cpu()
    return ridge_path(space, standardised, spec.penalties)


def scores_of(bank: Bank, index: int, outputs: Tensor, targets: NDArray[np.generic]) -> NDArray[np.float64]:
    """(models,) validation score of (models, n, outputs)."""
    masks = np.ones(outputs.shape[:2], dtype=np.bool_)
    classes = len(bank.specs[index].labels)
    if classes:
        return head_uar(outputs.argmax(2).numpy(), targets.astype(np.int64), masks, classes)
    scale, mean = bank.objective.target_scale[index].cpu(), bank.objective.target_mean[index].cpu()
    years = outputs[:, :, 0] * scale + mean
    return head_mae(years.numpy(), targets.astype(np.float32), masks)
