"""How sure a score is: 95 % intervals over **speakers**, who are what a new corpus brings more of.

Utterances of one speaker are alike, so resampling utterances makes intervals several times too narrow.
Coverage of what is done here was simulated; the table is in ``docs/metrics.md``.

* 20 speakers and more: percentile bootstrap that draws speakers with all their utterances
  (Efron and Tibshirani, 1993; for clusters Davison and Hinkley, 1997, 3.8).
* 5 to 19: delete-one-speaker jackknife with Student's t (Miller, Biometrika 61, 1974). With equally many
  utterances a speaker and a mean (MAE, WA) this *is* the t interval on speaker means, and unlike that
  it also holds for UAR when a speaker has some classes only, and for CCC (on Fisher's z scale).
  A metric that averages classes counts the speakers of its **rarest class** here: 50 speakers of whom
  4 are children know the children's recall no better than 4 speakers can.
* below 5, without speaker ids, or where speakers do not differ: no interval, and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from profiling.evaluation.metrics import Array, Index

LEVEL = 0.95
RESAMPLES = 2000
MIN_SPEAKERS = 5  # below: an interval from four numbers would pretend to know
BOOTSTRAP_SPEAKERS = 20  # from here on the bootstrap's simulated coverage is 0.93 and more
_SEED = 20_090_906
_BLOCK = 1 << 22  # draws held in memory at once

Metric = Callable[[Array], Array]  # (..., statistic) -> (...)


@dataclass(frozen=True)
class Interval:
    """An interval, or the reason why there is none.

    Attributes:
        low: lower end, in the metric's unit; None without an interval.
        high: upper end.
        method: ``speaker bootstrap``, ``speaker jackknife t`` or ``none``.
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
        lowest: the metric's least possible value; the interval ends there.
        highest: the metric's largest possible value.
        fewest_speakers: speakers of the rarest class a mean over classes rests on; None: all speakers.
        fisher: a correlation, whose t interval is taken of arctanh(value).
    """

    metric: Metric
    lowest: float = -np.inf
    highest: float = np.inf
    fewest_speakers: int | None = None
    fisher: bool = False


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
    statistics: Array,
    estimands: dict[str, Estimand],
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = _SEED,
) -> dict[str, Interval]:
    """Intervals of several metrics of the same rows; the same seed gives the same bits.

    Args:
        statistics: (speakers, ...) each speaker's additive statistic (confusion matrix or sums).
        estimands: name -> metric.
        level: nominal coverage, in (0, 1).
        resamples: bootstrap draws.
        seed: of the bootstrap.

    >>> from profiling.evaluation.metrics import mae, regression_sums
    >>> sums = regression_sums([20, 30, 40, 50], [22, 31, 44, 50], groups=np.arange(4))
    >>> speaker_intervals(sums, {"mae": Estimand(mae)})["mae"].reason
    'too few speakers: 4, at least 5 needed'
    """
    count = len(statistics)
    if count < MIN_SPEAKERS:
        too_few = f"too few speakers: {count}, at least {MIN_SPEAKERS} needed"
        return dict.fromkeys(estimands, no_interval(too_few, count))
    statistics = np.asarray(statistics, dtype=np.float64)
    resampled = _resampled(statistics, resamples, seed) if count >= BOOTSTRAP_SPEAKERS else None
    return {name: _interval(statistics, estimand, resampled, level) for name, estimand in estimands.items()}


def _interval(statistics: Array, estimand: Estimand, resampled: Array | None, level: float) -> Interval:
    count = len(statistics)
    left_out = _scaled(estimand, estimand.metric(statistics.sum(0) - statistics))  # (speakers,)
    reason = _why_none(left_out)
    if reason:
        return no_interval(reason, count)
    if resampled is not None and _rarest(estimand, count) >= BOOTSTRAP_SPEAKERS:
        return _percentile(estimand.metric(resampled), count, level)
    return _jackknife(_scaled(estimand, estimand.metric(statistics.sum(0))), left_out, estimand, level)


def _scaled(estimand: Estimand, values: Array) -> Array:
    with np.errstate(divide="ignore"):  # a correlation of exactly 1 becomes infinite: no interval
        return np.arctanh(values) if estimand.fisher else values


def _rarest(estimand: Estimand, count: int) -> int:
    return count if estimand.fewest_speakers is None else estimand.fewest_speakers


def no_interval(reason: str, speakers: int | None) -> Interval:
    """The absence of an interval, with its reason."""
    return Interval(None, None, "none", speakers, reason=reason)


def _why_none(left_out: Array) -> str | None:
    if not np.isfinite(left_out).all():  # such as the recall of a class that one speaker has
        return "undefined or perfect once a single speaker is left out"
    if np.ptp(left_out) <= 1e-12 * np.abs(left_out).max():
        return "no spread over speakers to estimate it from"
    return None


def _percentile(values: Array, count: int, level: float) -> Interval:
    tail = 50 * (1 - level)
    # A resample that lost a class has no value; it says nothing about those that kept all.
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high), "speaker bootstrap", count, level)


def _jackknife(value: Array, left_out: Array, estimand: Estimand, level: float) -> Interval:
    count = len(left_out)
    error = np.sqrt((count - 1) / count * np.sum((left_out - left_out.mean()) ** 2))
    # Recalls of classes with different speakers are averaged: Welch's lower bound of the freedom.
    half = stats.t.ppf((1 + level) / 2, _rarest(estimand, count) - 1) * error
    ends = np.array([value - half, value + half])
    low, high = np.clip(np.tanh(ends) if estimand.fisher else ends, estimand.lowest, estimand.highest)
    return Interval(float(low), float(high), "speaker jackknife t", count, level)


def _resampled(statistics: Array, resamples: int, seed: int) -> Array:
    """Statistics of ``resamples`` draws of all speakers with replacement, (resamples, ...)."""
    flat = statistics.reshape(len(statistics), -1)  # (speakers, D)
    sums = [weights @ flat for weights in speaker_draws(len(flat), resamples, seed)]
    return np.concatenate(sums).reshape(resamples, *statistics.shape[1:])


def speaker_draws(speakers: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each speaker is drawn, in blocks of (rows, speakers)."""
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // speakers)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(speakers, size=(rows, speakers)) + np.arange(rows)[:, None] * speakers
        counts = np.bincount(drawn.ravel(), minlength=rows * speakers)
        yield counts.reshape(rows, speakers).astype(np.float64)
