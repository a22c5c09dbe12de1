"""Whether two systems differ on the same speakers: sign-flip test, paired bootstrap, Holm's correction.

Both systems answered the same utterances, so what is compared is each speaker's pair of statistics. Under
the null hypothesis the two systems are exchangeable within a speaker: swapping the answers of any set of
speakers gives an equally likely result (Fisher's randomisation test; Good, Permutation, Parametric and
Bootstrap Tests of Hypotheses, 2005). Swapping utterances instead would call 40 clips of one voice 40
independent witnesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from profiling.evaluation.metrics import Array

RESAMPLES = 2_000
FLIPS = 9_999  # random swaps; up to 2^13 all of them are tried instead
_EXACT_SPEAKERS = 13
_SEED = 20_090_906
_BLOCK = 1 << 22  # numbers held in memory at once

Metric = Callable[[Array], Array]


@dataclass(frozen=True)
class FlipTest:
    """Two-sided test of "the systems are exchangeable within a speaker".

    Attributes:
        p_value: share of the swaps whose difference is at least as large; never 0. None: undefined.
        swaps: how many were tried.
        exact: whether these were all there are.
    """

    p_value: float | None
    swaps: int
    exact: bool


def sign_flip_test(
    first: Array, second: Array, metric: Metric, flips: int = FLIPS, seed: int = _SEED
) -> FlipTest:
    """Tests the difference of a metric between two systems on the same speakers.

    Args:
        first: (speakers, ...) each speaker's additive statistic under system A.
        second: the same of system B, the same speakers in the same order.
        metric: statistic -> value.
        flips: random swaps, where the speakers are too many for all of them.
        seed: of the random swaps.

    >>> from profiling.evaluation.metrics import mae, regression_sums
    >>> y, who = np.arange(5.0), np.arange(5)
    >>> better, worse = regression_sums(y, y + 1, who), regression_sums(y, y + 3, who)
    >>> sign_flip_test(better, worse, mae)  # all five alike: 2 of 32 swaps are as extreme
    FlipTest(p_value=0.0625, swaps=32, exact=True)
    """
    _same_speakers(first, second)
    speakers = len(first)
    exact = speakers <= _EXACT_SPEAKERS
    total, moved = first.sum(0) + second.sum(0), (second - first).reshape(speakers, -1)
    base = first.sum(0).reshape(-1)

    def difference(swapped: Array) -> Array:  # (swaps, speakers) of 0 and 1
        flipped = (base + swapped @ moved).reshape(-1, *total.shape)
        return metric(flipped) - metric(total - flipped)

    observed = float(difference(np.zeros((1, speakers)))[0])
    if not np.isfinite(observed):
        return FlipTest(None, 0, exact)
    found = np.concatenate([difference(block) for block in _swaps(speakers, flips, seed, exact=exact)])
    # A swap that leaves no value says nothing for either side: it is counted against a difference.
    extreme = int((~(np.abs(found) < abs(observed) - 1e-12 * max(1.0, abs(observed)))).sum())
    if exact:
        return FlipTest(extreme / len(found), len(found), exact)
    return FlipTest((1 + extreme) / (1 + len(found)), len(found), exact)  # the swap of nobody counts too


def paired_bootstrap(
    first: Array, second: Array, metric: Metric, resamples: int = RESAMPLES, seed: int = _SEED
) -> Array:
    """Differences A - B over draws of whole speakers with replacement, both systems on the same draw.

    Returns:
        (resamples,) differences; NaN where a draw lost a class.
    """
    _same_speakers(first, second)
    shape = first.shape[1:]
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    found = [
        metric((weights @ a).reshape(-1, *shape)) - metric((weights @ b).reshape(-1, *shape))
        for weights in _draws(len(first), resamples, seed)
    ]
    return np.concatenate(found)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction for many tests (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: of the tests; None for one that could not be made, which is not counted.

    Returns:
        Adjusted values in the same order: reject where one is at most the level.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    made = [i for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(made, key=lambda i: p_values[i] or 0.0)):
        largest = max(largest, min(1.0, (len(made) - rank) * (p_values[i] or 0.0)))
        adjusted[i] = largest
    return adjusted


def _swaps(speakers: int, flips: int, seed: int, *, exact: bool) -> Iterator[Array]:
    """Who is swapped, blocks of (swaps, speakers); all sets of speakers where ``exact``."""
    if exact:
        yield ((np.arange(2**speakers)[:, None] >> np.arange(speakers)) & 1).astype(np.float64)
        return
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // speakers)
    for start in range(0, flips, block):
        yield generator.integers(0, 2, (min(block, flips - start), speakers)).astype(np.float64)


def _draws(speakers: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each speaker is drawn, in blocks of (rows, speakers)."""
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // speakers)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(speakers, size=(rows, speakers)) + np.arange(rows)[:, None] * speakers
        counts = np.bincount(drawn.ravel(), minlength=rows * speakers)
        yield counts.reshape(rows, speakers).astype(np.float64)


def _same_speakers(first: Array, second: Array) -> None:
    if first.shape != second.shape or not len(first):
        raise ValueError(f"statistics of {first.shape} and {second.shape}: both must be of the same speakers")
