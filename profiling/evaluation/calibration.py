"""Whether probabilities mean what they say, and a temperature that makes them do so.

A head is calibrated if of the answers given with 70 % probability 70 % are right. Conventions:
    * ECE: expected calibration error over 15 equal bins of the top probability, [0, 1], smaller is better
      (Guo et al., On Calibration of Modern Neural Networks, ICML 2017)
    * temperature: p' ~ p^(1/T), fitted by likelihood; T > 1 makes answers less sure; no answer changes
    * "after" is always cross-fitted: each speaker's probabilities are scaled by a temperature fitted on others
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from profiling.evaluation.applied import PROBABILITY_FLOOR, apply_temperature
from profiling.evaluation.metrics import Array, Index

BINS = 15
MIN_SPEAKERS = 5  # to fit a temperature
FOLDS = 5
_LOG_RANGE = (np.log(0.05), np.log(20.0))  # of the temperature


def fit_temperature(probabilities: Array, truth: Index) -> float:
    """The temperature with the largest likelihood, in [0.05, 20].

    Args:
        probabilities: (n, K).
        truth: (n,) column of the reference.
    """
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(apply_temperature(probabilities, float(np.exp(log_t))), truth),
        bounds=_LOG_RANGE,
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def cross_fitted(probabilities: Array, truth: Index, groups: Index, folds: int = FOLDS) -> Array:
    """Probabilities scaled by the temperature of other speakers.

    Args:
        probabilities: (n, K).
        truth: (n,) column of the reference.
        groups: (n,) speaker number of each row.
        folds: groups of speakers that take turns; at most as many as speakers.
    """
    scaled = np.empty_like(probabilities)
    for inside in speaker_folds(groups, folds):
        temperature = fit_temperature(probabilities[~inside], truth[~inside])
        scaled[inside] = apply_temperature(probabilities[inside], temperature)
    return scaled


def speaker_folds(groups: Index, folds: int = FOLDS) -> list[NDArray[np.bool_]]:
    """Masks (n,) of speakers that are left out together; every row in exactly one, always the same."""
    speakers = int(groups.max()) + 1
    fold = np.random.default_rng(0).permutation(speakers) % min(folds, speakers)
    return [fold[groups] == k for k in range(min(folds, speakers))]


def negative_log_likelihood(probabilities: Array, truth: Index) -> float:
    """Mean of -log p of the reference, nats, smaller is better.

    >>> round(negative_log_likelihood(np.array([[0.5, 0.5]]), np.array([0])), 4)
    0.6931
    """
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], PROBABILITY_FLOOR)).mean())


def brier(probabilities: Array, truth: Index) -> float:
    """Mean squared distance of the probabilities to the reference's 0 and 1, [0, 2] (Brier, 1950).

    >>> round(brier(np.array([[0.7, 0.3]]), np.array([0])), 4)
    0.18
    """
    return float(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(1).mean())


def reliability(probabilities: Array, truth: Index, bins: int = BINS) -> list[dict[str, float | int]]:
    """Top probability against accuracy, one row for each bin that has answers.

    Returns:
        ``low``, ``high`` (of the bin; the upper end belongs to it), ``n``, ``confidence``, ``accuracy``.
    """
    top, right = probabilities.max(1), probabilities.argmax(1) == truth
    edges = np.linspace(0, 1, bins + 1)
    number = np.clip(np.ceil(top * bins - 1e-9).astype(int) - 1, 0, bins - 1)
    return [
        {
            "low": float(edges[b]), "high": float(edges[b + 1]), "n": int(inside.sum()),
            "confidence": float(top[inside].mean()), "accuracy": float(right[inside].mean()),
        }
        for b in range(bins)
        if (inside := number == b).any()
    ]  # fmt: skip


def expected_calibration_error(probabilities: Array, truth: Index, bins: int = BINS) -> float:
    """ECE: mean of |confidence - accuracy| over the bins, weighted by their rows.

    >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 4)
    0.4
    """
    rows = reliability(probabilities, truth, bins)
    return sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(truth)


def risk_coverage(confidence: Array, losses: Array, points: int = 50) -> dict[str, Any]:
    """What remains wrong if only the surest answers are given (Geifman and El-Yaniv, NeurIPS 2017).

    Args:
        confidence: (n,) of each answer.
        losses: (n,) 0 or 1 for labels.
        points: of the curve.

    Returns:
        ``curve``: rows of ``coverage`` (share answered) and ``risk`` (mean loss of those); ``aurc``: mean
        risk over all coverages. Equal confidences are answered together.
    """
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    group = np.cumsum(np.append(True, sure[1:] != sure[:-1])) - 1  # (n,) equal confidences share a number
    last = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))
    risk = (np.cumsum(losses[order])[last] / (last + 1))[group]  # (n,) at the coverage of each answer
    n = len(losses)
    shown = np.unique(np.ceil(np.linspace(1, n, min(points, n))).astype(int) - 1)
    curve = [{"coverage": float((last[group[i]] + 1) / n), "risk": float(risk[i])} for i in shown]
    return {"curve": curve, "aurc": float(risk.mean())}
