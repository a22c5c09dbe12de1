"""Choosing speakers so that every part has every class: greedy, deterministic by seed.

A speaker belongs to strata: the classes (or the age band) of their rows, which a part must have, and their
gender and corpus, which should be balanced where the first leave a choice. It is the greedy step of iterative
stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011) with speakers as the units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Member = NDArray[np.bool_]  # (speakers, strata)
Mask = NDArray[np.bool_]  # (speakers,)
Counts = NDArray[np.int64]  # (speakers,)

MAX_AGE_BANDS = 5
SPEAKERS_PER_BAND = 8  # below, quantiles of age would be single speakers


@dataclass(frozen=True)
class Roster:
    """Who there is.

    Attributes:
        names: (speakers,) sorted ids.
        must: (speakers, strata) classes or age bands.
        should: (speakers, strata) gender and corpus.
        rank: (speakers,) a permutation drawn from the seed; low ranks are chosen first.
    """

    names: NDArray[np.object_]
    must: Member
    should: Member
    rank: Counts


def roster(rows: pd.DataFrame, speakers: list[str], column: str, seed: int) -> Roster:
    """Builds the roster of a table of task rows.

    Args:
        rows: task rows with ``column``, ``gender`` and ``corpus``.
        speakers: (rows,) speaker of each row.
        column: class (text) or target (number) of each row.
        seed: of the order in which equals are chosen.
    """
    names = np.array(sorted(set(speakers)), dtype=object)
    values = rows[column]
    if pd.api.types.is_numeric_dtype(values):
        values = pd.Series(age_bands(values.to_numpy(dtype=float), speakers), index=rows.index)
    must = _members(speakers, list(values))
    should = np.hstack([_members(speakers, list(rows[name])) for name in ("gender", "corpus")])
    rank = np.random.default_rng(seed).permutation(len(names))
    return Roster(names, must, should, rank)


def age_bands(targets: NDArray[np.float64], speakers: list[str]) -> list[str]:
    """The quantile band of each row's speaker, by the speaker's median target.

    >>> age_bands(np.arange(16.0), [f"s{i:02d}" for i in range(16)])[7:9]
    ['band_0', 'band_1']
    """
    median = pd.Series(targets).groupby(pd.Series(speakers)).median()
    bands = int(np.clip(len(median) // SPEAKERS_PER_BAND, 1, MAX_AGE_BANDS))
    edges = np.quantile(median, np.arange(1, bands) / bands)
    return [f"band_{band}" for band in np.digitize(median.loc[speakers], edges)]


def _members(speakers: list[str], strata: list[str | None]) -> Member:
    """(speakers, strata) from row-wise labels; a missing one belongs to none."""
    names = sorted(set(speakers))
    kinds = sorted({stratum for stratum in strata if isinstance(stratum, str)})
    row, column = ({name: i for i, name in enumerate(listed)} for listed in (names, kinds))
    members = np.zeros((len(names), len(kinds)), dtype=bool)
    for speaker, stratum in zip(speakers, strata, strict=True):
        if isinstance(stratum, str):
            members[row[speaker], column[stratum]] = True
    return members


def choose(who: Roster, available: Mask, fraction: float, reserve: int, used: Counts | None = None) -> Mask:
    """Picks about ``fraction`` of the available speakers, every class among them where that leaves enough.

    Args:
        who: the roster.
        available: (speakers,) who may be picked.
        fraction: of the available speakers, above 0.
        reserve: speakers of each class that must stay, one for every part still to be filled.
        used: (speakers,) how often each was picked before; the least used come first.

    Returns:
        (speakers,) True for the picked.
    """
    target = max(1, round(fraction * int(available.sum())))
    must, should = (np.where(available[:, None], strata, False) for strata in (who.must, who.should))
    there = must.sum(0)
    must_seats = np.clip(np.rint(fraction * there), 1, np.maximum(there - reserve, 0))
    should_seats = np.rint(fraction * should.sum(0))
    weight = should.shape[1] + 1  # one class that is needed outweighs all balance
    first = _preference(who, used)
    picked, allowed = np.zeros_like(available), available.copy()
    while True:
        allowed &= ~must[:, there - must[picked].sum(0) <= reserve].any(1) & ~picked
        gain = must[:, must[picked].sum(0) < must_seats].sum(1)
        if not allowed.any() or (picked.sum() >= target and gain[allowed].max() == 0):
            return picked
        balance = should[:, should[picked].sum(0) < should_seats].sum(1)
        picked[np.argmax(np.where(allowed, weight * gain + balance + first, -1.0))] = True


def _preference(who: Roster, used: Counts | None) -> NDArray[np.float64]:
    """(speakers,) in [0, 0.5]: the least used first, then by rank."""
    order = np.lexsort((who.rank, np.zeros_like(who.rank) if used is None else used))
    preference = np.empty(len(order))
    preference[order] = np.linspace(0.5, 0.0, len(order))
    return preference


def deal(who: Roster, folds: int) -> Counts:
    """(speakers,) the fold that tests each speaker: like dealing cards sorted by class, gender and corpus."""
    keys = np.hstack([who.should, who.must]).astype(int)  # lexsort: the last key counts first
    order = np.lexsort((who.rank, *keys.T))
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = np.arange(len(order)) % folds
    return fold
