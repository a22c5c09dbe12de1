"""One paired comparison as a record, Holm's correction over many, and the table of wins, ties and losses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from profiling.evaluation.paired import holm

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """System A against system B on the same utterances.

    Attributes:
        a: name of the first system.
        b: name of the second.
        where: what they were compared on: ``test`` or a held-out corpus.
        metric: such as ``uar``.
        larger_is_better: of the metric.
        n: utterances.
        speakers: their speakers; None where ids are missing.
        value_a: the metric of A.
        value_b: the metric of B.
        difference: A - B.
        low: lower end of the difference's 95 % interval over speakers; None without one.
        high: upper end.
        method: of the interval.
        reason: why there is no interval or no test.
        bootstrap_better: share of the paired bootstrap's draws in which A is the better; ties count half.
        p_value: of the sign-flip test over speakers.
        swaps: how many sign flips were tried.
        exact: whether all there are.
        p_holm: corrected for everything tested together.
        speakers_won: speakers on whom A is better (accuracy, or MAE for numbers).
        speakers_tied: on whom both are equal.
        speakers_lost: on whom B is better.
        utterances_won: utterances that A has right and B wrong (numbers: A is nearer).
        utterances_tied: both right, both wrong, or equally near.
        utterances_lost: the other way round.
    """

    a: str
    b: str
    where: str
    metric: str
    larger_is_better: bool
    n: int
    speakers: int | None
    value_a: float | None
    value_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    method: str
    reason: str | None
    bootstrap_better: float | None
    p_value: float | None
    swaps: int
    exact: bool
    p_holm: float | None
    speakers_won: int | None
    speakers_tied: int | None
    speakers_lost: int | None
    utterances_won: int
    utterances_tied: int
    utterances_lost: int

    def as_dict(self) -> dict[str, Any]:
        """The fields and :meth:`verdict`, ready for JSON or a table."""
        return {**asdict(self), "verdict": self.verdict()}

    def verdict(self, level: float = LEVEL) -> str:
        """``win`` (A is better), ``loss``, ``tie`` (not told apart) or ``no test``, by the corrected p-value."""
        p_value = self.p_value if self.p_holm is None else self.p_holm
        if p_value is None or self.difference is None:
            return "no test"
        if p_value > level or self.difference == 0:
            return "tie"
        return "win" if (self.difference > 0) == self.larger_is_better else "loss"


def correct(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Holm's correction over everything that was tested together."""
    listed = list(comparisons)
    adjusted = holm([one.p_value for one in listed])
    return [replace(one, p_holm=p) for one, p in zip(listed, adjusted, strict=True)]


def win_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """For every system: against how many it wins, ties and loses, after correction; best first."""
    turned = {"win": "loss", "loss": "win"}
    rows = [(one.a, one.verdict()) for one in comparisons]
    rows += [(one.b, turned.get(one.verdict(), one.verdict())) for one in comparisons]
    counts = pd.DataFrame(rows, columns=["system", "verdict"]).value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=["win", "tie", "loss", "no test"], fill_value=0).rename_axis(columns=None)
    return counts.sort_values(["win", "loss"], ascending=[False, True], kind="stable")
