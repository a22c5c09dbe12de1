"""The metrics by name, with what their intervals and comparisons must know of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.evaluation.intervals import MIN_OF_A_CLASS, Estimand, Metric, class_strata
from profiling.evaluation.metrics import Array, ccc, macro_f1, mae, pearson, recalls, rmse, skill, uar, wa
from profiling.evaluation.scales import ARCSINE, FISHER, INVERSE_ROOT, LOGIT, RATIO_ROOT, TANGENT

#: Metric -> whether more of it is better.
LARGER_IS_BETTER = {
    "uar": True, "wa": True, "macro_f1": True, "mae": False, "rmse": False, "ccc": True, "pearson": True, "skill": True,
}  # fmt: skip
LABEL_METRICS = ("uar", "wa", "macro_f1")
NUMBER_METRICS = ("mae", "rmse", "ccc", "pearson", "skill")

#: Squared errors are so skewed that fewer speakers do not show their spread (simulated: docs/metrics.md).
RMSE_MIN_SPEAKERS = 10
_SHARES = (LOGIT, ARCSINE)


def label_estimands(by_speaker: NDArray[Any] | None, present: NDArray[np.bool_]) -> dict[str, Estimand]:
    """UAR, WA and macro-F1 over the classes in the reference.

    Args:
        by_speaker: (speakers, K, K) confusion matrices, or None without speaker ids.
        present: (K,) the classes with rows.
    """
    rows = None if by_speaker is None else by_speaker.sum((-1, -2)).astype(np.float64)
    strata = None if by_speaker is None else class_strata(by_speaker)
    refused = None if by_speaker is None else _rare_class(by_speaker, present)
    return {
        "uar": Estimand(lambda c: uar(c, present), _SHARES, strata, rows, refused=refused),
        "wa": Estimand(wa, _SHARES, None, rows),
        "macro_f1": Estimand(lambda c: macro_f1(c, present), _SHARES, strata, rows, refused=refused),
    }


def _rare_class(by_speaker: NDArray[Any], present: NDArray[np.bool_]) -> str | None:
    fewest = int((by_speaker.sum(-1) > 0).sum(0)[present].min())
    few = fewest < min(MIN_OF_A_CLASS, len(by_speaker))
    return f"too few speakers of a class: {fewest}, at least {MIN_OF_A_CLASS} needed" if few else None


def recall_estimand(k: int, by_speaker: NDArray[Any] | None) -> Estimand:
    """Recall of the class in row ``k`` of a confusion matrix.

    Args:
        k: the class.
        by_speaker: (speakers, K, K) confusion matrices of the speakers who have it, or None.
    """
    rows = None if by_speaker is None else by_speaker[:, k].sum(-1).astype(np.float64)
    return Estimand(_recall_of(k), _SHARES, None, rows)


def number_estimands(by_speaker: Array | None) -> dict[str, Estimand]:
    """MAE, RMSE, CCC, Pearson and skill.

    Args:
        by_speaker: (speakers, 10) :func:`~profiling.evaluation.metrics.regression_sums`, or None.
    """
    rows = None if by_speaker is None else by_speaker[:, 0]
    error = (INVERSE_ROOT,)
    return {
        "mae": Estimand(mae, error, rows=rows, widen=1.0),
        "rmse": Estimand(rmse, error, rows=rows, widen=2.0, min_speakers=RMSE_MIN_SPEAKERS),
        "ccc": Estimand(ccc, (FISHER,), rows=rows, widen=0.5),
        "pearson": Estimand(pearson, (TANGENT,), rows=rows),
        "skill": Estimand(skill, (RATIO_ROOT,), rows=rows),
    }


def _recall_of(k: int) -> Metric:
    return lambda confusion: np.asarray(recalls(confusion)[..., k])
