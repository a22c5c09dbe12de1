"""How sure a score is: 95 % intervals over **speakers**, who are what a new corpus brings more of.

Utterances of one speaker are alike, so resampling utterances makes intervals several times too narrow.
What is done here: the delete-one-speaker **jackknife** (Miller, Biometrika 61, 1974) with Student's t, each
metric on a scale on which its estimates spread evenly (``scales.py``), and three corrections of the degrees
of freedom:

* a mean over classes (UAR, macro-F1) rests on the speakers of each class, so that speakers with different
  classes are **strata** and their freedoms combine as in Welch's test (Satterthwaite, Biometrics 2, 1946):
  50 speakers of whom 4 are children know the children's recall no better than 4 speakers can;
* speakers with unequal numbers of utterances count as fewer (Kish's effective number, Survey Sampling, 1965);
* where a few speakers make most of the spread, the spread itself is known badly: the variance of a variance grows
  with the excess kurtosis, and the freedom is that of the chi-squared with the same variance (Satterthwaite again).

Below a least number of speakers (5; RMSE 10), without speaker ids, or where speakers do not differ, there is
no interval but the reason. What they cover, simulated on other corpora than they were chosen on: ``docs/metrics.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from profiling.evaluation.metrics import Array, Index
from profiling.evaluation.scales import IDENTITY, Scale

LEVEL = 0.95
MIN_SPEAKERS = 5  # below: an interval from four numbers would pretend to know
MIN_OF_A_CLASS = 3  # speakers; below, a mean over classes has no interval
MIN_FREEDOM = 2.0  # below, Student's t has no variance; the least that simulation bears out
METHOD = "speaker jackknife t"

Metric = Callable[[Array], Array]  # (..., statistic) -> (...)


@dataclass(frozen=True)
class Interval:
    """An interval, or the reason why there is none.

    Attributes:
        low: lower end, in the metric's unit; None without an interval.
        high: upper end.
        method: ``speaker jackknife t`` or ``none``.
        speakers: how many speakers it rests on; None where ids are missing.
        level: nominal coverage.
        reason: why there is no interval; None with one.
    """

    low: float | None
    high: float | None
    method: str
    speakers: int | None
    level: float = LEVEL
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


class Estimand(NamedTuple):
    """A metric and what its interval must know of it.

    Attributes:
        metric: additive statistic -> value.
        scales: on which the t interval is taken; the first on which all values are finite.
        strata: (speakers,) which speakers have the same classes, for a mean over classes; None: all one.
        rows: (speakers,) utterances of each, whose inequality costs freedom; None: equal.
        widen: the half width is multiplied by 1 + widen / speakers, for errors whose spread few speakers
            understate; the numbers are from simulation (docs/metrics.md).
        min_speakers: below, no interval.
        refused: why there can be no interval, found where the metric was made; None otherwise.
    """

    metric: Metric
    scales: tuple[Scale, ...] = (IDENTITY,)
    strata: Index | None = None
    rows: Array | None = None
    widen: float = 0.0
    min_speakers: int = MIN_SPEAKERS
    refused: str | None = None


def speaker_groups(speakers: Sequence[object] | NDArray[np.object_]) -> tuple[Index, list[str]] | None:
    """Numbers speakers.

    Returns:
        group of each row (n,) and the ids in group order, or None if an id is missing (None, NaN, "").

    >>> groups, names = speaker_groups(["b", "a", "b"])
    >>> groups.tolist(), names
    ([1, 0, 1], ['a', 'b'])
    """
    ids = pd.Series(list(speakers), dtype=object)
    if bool((ids.isna() | (ids.astype(str) == "")).any()):
        return None
    names, groups = np.unique(ids.astype(str).to_numpy(dtype=str), return_inverse=True)
    return groups.astype(np.intp), [str(name) for name in names]


def speaker_intervals(
    statistics: Array, estimands: dict[str, Estimand], level: float = LEVEL
) -> dict[str, Interval]:
    """Intervals of several metrics of the same rows.

    Args:
        statistics: (speakers, ...) each speaker's additive statistic (confusion matrix or sums).
        estimands: name -> metric.
        level: nominal coverage, in (0, 1).

    >>> from profiling.evaluation.metrics import mae, regression_sums
    >>> sums = regression_sums([20, 30, 40, 50], [22, 31, 44, 50], groups=np.arange(4))
    >>> speaker_intervals(sums, {"mae": Estimand(mae)})["mae"].reason
    'too few speakers: 4, at least 5 needed'
    """
    statistics = np.asarray(statistics, dtype=np.float64)
    return {name: speaker_interval(statistics, estimand, level) for name, estimand in estimands.items()}


def speaker_interval(statistics: Array, estimand: Estimand, level: float = LEVEL) -> Interval:
    """The interval of one metric; arguments as :func:`speaker_intervals`."""
    count = len(statistics)
    if count < estimand.min_speakers:
        return no_interval(f"too few speakers: {count}, at least {estimand.min_speakers} needed", count)
    if estimand.refused:
        return no_interval(estimand.refused, count)
    total = statistics.sum(0)
    value, left_out = estimand.metric(total), estimand.metric(total - statistics)  # (), (speakers,)
    if _alike(left_out, estimand.strata):
        return no_interval("no spread over speakers to estimate it from", count)
    for scale in estimand.scales:
        with np.errstate(divide="ignore", invalid="ignore"):  # such as the logit of 1: the next scale
            centre, moved = scale.forward(value), scale.forward(left_out)
        if np.isfinite(moved).all() and np.isfinite(centre):
            low, high = scale.backward(centre + _half(moved, estimand, level) * np.array([-1.0, 1.0]))
            return _bounded(float(low), float(high), count, level)
    return no_interval("undefined or perfect once a single speaker is left out", count)


def _bounded(low: float, high: float, count: int, level: float) -> Interval:
    """The interval, unless an end of it is beyond everything the scale can say."""
    for end, where in ((high, "above"), (low, "below")):
        if not np.isfinite(end):
            return no_interval(f"so few and so different speakers do not bound it from {where}", count)
    return Interval(low, high, METHOD, count, level)


def _alike(left_out: Array, strata: Index | None) -> bool:
    """Whether leaving out any speaker, or any of the same classes, changes nothing or the same."""
    inside = np.zeros(len(left_out), dtype=np.intp) if strata is None else strata
    tiny = 1e-12 * np.abs(left_out).max()
    return bool(
        np.isfinite(left_out).all()
        and all(np.ptp(left_out[inside == stratum]) <= tiny for stratum in np.unique(inside))
    )


def no_interval(reason: str, speakers: int | None) -> Interval:
    """The absence of an interval, with its reason."""
    return Interval(None, None, "none", speakers, reason=reason)


def effective_count(rows: Array) -> float:
    """Kish's effective number: how many equal speakers know as much as these unequal ones.

    >>> effective_count(np.array([10.0, 10.0, 10.0])), round(effective_count(np.array([28.0, 1.0, 1.0])), 2)
    (3.0, 1.15)
    """
    return float(rows.sum() ** 2 / (rows**2).sum())


def excess_kurtosis(values: Array) -> float:
    """Fourth moment over the squared variance, less the normal distribution's 3, without bias under it.

    0 where fewer than four values, or values that are alike, do not tell.

    >>> round(excess_kurtosis(np.array([1.0, 2.0, 3.0, 10.0])), 2)
    3.23
    """
    n = len(values)
    squares = (values - values.mean()) ** 2
    if n < 4 or not squares.any():
        return 0.0
    sample = float((squares**2).mean() / squares.mean() ** 2 - 3)
    return (
        (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * sample + 6)
    )  # G2 (Joanes and Gill, The Statistician 47, 1998)


def class_strata(by_speaker: NDArray[Any]) -> Index:
    """Numbers the sets of classes that speakers have; sets of fewer than three speakers join the largest.

    Args:
        by_speaker: (speakers, K, K) confusion matrices.

    >>> only_first, only_second = np.diag([9, 0]), np.diag([0, 9])
    >>> class_strata(np.array([only_first, only_second] * 3)).tolist()
    [1, 0, 1, 0, 1, 0]
    """
    sets = by_speaker.sum(-1) > 0  # (speakers, K)
    _, strata, sizes = np.unique(sets, axis=0, return_inverse=True, return_counts=True)
    strata = strata.ravel().astype(np.intp)
    strata[sizes[strata] < MIN_OF_A_CLASS] = int(sizes.argmax())
    return strata


def _half(moved: Array, estimand: Estimand, level: float) -> float:
    """Half the interval's width: Student's t times the jackknife's error, strata added up."""
    strata = np.zeros(len(moved), dtype=np.intp) if estimand.strata is None else estimand.strata
    rows = np.ones(len(moved)) if estimand.rows is None else estimand.rows
    variances, freedoms = [], []
    for stratum in np.unique(strata):
        inside = moved[strata == stratum]
        size = len(inside)
        variances.append((size - 1) / size * np.sum((inside - inside.mean()) ** 2))
        freedoms.append(freedom_of(inside, rows[strata == stratum]))
    total = sum(variances)
    freedom = total**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    widened = 1 + estimand.widen / len(moved)
    return float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(total) * widened)  # Student's t quantile


def freedom_of(moved: Array, rows: Array) -> float:
    """How well speakers tell their own spread: the degrees of freedom of Student's t.

    A variance of n values has itself the relative variance 2 / (n - 1) + kurtosis / n; the chi-squared with that has
    2 / (2 / (n - 1) + kurtosis / n) degrees of freedom. n is Kish's, the excess kurtosis (unbiased, at least 0) that of
    the influence per utterance, as the inequality of utterances is in n already.

    Args:
        moved: (speakers,) the metric without each of them, on the scale of the interval.
        rows: (speakers,) utterances of each.

    >>> freedom_of(np.array([1.0, 2.0, 4.0, 5.0]), np.ones(4))  # nobody stands out: n - 1
    3.0
    """
    effective = effective_count(rows)
    influence = (moved - moved.mean()) / rows
    excess = max(0.0, excess_kurtosis(influence))
    return max(MIN_FREEDOM, 2 / (2 / max(effective - 1, 1e-9) + excess / effective))
