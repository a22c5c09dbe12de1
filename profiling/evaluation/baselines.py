"""The constant predictor: what a system that never listens would score. Printed beside every number.

It is fitted on the training labels, never on those it is scored on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from profiling.errors import LabelError
from profiling.evaluation.metrics import (
    confusion_matrix,
    macro_f1,
    mae,
    regression_sums,
    rmse,
    uar,
    value_or_none,
    wa,
)


@dataclass(frozen=True)
class ConstantLabel:
    """Always the training majority.

    Attributes:
        label: the most frequent training label; the first in ``classes`` of equals.
        prior: label -> share of the training rows, in [0, 1].
    """

    label: str
    prior: dict[str, float]

    def score(self, reference: Sequence[str], classes: Sequence[str]) -> dict[str, float | None]:
        """UAR, WA and macro-F1 on the scored rows. UAR is 1/K when the label is one of the K in them.

        >>> fit_constant_label(["f", "f", "m"], ["f", "m"]).score(["f", "m", "m", "m"], ["f", "m"])
        {'uar': 0.5, 'wa': 0.25, 'macro_f1': 0.2}
        """
        confusion = confusion_matrix(reference, [self.label] * len(reference), classes)
        values = {"uar": uar(confusion), "wa": wa(confusion), "macro_f1": macro_f1(confusion)}
        return {name: value_or_none(value) for name, value in values.items()}


@dataclass(frozen=True)
class ConstantNumber:
    """Always the same number: the median, which no constant beats in MAE, and the mean, in RMSE.

    Attributes:
        median: of the training rows, in the target's unit.
        mean: of the training rows, in the target's unit.
    """

    median: float
    mean: float

    def score(self, reference: ArrayLike) -> dict[str, float | None]:
        """MAE of the median and RMSE of the mean on the scored rows, with both constants.

        >>> fit_constant_number([20, 30, 70]).score([30, 50])
        {'mae': 10.0, 'rmse': 10.0, 'median': 30.0, 'mean': 40.0}
        """
        truth = np.asarray(reference, dtype=np.float64)
        return {
            "mae": value_or_none(mae(regression_sums(truth, np.full(truth.shape, self.median)))),
            "rmse": value_or_none(rmse(regression_sums(truth, np.full(truth.shape, self.mean)))),
            "median": self.median,
            "mean": self.mean,
        }


def fit_constant_label(train_labels: Sequence[str], classes: Sequence[str]) -> ConstantLabel:
    """The majority of the training labels among ``classes``; other labels are passed over.

    Held out, ``classes`` are the shared labels: the constant is masked as the head is.

    Raises:
        LabelError: no training row has one of ``classes``.
    """
    counts = Counter(label for label in train_labels if label in set(classes))
    total = sum(counts.values())
    if not total:
        raise LabelError(
            f"no training row has one of {', '.join(classes)}: a constant predictor cannot be fitted"
        )
    prior = {label: counts[label] / total for label in classes}
    return ConstantLabel(max(classes, key=lambda label: counts[label]), prior)


def fit_constant_number(train_values: ArrayLike) -> ConstantNumber:
    """Median and mean of the training values.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    values = np.asarray(train_values, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"constant predictor: {values.size} training values, all must be finite and at least one"
        )
    return ConstantNumber(float(np.median(values)), float(values.mean()))
