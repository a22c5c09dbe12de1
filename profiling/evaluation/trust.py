"""Calibration of a run: what goes into its bundle, and the content of ``calibration.json``.

Fitted on the **test** predictions, which come from speakers who neither trained nor selected the head (pooled
over folds where there are several). The same part is judged by calibrations fitted anew without each speaker
(``crossfit.py``), so that no calibrated number used its own speaker; held-out corpora see the temperature and
quantiles of the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.evaluation.applied import apply_temperature, in_set
from profiling.evaluation.calibration import (
    MIN_SPEAKERS,
    brier,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    risk_coverage,
)
from profiling.evaluation.conformal import achieved, fit_conformal
from profiling.evaluation.crossfit import Judged, judged_labels, judged_numbers, set_scores
from profiling.evaluation.intervals import speaker_groups
from profiling.evaluation.metrics import Array, Index, label_indices

_NO_CONFIDENCE = "the head answers one number without a confidence"


def fit_calibration(predictions: pd.DataFrame, labels: Sequence[str], protocol: str) -> dict[str, Any]:
    """The ``calibration`` section of a bundle.

    Args:
        predictions: of the test part.
        labels: the head's; empty for numbers.
        protocol: how the test speakers were kept apart.

    Returns:
        ``temperature`` (None for numbers), ``conformal`` (one entry per level), ``fitted_on``; {} where
        there is no test part or speaker ids are missing, as then nothing can be promised.
    """
    groups = None if predictions.empty else speaker_groups(list(predictions["speaker_id"]))
    if groups is None:
        return {}
    corpora = sorted(map(str, predictions["corpus"].unique()))
    fitted_on = {"part": "test", "corpora": corpora, "protocol": protocol}
    numbers = groups[0]
    if not labels:
        scores = _errors(predictions)
        return {
            "temperature": None,
            "conformal": fit_conformal(scores, numbers, "interval"),
            "fitted_on": fitted_on,
        }
    probabilities, truth = _probabilities(predictions, labels)
    temperature = _temperature(probabilities, truth, numbers)
    scores = set_scores(probabilities, truth, numbers, scale=temperature["value"] is not None)
    conformal = fit_conformal(scores, numbers, "label set")
    return {"temperature": temperature, "conformal": conformal, "fitted_on": fitted_on}


def calibration_report(
    calibration: Mapping[str, Any], parts: Mapping[str, pd.DataFrame], labels: Sequence[str]
) -> dict[str, Any]:
    """The content of ``calibration.json``.

    Args:
        calibration: the bundle's section, may be {}.
        parts: ``test`` and ``heldout:<corpus>`` -> predictions.
        labels: the head's; empty for numbers.
    """
    found = {}
    for name, table in parts.items():
        if labels:
            found[name] = _label_part(calibration, name, table, labels)
        else:
            found[name] = _number_part(calibration, name, table)
    return {"calibration": dict(calibration), "parts": found}


def _label_part(
    calibration: Mapping[str, Any], name: str, table: pd.DataFrame, labels: Sequence[str]
) -> dict[str, Any]:
    known = table["label"].isin(list(labels))
    scored = table[known]
    shared = [label for label in labels if label in set(scored["label"])] if name != "test" else list(labels)
    probabilities, truth = _probabilities(scored, shared)
    numbered = speaker_groups(list(scored["speaker_id"]))
    groups = None if numbered is None else numbered[0]
    judged = _judged(calibration, name, probabilities, truth, groups)
    fitted = (calibration.get("temperature") or {}).get("value") is not None
    right = judged.probabilities.argmax(1) == truth
    return {
        "n": len(scored),
        "speakers": None if groups is None else int(groups.max()) + 1,
        "labels": shared,
        "calibrated_by": _calibrated_by(calibration, judged),
        "temperatures": judged.temperatures,
        "before": _quality(probabilities, truth),
        "after": _quality(judged.probabilities, truth) if fitted else None,
        "conformal": _sets(calibration, judged, truth, groups),
        "risk_coverage": risk_coverage(judged.probabilities.max(1), (~right).astype(np.float64)),
    }


def _number_part(calibration: Mapping[str, Any], name: str, table: pd.DataFrame) -> dict[str, Any]:
    scores = _errors(table)
    numbered = speaker_groups(list(table["speaker_id"]))
    groups = None if numbered is None else numbered[0]
    if name == "test" and groups is not None:
        judged = judged_numbers(scores, groups, _levels(calibration))
    else:
        judged = Judged(np.empty((len(table), 0)), _shipped(calibration, len(table)), [], 0)
    rows = []
    for entry in calibration.get("conformal", []):
        quantiles = judged.quantiles[entry["level"]]
        known = np.isfinite(quantiles)
        row = {"level": entry["level"], "coverage": None, "mean_width": None, "reason": entry["reason"]}
        if known.all():
            width = float(2 * quantiles.mean())
            row |= {"coverage": achieved(scores <= quantiles, groups), "mean_width": width}
        elif entry["reason"] is None:
            row["reason"] = _too_few_left(entry)
        rows.append(row)
    return {
        "n": len(table),
        "speakers": None if groups is None else int(groups.max()) + 1,
        "calibrated_by": _calibrated_by(calibration, judged),
        "conformal": rows,
        "risk_coverage": {"curve": [], "aurc": None, "reason": _NO_CONFIDENCE},
    }


def _judged(
    calibration: Mapping[str, Any], name: str, probabilities: Array, truth: Index, groups: Index | None
) -> Judged:
    """Other speakers' calibration on the part it was fitted on, the bundle's elsewhere."""
    value = (calibration.get("temperature") or {}).get("value")
    if name == "test" and groups is not None:
        levels = _levels(calibration)
        return judged_labels(probabilities, truth, groups, levels, scale=value is not None)
    return Judged(apply_temperature(probabilities, value), _shipped(calibration, len(truth)), [], 0)


def _levels(calibration: Mapping[str, Any]) -> list[float]:
    return [entry["level"] for entry in calibration.get("conformal", [])]


def _shipped(calibration: Mapping[str, Any], rows: int) -> dict[float, Array]:
    """Level -> (rows,) the bundle's quantile, the same for all; NaN where it has none."""
    entries = calibration.get("conformal", [])
    return {
        one["level"]: np.full(rows, np.nan if one["quantile"] is None else one["quantile"]) for one in entries
    }


def _calibrated_by(calibration: Mapping[str, Any], judged: Judged) -> str | None:
    """Which calibration the numbers of a part are of, in words; None where there is none."""
    if not calibration:
        return None
    if judged.turns == 0:
        return "the bundle's calibration, fitted on " + ", ".join(calibration["fitted_on"]["corpora"])
    return f"{judged.turns} calibrations, each speaker by one that was fitted on other speakers alone"


def _sets(
    calibration: Mapping[str, Any], judged: Judged, truth: Index, groups: Index | None
) -> list[dict[str, Any]]:
    rows = []
    for entry in calibration.get("conformal", []):
        quantiles = judged.quantiles[entry["level"]]
        row: dict[str, Any] = {
            "level": entry["level"],
            "coverage": None,
            "mean_size": None,
            "reason": entry["reason"],
        }
        if np.isfinite(quantiles).all():
            inside = in_set(judged.probabilities, quantiles[:, None])
            held = inside[np.arange(len(truth)), truth]
            sizes = inside.sum(1)
            row |= {
                "coverage": achieved(held, groups), "mean_size": float(sizes.mean()),
                "singletons": float((sizes == 1).mean()),
            }  # fmt: skip
        elif entry["reason"] is None:
            row["reason"] = _too_few_left(entry)
        rows.append(row)
    return rows


def _too_few_left(entry: Mapping[str, Any]) -> str:
    return (
        f"coverage cannot be checked on the same speakers: once some are left out fewer than "
        f"{entry['speakers_needed']} remain"
    )


def _quality(probabilities: Array, truth: Index) -> dict[str, Any]:
    return {
        "ece": expected_calibration_error(probabilities, truth),
        "nll": negative_log_likelihood(probabilities, truth),
        "brier": brier(probabilities, truth),
        "reliability": reliability(probabilities, truth),
    }


def _temperature(probabilities: Array, truth: Index, groups: Index) -> dict[str, Any]:
    speakers = int(groups.max()) + 1
    found = {"value": None, "speakers": speakers, "utterances": len(truth), "reason": None}
    if speakers < MIN_SPEAKERS:
        return found | {"reason": f"no temperature: {speakers} speakers, {MIN_SPEAKERS} needed"}
    return found | {"value": fit_temperature(probabilities, truth)}


def _probabilities(table: pd.DataFrame, labels: Sequence[str]) -> tuple[Array, Index]:
    """(n, K) probabilities of the labels, summing to 1, and the reference's column."""
    values: NDArray[np.float64] = table[[f"p_{label}" for label in labels]].to_numpy(np.float64)
    total = values.sum(1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[1])  # nothing left of the shared labels: no preference
    values = np.divide(values, total, out=even, where=total > 0)
    return values, label_indices(list(table["label"]), labels)


def _errors(table: pd.DataFrame) -> Array:
    errors: Array = np.abs(table["predicted"].to_numpy(np.float64) - table["target"].to_numpy(np.float64))
    return errors
