"""The metrics by name, with what their intervals and comparisons must know of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.evaluation.intervals import Estimand, Metric
from profiling.evaluation.metrics import (
    ccc,
    macro_f1,
    mae,
    pearson,
    recalls,
    rmse,
    skill,
    uar,
    wa,
)

#: Metric -> whether more of it is better.
LARGER_IS_BETTER = {
    "uar": True, "wa": True, "macro_f1": True, "mae": False, "rmse": False, "ccc": True, "pearson": True, "skill": True,
}  # fmt: skip
LABEL_METRICS = ("uar", "wa", "macro_f1")

NUMBER_ESTIMANDS = {
    "mae": Estimand(mae, lowest=0.0),
    "rmse": Estimand(rmse, lowest=0.0),
    "ccc": Estimand(ccc, fisher=True),
    "pearson": Estimand(pearson, fisher=True),
    "skill": Estimand(skill, highest=1.0),
}


def label_estimands(by_speaker: NDArray[Any] | None, present: NDArray[np.bool_]) -> dict[str, Estimand]:
    """UAR, WA and macro-F1 over the classes in the reference.

    Args:
        by_speaker: (speakers, K, K) confusion matrices, or None without speaker ids.
        present: (K,) the classes with rows.
    """
    fewest = None
    if by_speaker is not None:
        fewest = int((by_speaker.sum(-1) > 0).sum(0)[present].min())  # speakers of the rarest class
    return {
        "uar": Estimand(lambda c: uar(c, present), 0.0, 1.0, fewest),
        "wa": Estimand(wa, 0.0, 1.0),
        "macro_f1": Estimand(lambda c: macro_f1(c, present), 0.0, 1.0, fewest),
    }


def recall_estimand(k: int) -> Estimand:
    """Recall of the class in row ``k`` of a confusion matrix."""
    return Estimand(_recall_of(k), 0.0, 1.0)


def _recall_of(k: int) -> Metric:
    return lambda confusion: np.asarray(recalls(confusion)[..., k])
