"""Scores of one answer for each speaker: the mean age, the mean probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from profiling.evaluation.scoring import score_classification, score_regression

_SEVERAL = "speakers have several labels: there is no one answer for a speaker"


def speaker_level(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any]
) -> dict[str, Any]:
    """Scores one answer for each speaker: the mean of the utterances' numbers, or of their probabilities.

    Args:
        predictions: of one part.
        labels: those answered among; empty for numbers.
        train_answers: labels or numbers of the training rows.

    Returns:
        ``n`` (speakers), ``metrics``, ``constant``, ``reason`` None; or ``reason`` alone where speakers are
        unknown or have several labels. A speaker recorded at several ages has their mean as reference.
    """
    if predictions["speaker_id"].isna().any():
        return {"reason": "speaker ids are missing"}
    by_speaker = predictions.groupby("speaker_id", sort=True)
    if not labels:
        means = by_speaker[["target", "predicted"]].mean()
        score = score_regression(means["target"], means["predicted"], list(means.index), train_answers, ())
    else:
        if (by_speaker["label"].nunique() > 1).any():
            return {"reason": _SEVERAL}
        means = by_speaker[[f"p_{label}" for label in labels]].mean()
        truth = list(by_speaker["label"].first())
        score = score_classification(truth, means.to_numpy(), labels, list(means.index), train_answers)
    return {"n": score["n"], "metrics": score["metrics"], "constant": score["constant"], "reason": None}
