"""Calibration of a run: what goes into its bundle, and the content of ``calibration.json``.

Fitted on the **test** predictions, which come from speakers who neither trained nor selected the head (pooled
over folds where there are several). Numbers "after" on the same part are cross-fitted over speakers; held-out
corpora see the temperature and quantiles of the bundle.
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
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    risk_coverage,
)
from profiling.evaluation.conformal import achieved, cross_quantiles, fit_conformal
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
    scaled = _apply(probabilities, truth, numbers, temperature)
    conformal = fit_conformal(1 - scaled[np.arange(len(truth)), truth], numbers, "label set")
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
    value = (calibration.get("temperature") or {}).get("value")
    scaled = apply_temperature(probabilities, value)
    if name == "test" and value is not None and groups is not None:
        scaled = cross_fitted(probabilities, truth, groups)
    right = scaled.argmax(1) == truth
    return {
        "n": len(scored),
        "speakers": None if groups is None else int(groups.max()) + 1,
        "labels": shared,
        "before": _quality(probabilities, truth),
        "after": None if value is None else _quality(scaled, truth),
        "conformal": _sets(calibration, name, scaled, truth, groups),
        "risk_coverage": risk_coverage(scaled.max(1), (~right).astype(np.float64)),
    }


def _number_part(calibration: Mapping[str, Any], name: str, table: pd.DataFrame) -> dict[str, Any]:
    scores = _errors(table)
    numbered = speaker_groups(list(table["speaker_id"]))
    groups = None if numbered is None else numbered[0]
    rows = []
    for entry, quantiles in _quantiles(calibration, name, scores, groups):
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
        "conformal": rows,
        "risk_coverage": {"curve": [], "aurc": None, "reason": _NO_CONFIDENCE},
    }


def _sets(
    calibration: Mapping[str, Any], name: str, scaled: Array, truth: Index, groups: Index | None
) -> list[dict[str, Any]]:
    scores = 1 - scaled[np.arange(len(truth)), truth]
    rows = []
    for entry, quantiles in _quantiles(calibration, name, scores, groups):
        row: dict[str, Any] = {
            "level": entry["level"],
            "coverage": None,
            "mean_size": None,
            "reason": entry["reason"],
        }
        if np.isfinite(quantiles).all():
            inside = in_set(scaled, quantiles[:, None])
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


def _quantiles(
    calibration: Mapping[str, Any], name: str, scores: Array, groups: Index | None
) -> list[tuple[dict[str, Any], Array]]:
    """(entry, (n,) quantiles): of other speakers on the part they were fitted on, the bundle's elsewhere."""
    found = []
    for entry in calibration.get("conformal", []):
        if name == "test" and groups is not None and entry["quantile"] is not None:
            quantiles = cross_quantiles(scores, groups, entry["level"])
        else:
            value = np.nan if entry["quantile"] is None else entry["quantile"]
            quantiles = np.full(len(scores), value)
        found.append((entry, quantiles))
    return found


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


def _apply(probabilities: Array, truth: Index, groups: Index, temperature: Mapping[str, Any]) -> Array:
    """Cross-fitted where there is a temperature: quantiles must not rest on probabilities fitted to them."""
    return probabilities if temperature["value"] is None else cross_fitted(probabilities, truth, groups)


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
