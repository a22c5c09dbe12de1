"""From predictions to the JSON of a score: every metric by name, its interval, the constant beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiling.evaluation.baselines import fit_constant_label, fit_constant_number
from profiling.evaluation.decisions import Labels, Probabilities, checked_probabilities, decide, shared_labels
from profiling.evaluation.estimands import label_estimands, number_estimands, recall_estimand
from profiling.evaluation.intervals import (
    Estimand,
    Interval,
    no_interval,
    speaker_groups,
    speaker_intervals,
)
from profiling.evaluation.metrics import (
    Array,
    Index,
    confusion_matrix,
    regression_sums,
    value_or_none,
)

Speakers = Sequence[object] | NDArray[np.object_]

#: Age bands: name, from (years, included), to (excluded). Children apart: their voices are another task.
AGE_BANDS = (
    ("under 16", -np.inf, 16.0),
    ("16 to 29", 16.0, 30.0),
    ("30 to 44", 30.0, 45.0),
    ("45 to 59", 45.0, 60.0),
    ("60 and over", 60.0, np.inf),
)


def score_classification(
    labels_true: Sequence[str],
    probabilities: Probabilities,
    classes: Sequence[str],
    speakers: Speakers,
    train_labels: Sequence[str],
) -> dict[str, Any]:
    """Scores the most probable labels.

    Args:
        labels_true: (n,) reference, all in ``classes``.
        probabilities: (n, K) probabilities or logits.
        classes: (K,) labels of the columns.
        speakers: (n,) speaker ids; any missing one (None, NaN, "") means no intervals.
        train_labels: labels of the training rows, for the constant predictor.

    Returns:
        ``n``, ``speakers``, ``metrics`` and ``per_class_recall`` (name -> value, low, high, method, ...),
        ``confusion`` (labels, matrix with the reference in rows), ``constant``.

    Raises:
        LabelError: a reference outside ``classes``, or no training row in them.
        ValueError: unequal lengths, no rows, NaN probabilities.
    """
    predicted = decide(probabilities, classes)
    total = confusion_matrix(labels_true, predicted, classes)
    groups = _groups(speakers, len(labels_true))
    by_speaker = None if groups is None else confusion_matrix(labels_true, predicted, classes, groups)
    present = total.sum(-1) > 0  # (K,)
    constant = fit_constant_label(train_labels, classes)
    return {
        "n": len(labels_true),
        "speakers": None if by_speaker is None else len(by_speaker),
        "metrics": _metrics(total, by_speaker, label_estimands(by_speaker, present)),
        "per_class_recall": _class_recalls(total, by_speaker, classes),
        "confusion": {"labels": list(classes), "matrix": total.tolist()},
        "constant": {**constant.score(labels_true, classes), "label": constant.label},
    }


def score_heldout(
    reference: Labels,
    probabilities: Probabilities,
    classes: Sequence[str],
    speakers: Speakers,
    train_labels: Sequence[str],
) -> dict[str, Any]:
    """Scores a corpus the head was not trained on, masked and open; arguments as above, any labels.

    Returns:
        ``masked``, ``open`` (scores), ``shared_labels``, ``asked``, ``scored`` (rows), ``not_scored``
        (label -> rows).

    Raises:
        SplitError: fewer than two shared labels.
    """
    scores = checked_probabilities(probabilities, classes)
    if not len(reference) == len(scores) == len(speakers):
        raise ValueError(
            f"{len(reference)} labels, {len(scores)} predictions, {len(speakers)} speakers: not one to one"
        )
    shared = shared_labels(reference, classes)
    kept: list[int] = np.flatnonzero(shared.rows).tolist()
    truth, who = [str(reference[row]) for row in kept], [speakers[row] for row in kept]
    masked = scores[kept][:, shared.columns]  # (scored, shared)
    return {
        "masked": score_classification(truth, masked, shared.labels, who, train_labels),
        "open": score_classification(truth, scores[kept], classes, who, train_labels),
        "shared_labels": shared.labels,
        "asked": shared.asked,
        "scored": shared.scored,
        "not_scored": shared.not_scored,
    }


def score_regression(
    reference: ArrayLike,
    predicted: ArrayLike,
    speakers: Speakers,
    train_values: ArrayLike,
    bands: Sequence[tuple[str, float, float]] = AGE_BANDS,
) -> dict[str, Any]:
    """Scores numbers, age in years by default.

    Args:
        reference: (n,) true values, finite.
        predicted: (n,) predicted values, finite.
        speakers: (n,) speaker ids; any missing one means no intervals.
        train_values: values of the training rows, for the constant predictor.
        bands: name, from (included), to (excluded) of the reference; bands without rows are left out.

    Returns:
        ``n``, ``speakers``, ``metrics`` (mae, rmse, ccc, pearson, skill), ``constant`` (mae, rmse,
        median, mean), ``bands`` (name, n, speakers, metrics, constant_mae).

    Raises:
        ValueError: unequal lengths, no rows, values that are not finite.
    """
    truth, answers = np.asarray(reference, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    constant = fit_constant_number(train_values)
    groups = _groups(speakers, len(truth))
    total, by_speaker = _sums(truth, answers, groups, constant.median)
    return {
        "n": len(truth),
        "speakers": None if by_speaker is None else len(by_speaker),
        "metrics": _metrics(total, by_speaker, number_estimands(by_speaker)),
        "constant": constant.score(truth),
        "bands": [
            _band(name, truth[rows], answers[rows], None if groups is None else groups[rows], constant.median)
            for name, low, high in bands
            if (rows := (truth >= low) & (truth < high)).any()
        ],
    }


def _band(name: str, truth: Array, predicted: Array, groups: Index | None, constant: float) -> dict[str, Any]:
    """Inside a band, correlations say little, so MAE and skill only."""
    renumbered = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.intp)
    total, by_speaker = _sums(truth, predicted, renumbered, constant)
    every = number_estimands(by_speaker)
    estimands = {key: every[key] for key in ("mae", "skill")}
    return {
        "name": name,
        "n": len(truth),
        "speakers": None if by_speaker is None else len(by_speaker),
        "metrics": _metrics(total, by_speaker, estimands),
        "constant_mae": float(np.abs(truth - constant).mean()),
    }


def _sums(
    truth: Array, predicted: Array, groups: Index | None, constant: float
) -> tuple[Array, Array | None]:
    total = regression_sums(truth, predicted, constant=constant)
    return total, None if groups is None else regression_sums(truth, predicted, groups, constant)


def _class_recalls(
    total: NDArray[np.int64], by_speaker: NDArray[np.int64] | None, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Recall of each class in the reference, over the speakers who have it."""
    found: dict[str, dict[str, Any]] = {}
    for k, label in enumerate(classes):
        if total[k].sum() == 0:
            continue
        who = None if by_speaker is None else by_speaker[by_speaker[:, k].sum(-1) > 0]
        found[label] = _metrics(total, who, {label: recall_estimand(k, who)})[label] | {
            "n": int(total[k].sum())
        }
    return found


def _metrics(
    total: ArrayLike, by_speaker: ArrayLike | None, estimands: Mapping[str, Estimand]
) -> dict[str, Any]:
    """Name -> value with its interval."""
    statistic = np.asarray(total, dtype=np.float64)
    if by_speaker is None:
        found: dict[str, Interval] = dict.fromkeys(estimands, no_interval("speaker ids are missing", None))
    else:
        found = speaker_intervals(np.asarray(by_speaker, dtype=np.float64), dict(estimands))
    return {
        name: {"value": value_or_none(estimand.metric(statistic)), **found[name].as_dict()}
        for name, estimand in estimands.items()
    }


def _groups(speakers: Speakers, rows: int) -> Index | None:
    if len(speakers) != rows:
        raise ValueError(f"{len(speakers)} speaker ids for {rows} rows: one each is needed")
    numbered = speaker_groups(speakers)
    return None if numbered is None else numbered[0]
