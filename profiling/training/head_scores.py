"""Validation scores of many heads at once, each over its own rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiling.evaluation.metrics import uar
from profiling.heads.scaler import Mask


def head_uar(
    predicted: NDArray[np.int64], true: NDArray[np.int64], masks: Mask, classes: int
) -> NDArray[np.float64]:
    """UAR of each head over its own rows, in [0, 1].

    Args:
        predicted: (heads, rows) class numbers, -1 where there is none.
        true: (rows,) class numbers.
        masks: (heads, rows) bool.
        classes: number of classes.

    Returns:
        (heads,); NaN for a head with a row without prediction.
    """
    scores = np.full(len(predicted), np.nan)
    for head, (answers, mask) in enumerate(zip(predicted, masks, strict=True)):
        if (answers[mask] >= 0).all():
            cells = true[mask] * classes + answers[mask]
            confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
            scores[head] = uar(confusion)
    return scores


def head_mae(predicted: NDArray[np.float32], true: NDArray[np.float32], masks: Mask) -> NDArray[np.float64]:
    """Mean absolute error of each head over its own rows, in years.

    Args:
        predicted: (heads, rows) years, NaN where there is none.
        true: (rows,) years.
        masks: (heads, rows) bool.

    Returns:
        (heads,); NaN for a head with a row without prediction.
    """
    errors = abs(predicted.astype(np.float64) - true)
    return np.array([row[mask].mean() for row, mask in zip(errors, masks, strict=True)])
