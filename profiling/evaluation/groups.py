"""Scores by group of people and recordings, and whether their differences are more than chance.

The largest gap between groups is set beside the gaps of a **random model**: the same answers, with the groups
dealt out again at random, so that it has no bias by construction. With few speakers even that shows large gaps;
a gap inside them is noise. Sex, age, language and corpus belong to a speaker and are dealt out by speaker,
duration and signal-to-noise ratio by utterance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.evaluation.estimands import LARGER_IS_BETTER, label_estimands, number_estimands
from profiling.evaluation.grouping import GROUPINGS, NOT_MEASURED, group_names
from profiling.evaluation.intervals import (
    MIN_SPEAKERS,
    Estimand,
    no_interval,
    speaker_groups,
    speaker_interval,
)
from profiling.evaluation.metrics import Array, confusion_matrix, regression_sums, value_or_none

SMALL_ROWS = 20  # fewer utterances: a share moves by 5 points with a single one
SHUFFLES = 500
_SEED = 20_090_906


def group_scores(
    predictions: pd.DataFrame, labels: Sequence[str], constant: float = np.nan
) -> dict[str, list[dict[str, Any]]]:
    """Scores of every grouping that the predictions have columns for.

    Args:
        predictions: of one part; ``speaker_id``, ``label`` or ``target``, ``predicted`` and any of ``gender``,
            ``age_years``, ``language``, ``corpus``, ``duration_s``, ``snr_db``.
        labels: those answered among; empty for numbers.
        constant: the constant predictor's number, for the skill.

    Returns:
        ``groups``: rows of ``grouping``, ``group``, ``metric``, ``value``, ``low``, ``high``, ``reason``, ``n``,
        ``speakers``, ``note``; ``gaps``: rows of ``grouping``, ``metric``, ``gap``, ``best``, ``worst``,
        ``random_median``, ``random_95``, ``p_value``, ``note``.
    """
    table = predictions.reset_index(drop=True)
    rows, gaps = [], []
    for grouping, (_, by_speaker) in GROUPINGS.items():
        names = group_names(table, grouping)
        if names is None:
            continue
        known = names.notna().to_numpy()
        split = _Split(
            table[known].reset_index(drop=True), names[known].astype(str).to_numpy(), labels, constant
        )
        rows += [{"grouping": grouping, **row} for row in split.rows()]
        gaps += [{"grouping": grouping, **row} for row in split.gaps(by_speaker=by_speaker)]
    return {"groups": rows, "gaps": gaps}


class _Split:
    """Rows of one part divided into groups."""

    def __init__(
        self, table: pd.DataFrame, groups: NDArray[np.object_], labels: Sequence[str], constant: float
    ) -> None:
        self.labels, self.constant = list(labels), constant
        self.table = table
        self.names, self.number = np.unique(groups, return_inverse=True)
        numbered = speaker_groups(list(table["speaker_id"]))
        self.speaker = None if numbered is None else numbered[0]
        self.rowwise = self._statistics(np.arange(len(table), dtype=np.intp))  # (n, ...)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each group and metric."""
        return [row for g in range(len(self.names)) for row in self._group(g)]

    def gaps(self, *, by_speaker: bool) -> list[dict[str, Any]]:
        """The largest gap of each metric beside a random model's."""
        unit = self.speaker if by_speaker else np.arange(len(self.table), dtype=np.intp)
        if unit is None:
            return []
        return [self._gap(metric, unit) for metric in self._metrics()]

    def _metrics(self) -> tuple[str, ...]:
        return ("uar", "wa") if self.labels else ("mae", "skill")

    def _group(self, g: int) -> list[dict[str, Any]]:
        inside = self.number == g
        speakers = None if self.speaker is None else len(np.unique(self.speaker[inside]))
        note = _note(int(inside.sum()), speakers)
        found = []
        for metric, estimand, statistic in self._estimands(inside):
            interval = no_interval("speaker ids are missing", None)
            if self.speaker is not None:
                interval = speaker_interval(statistic, estimand)
            found.append(
                {
                    "group": str(self.names[g]), "metric": metric,
                    "value": value_or_none(estimand.metric(statistic.sum(0))),
                    "low": interval.low, "high": interval.high, "reason": interval.reason,
                    "n": int(inside.sum()), "speakers": speakers, "note": note,
                }
            )  # fmt: skip
        return found

    def _estimands(self, inside: NDArray[np.bool_]) -> list[tuple[str, Estimand, Array]]:
        units = np.zeros(int(inside.sum()), np.intp)
        if self.speaker is not None:
            units = np.unique(self.speaker[inside], return_inverse=True)[1].astype(np.intp)
        statistic = _summed(self.rowwise[inside], units)
        known = statistic if self.speaker is not None else None
        by_class = bool(self.labels)
        every = label_estimands(known, statistic.sum((0, -1)) > 0) if by_class else number_estimands(known)
        return [(metric, every[metric], statistic) for metric in self._metrics()]

    def _statistics(self, units: NDArray[np.intp]) -> Array:
        if self.labels:
            pair = (list(self.table["label"]), list(self.table["predicted"]))
            return confusion_matrix(*pair, self.labels, units).astype(np.float64)
        return regression_sums(self.table["target"], self.table["predicted"], units, self.constant)

    def _gap(self, metric: str, unit: NDArray[np.intp]) -> dict[str, Any]:
        """Groups enter with at least :data:`MIN_SPEAKERS` speakers (or, by utterance, SMALL_ROWS rows)."""
        entering = self._entering()
        found: dict[str, Any] = {"metric": metric, "groups": len(entering), "gap": None, "best": None, "worst": None,
                                 "random_median": None, "random_95": None, "p_value": None}  # fmt: skip
        if len(entering) < 2:
            return found | {
                "note": f"fewer than two groups with {MIN_SPEAKERS} speakers and {SMALL_ROWS} utterances"
            }
        kept = np.isin(self.number, entering)
        units, position = np.unique(unit[kept], return_inverse=True)
        statistic = _summed(self.rowwise[kept], position.astype(np.intp))  # (units, ...)
        owner = np.zeros(len(units), dtype=np.intp)
        owner[position] = np.searchsorted(entering, self.number[kept])
        value = self._value(metric)
        values = value(_summed(statistic, owner))
        if not np.isfinite(values).all():
            return found | {"note": "undefined in a group, such as the UAR of a class that it lacks"}
        random = np.array([_spread(value, statistic, owner, seed) for seed in range(SHUFFLES)])
        random = random[np.isfinite(random)]
        gap = float(np.ptp(values))
        better = 1 if LARGER_IS_BETTER[metric] else -1
        order = np.argsort(-better * values)
        names = self.names[entering]
        said = {"gap": gap, "best": str(names[order[0]]), "worst": str(names[order[-1]])}
        chance = {
            "random_median": float(np.median(random)), "random_95": float(np.percentile(random, 95)),
            "p_value": float((1 + (random >= gap - 1e-12).sum()) / (1 + len(random))),
        }  # fmt: skip
        return found | said | chance | {"note": _judged(gap, chance["random_95"])}

    def _entering(self) -> NDArray[np.intp]:
        large = (np.bincount(self.number) >= SMALL_ROWS) & (self.names != NOT_MEASURED)
        if self.speaker is None:
            return np.flatnonzero(large)
        pairs = np.unique(np.stack([self.number, self.speaker], axis=1), axis=0)
        return np.flatnonzero(large & (np.bincount(pairs[:, 0]) >= MIN_SPEAKERS))

    def _value(self, metric: str) -> Callable[[Array], Array]:
        """The metric over the classes of the whole part, so that groups are compared on the same classes."""
        if not self.labels:
            return number_estimands(None)[metric].metric
        return label_estimands(None, self.rowwise.sum((0, -1)) > 0)[metric].metric


def _summed(statistics: Array, units: NDArray[np.intp]) -> Array:
    sums = np.zeros((int(units.max()) + 1, *statistics.shape[1:]))
    np.add.at(sums, units, statistics)
    return sums


def _spread(value: Callable[[Array], Array], statistic: Array, owner: NDArray[np.intp], seed: int) -> float:
    dealt = np.random.default_rng([_SEED, seed]).permutation(owner)
    return float(np.ptp(value(_summed(statistic, dealt))))


def _note(rows: int, speakers: int | None) -> str | None:
    if speakers is not None and speakers < MIN_SPEAKERS:
        return f"small group: {speakers} speakers, {MIN_SPEAKERS} needed for an interval"
    if rows < SMALL_ROWS:
        return f"small group: {rows} utterances"
    return None


def _judged(gap: float, random_95: float) -> str:
    if gap > random_95:
        return "larger than 95 % of the gaps of a model without bias"
    return "not told apart from the gaps of a model without bias"
