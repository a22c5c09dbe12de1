"""Paired comparison of systems on the same utterances: differences, tests, and who wins on whom.

:func:`compare_predictions` takes the predictions of two or more systems on one set of rows (a test part or
one held-out corpus) and gives a :class:`Comparison` for every pair; :func:`correct` corrects the p-values
of everything that was tested together.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from profiling.errors import ConfigError, did_you_mean
from profiling.evaluation.comparison import Comparison, correct
from profiling.evaluation.estimands import LABEL_METRICS, LARGER_IS_BETTER, label_estimands, number_estimands
from profiling.evaluation.intervals import Estimand, speaker_groups, speaker_interval
from profiling.evaluation.joining import Aligned, align
from profiling.evaluation.metrics import Array, Index, confusion_matrix, regression_sums, value_or_none
from profiling.evaluation.paired import paired_bootstrap, sign_flip_test


def compare_predictions(
    tables: Mapping[str, pd.DataFrame],
    metric: str | None = None,
    *,
    where: str = "test",
    shared: bool = False,
) -> list[Comparison]:
    """Compares every pair of systems on one set of rows; p-values corrected over these pairs.

    Args:
        tables: system -> its predictions (``utt_id``, ``speaker_id``, ``label`` or ``target``, ``predicted``,
            ``p_<label>``). Labels are decided among those every system knows.
        metric: ``uar`` (default), ``wa``, ``macro_f1``; for numbers ``mae`` (default), ``rmse``, ``ccc``, ``pearson``.
        where: what the rows are, for the table.
        shared: whether utterances that only some answered may be left out.

    Raises:
        SplitError: the systems do not share utterances, references or labels.
        ConfigError: fewer than two systems, or a metric the task does not have.
    """
    if len(tables) < 2:
        raise ConfigError(f"{len(tables)} system given: a comparison needs at least two")
    aligned = align(tables, shared=shared)
    names = LABEL_METRICS if aligned.labels else ("mae", "rmse", "ccc", "pearson")
    chosen = metric or names[0]
    if chosen not in names:
        raise ConfigError(f"metric {chosen!r} is not one of this task's; {did_you_mean(chosen, names)}")
    found = [_compare(aligned, a, b, chosen, where) for a, b in combinations(tables, 2)]
    return correct(found)


def _compare(aligned: Aligned, a: str, b: str, metric: str, where: str) -> Comparison:
    numbered = speaker_groups(aligned.speakers)
    groups = None if numbered is None else numbered[0]
    parts = [_statistics(aligned, name, groups) for name in (a, b)]
    estimand = _estimand(parts[0], metric, by_class=bool(aligned.labels), known=groups is not None)
    values = [float(estimand.metric(part.sum(0))) for part in parts]
    larger = LARGER_IS_BETTER[metric]
    tested = _tested(parts, estimand, larger=larger) if groups is not None else _UNTESTED
    return Comparison(
        a=a, b=b, where=where, metric=metric, larger_is_better=larger, n=len(aligned.utt_ids),
        speakers=None if groups is None else len(parts[0]),
        value_a=value_or_none(values[0]), value_b=value_or_none(values[1]),
        difference=value_or_none(values[0] - values[1]), p_holm=None,
        **tested, **_counts(aligned, a, b, groups),
    )  # fmt: skip


_UNTESTED: dict[str, Any] = {
    "low": None, "high": None, "method": "none", "reason": "speaker ids are missing", "bootstrap_better": None,
    "p_value": None, "swaps": 0, "exact": False,
}  # fmt: skip


def gap_estimand(estimand: Estimand, axes: int) -> Estimand:
    """The difference A - B of a metric, whose t interval is taken as it is.

    Args:
        estimand: of the metric.
        axes: of the stacked statistics, (speakers, 2, ...).
    """

    def gap(statistic: Array) -> Array:
        a, b = np.moveaxis(statistic, 1 - axes, 0)
        return estimand.metric(a) - estimand.metric(b)

    return Estimand(gap, strata=estimand.strata, rows=estimand.rows, refused=estimand.refused)


def _tested(parts: list[Array], estimand: Estimand, *, larger: bool) -> dict[str, Any]:
    first, second = parts
    stacked = np.stack(parts, axis=1)
    interval = speaker_interval(stacked, gap_estimand(estimand, stacked.ndim))
    drawn = paired_bootstrap(first, second, estimand.metric)
    signed = drawn[np.isfinite(drawn)] * (1 if larger else -1)
    test = sign_flip_test(first, second, estimand.metric)
    share = float(np.mean((signed > 0) + 0.5 * (signed == 0))) if len(signed) else None
    ends = {"low": interval.low, "high": interval.high, "method": interval.method, "reason": interval.reason}
    found = {"bootstrap_better": share, "p_value": test.p_value, "swaps": test.swaps, "exact": test.exact}
    return {**ends, **found}


def _statistics(aligned: Aligned, system: str, groups: Index | None) -> Array:
    """(speakers, ...) additive statistics; without speaker ids one row, of everything."""
    one = np.zeros(len(aligned.utt_ids), dtype=np.intp) if groups is None else groups
    if aligned.labels:
        return confusion_matrix(aligned.reference, aligned.answers[system], aligned.labels, one).astype(
            np.float64
        )
    return regression_sums(aligned.reference, aligned.answers[system], one)


def _estimand(statistics: Array, metric: str, *, by_class: bool, known: bool) -> Estimand:
    if not by_class:
        return number_estimands(statistics if known else None)[metric]
    present = statistics.sum((0, -1)) > 0
    return label_estimands(statistics if known else None, present)[metric]


def _counts(aligned: Aligned, a: str, b: str, groups: Index | None) -> dict[str, Any]:
    """How often A is the better: by utterance and by speaker, smaller loss wins."""
    losses = [_losses(aligned, name) for name in (a, b)]
    found: dict[str, Any] = dict(zip(_UTTERANCES, _wins(losses[0], losses[1]), strict=True))
    if groups is None:
        return {**found, **dict.fromkeys(_SPEAKERS)}
    sums = [np.bincount(groups, weights=loss).astype(np.float64) for loss in losses]
    return {**found, **dict(zip(_SPEAKERS, _wins(sums[0], sums[1]), strict=True))}


_UTTERANCES = ("utterances_won", "utterances_tied", "utterances_lost")
_SPEAKERS = ("speakers_won", "speakers_tied", "speakers_lost")


def _losses(aligned: Aligned, system: str) -> Array:
    answers = aligned.answers[system]
    wrong = answers != aligned.reference if aligned.labels else np.abs(answers - aligned.reference)
    return np.asarray(wrong, dtype=np.float64)


def _wins(first: Array, second: Array) -> tuple[int, int, int]:
    tied = np.isclose(first, second, rtol=1e-9, atol=1e-12)
    return int((~tied & (first < second)).sum()), int(tied.sum()), int((~tied & (first > second)).sum())
