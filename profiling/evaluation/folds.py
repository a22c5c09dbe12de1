"""Each fold's own score beside the pooled one: rotating protocols test every speaker with another head.

Pooled scores have the interval over speakers; the mean and standard deviation over folds are what other papers
print. A fold's UAR is over the classes that its rows have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

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


class FoldScore(TypedDict):
    """One fold: ``metrics`` maps uar, wa, macro_f1 or mae, rmse to a value."""

    fold: str
    n: int
    metrics: dict[str, float | None]


class Folds(TypedDict):
    """All folds of a part; ``sd`` divides by n - 1."""

    folds: list[FoldScore]
    mean: dict[str, float]
    sd: dict[str, float]


def fold_scores(predictions: pd.DataFrame, labels: Sequence[str]) -> Folds | None:
    """Scores every fold of a part by itself.

    Args:
        predictions: rows with ``fold`` and, for classes, ``label`` and ``predicted``, else ``target`` and
            ``predicted``.
        labels: the classes; empty for regression.

    Returns:
        None where there is one fold only.
    """
    folds: list[FoldScore] = [
        {"fold": str(name), "n": len(rows), "metrics": _metrics(rows, labels)}
        for name, rows in predictions.groupby("fold", sort=False)
    ]
    if len(folds) < 2:
        return None
    table = pd.DataFrame([fold["metrics"] for fold in folds], dtype=np.float64)
    return {"folds": folds, "mean": _floats(table.mean()), "sd": _floats(table.std(ddof=1))}


def _floats(values: pd.Series) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _metrics(rows: pd.DataFrame, labels: Sequence[str]) -> dict[str, float | None]:
    if not labels:
        sums = regression_sums(rows["target"], rows["predicted"])
        return {"mae": value_or_none(mae(sums)), "rmse": value_or_none(rmse(sums))}
    counts = confusion_matrix(list(rows["label"]), list(rows["predicted"]), labels)
    return {
        "uar": value_or_none(uar(counts)),
        "wa": value_or_none(wa(counts)),
        "macro_f1": value_or_none(macro_f1(counts)),
    }
