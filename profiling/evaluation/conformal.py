"""Intervals and label sets that hold the truth for a promised share of new **speakers**.

Split conformal prediction (Vovk et al., Algorithmic Learning in a Random World, 2005): the errors of people
whom the head never heard say how far it must reach. People, not utterances, are exchangeable, so the quantile
is over speakers: one utterance each, averaged over draws (Dunn, Wasserman and Ramdas, Distribution-free
prediction sets for two-layer hierarchical models, JASA 118, 2023). The promise ends where the recordings
differ from those it was fitted on; what is achieved on held-out corpora stands beside it.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from profiling.evaluation.applied import Flags
from profiling.evaluation.intervals import Estimand, speaker_interval
from profiling.evaluation.metrics import Array, Index
from profiling.evaluation.scales import ARCSINE, LOGIT

LEVELS = (0.5, 0.8, 0.9, 0.95)
DRAWS = 500
_SEED = 20_090_906


def speakers_needed(level: float) -> int:
    """Fewest speakers whose largest error can stand for the level.

    >>> [speakers_needed(level) for level in (0.5, 0.8, 0.9, 0.95)]
    [1, 4, 9, 19]
    """
    return ceil(level / (1 - level) - 1e-9)


def speaker_quantile(
    scores: Array, groups: Index, level: float, draws: int = DRAWS, seed: int = _SEED
) -> float | None:
    """The error that ``level`` of new speakers' utterances stay within; None with too few speakers.

    Args:
        scores: (n,) error of each utterance, larger is worse.
        groups: (n,) speaker number, 0 to S - 1.
        level: promised share.
        draws: of one utterance per speaker; their quantiles are averaged.
        seed: of the draws.

    >>> speaker_quantile(np.arange(9.0), np.arange(9), 0.9)
    8.0
    """
    speakers = int(groups.max()) + 1 if len(groups) else 0
    if speakers < speakers_needed(level):
        return None
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=speakers)
    starts = np.cumsum(sizes) - sizes
    generator = np.random.default_rng(seed)
    chosen = starts + np.floor(generator.random((draws, speakers)) * sizes).astype(np.intp)  # (draws, S)
    drawn = np.sort(scores[order][chosen], axis=1)
    rank = ceil((speakers + 1) * level - 1e-9)  # of S, from 1
    return float(drawn[:, rank - 1].mean())


def fit_conformal(scores: Array, groups: Index, kind: str) -> list[dict[str, Any]]:
    """The entries of a bundle's ``calibration.conformal``, one for each level.

    Args:
        scores: (n,) |error|, or 1 - probability of the reference.
        groups: (n,) speaker number.
        kind: ``interval`` or ``label set``.
    """
    speakers = int(groups.max()) + 1
    entries = []
    for level in LEVELS:
        needed = speakers_needed(level)
        quantile = speaker_quantile(scores, groups, level)
        reason = None if quantile is not None else f"no {kind}: {speakers} speakers, {needed} needed"
        entries.append(
            {"level": level, "kind": kind, "quantile": quantile, "speakers": speakers,
             "speakers_needed": needed, "reason": reason}
        )  # fmt: skip
    return entries


def achieved(inside: Flags, groups: Index | None) -> dict[str, Any]:
    """The share of utterances whose truth was held, with its interval over speakers.

    Args:
        inside: (n,) bool.
        groups: (n,) speaker number, or None without ids.
    """
    value = float(np.mean(inside))
    if groups is None:
        return {
            "value": value,
            "low": None,
            "high": None,
            "reason": "speaker ids are missing",
            "speakers": None,
        }
    counts = np.stack([np.bincount(groups, weights=inside), np.bincount(groups)], axis=1).astype(np.float64)
    estimand = Estimand(lambda s: s[..., 0] / s[..., 1], (LOGIT, ARCSINE), rows=counts[:, 1])
    found = speaker_interval(counts, estimand)
    ends = {"low": found.low, "high": found.high, "reason": found.reason}
    return {"value": value, **ends, "speakers": found.speakers}
