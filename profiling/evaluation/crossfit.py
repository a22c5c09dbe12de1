"""How a calibration is judged on the speakers it was fitted on: fitted anew without each of them.

A temperature flatters the answers it was fitted to, and a quantile holds the errors it was taken from. So every
test speaker is judged by the calibration the bundle would have had if nobody had ever heard that speaker: the
temperature, the probabilities from which label sets are fitted, and the quantile all come from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiling.evaluation.applied import apply_temperature
from profiling.evaluation.calibration import cross_fitted, fit_temperature, speaker_folds
from profiling.evaluation.conformal import speaker_quantile
from profiling.evaluation.metrics import Array, Index

#: Below, speakers are left out one by one: a tenth of them would leave too few for a level of 95 %.
_ONE_BY_ONE_BELOW = 25
_TURNS = 10


class Judged(NamedTuple):
    """What other speakers' calibration makes of each row.

    Attributes:
        probabilities: (n, K) after the others' temperature; (n, 0) for numbers.
        quantiles: level -> (n,) of the others; NaN where those are too few.
        temperatures: of each turn; empty where none was fitted.
        turns: how often it was fitted anew.
    """

    probabilities: Array
    quantiles: dict[float, Array]
    temperatures: list[float]
    turns: int


def judged_labels(
    probabilities: Array, truth: Index, groups: Index, levels: Sequence[float], *, scale: bool
) -> Judged:
    """Probabilities and quantiles of label sets, none of which knew its own speaker.

    Args:
        probabilities: (n, K), as the head answered.
        truth: (n,) column of the reference.
        groups: (n,) speaker number of each row.
        levels: of the label sets.
        scale: whether there is a temperature at all.
    """
    scaled = np.array(probabilities)
    quantiles = {level: np.full(len(truth), np.nan) for level in levels}
    temperatures = []
    turns = speaker_turns(groups)
    for inside in turns:
        known, right, others = probabilities[~inside], truth[~inside], _renumbered(groups[~inside])
        if scale:
            temperatures.append(fit_temperature(known, right))
            scaled[inside] = apply_temperature(probabilities[inside], temperatures[-1])
        _fill(quantiles, inside, set_scores(known, right, others, scale=scale), others)
    return Judged(scaled, quantiles, temperatures, len(turns))


def judged_numbers(errors: Array, groups: Index, levels: Sequence[float]) -> Judged:
    """Quantiles of intervals, none of which knew its own speaker; arguments as :func:`judged_labels`."""
    quantiles = {level: np.full(len(errors), np.nan) for level in levels}
    turns = speaker_turns(groups)
    for inside in turns:
        _fill(quantiles, inside, errors[~inside], _renumbered(groups[~inside]))
    return Judged(np.empty((len(errors), 0)), quantiles, [], len(turns))


def set_scores(probabilities: Array, truth: Index, groups: Index, *, scale: bool) -> Array:
    """(n,) 1 - p of the reference, p scaled by a temperature of other speakers where there is one."""
    scaled = cross_fitted(probabilities, truth, groups) if scale else probabilities
    return np.asarray(1 - scaled[np.arange(len(truth)), truth])


def speaker_turns(groups: Index) -> list[NDArray[np.bool_]]:
    """Masks (n,) of speakers that are left out together: one by one below 25 speakers, else a tenth.

    >>> [mask.tolist() for mask in speaker_turns(np.array([0, 1, 1]))]
    [[True, False, False], [False, True, True]]
    """
    speakers = int(groups.max()) + 1
    folds = speaker_folds(groups, speakers if speakers < _ONE_BY_ONE_BELOW else _TURNS)
    return sorted(folds, key=lambda mask: int(groups[mask][0]))


def _fill(quantiles: dict[float, Array], inside: NDArray[np.bool_], scores: Array, groups: Index) -> None:
    for level, found in quantiles.items():
        quantile = speaker_quantile(scores, groups, level)
        found[inside] = np.nan if quantile is None else quantile


def _renumbered(groups: Index) -> Index:
    """Speaker numbers without gaps."""
    return np.unique(groups, return_inverse=True)[1].astype(np.intp)
