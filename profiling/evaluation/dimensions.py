"""Arousal, valence and dominance together: the CCC of each dimension and their mean, over the same utterances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from profiling.errors import SplitError
from profiling.evaluation.estimands import number_estimands
from profiling.evaluation.intervals import Estimand, no_interval, speaker_groups, speaker_interval
from profiling.evaluation.metrics import Array, ccc, regression_sums, value_or_none
from profiling.evaluation.scales import FISHER

DIMENSIONS = ("arousal", "valence", "dominance")


def dimensional_ccc(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """CCC of each dimension and the mean over dimensions, with intervals over speakers.

    Args:
        tables: dimension -> predictions of one part (``utt_id``, ``speaker_id``, ``target``, ``predicted``).

    Returns:
        Dimension (and ``mean``) -> ``value``, ``low``, ``high``, ``reason``; ``n`` and ``speakers`` beside them.

    Raises:
        SplitError: the dimensions were not answered on the same utterances; says how many.
    """
    indexed = {name: table.set_index("utt_id") for name, table in tables.items()}
    ids = sorted(set.intersection(*(set(table.index) for table in indexed.values())))
    if any(len(table) != len(ids) for table in indexed.values()):
        counts = ", ".join(f"{name} {len(table)}" for name, table in indexed.items())
        raise SplitError(
            f"the dimensions share {len(ids)} utterances ({counts}): score the same rows in each"
        )
    rows = [table.loc[ids] for table in indexed.values()]
    numbered = speaker_groups(list(rows[0]["speaker_id"]))
    groups = np.zeros(len(ids), np.intp) if numbered is None else numbered[0]
    sums = np.stack([regression_sums(t["target"], t["predicted"], groups) for t in rows], axis=1)
    found: dict[str, Any] = {"n": len(ids), "speakers": None if numbered is None else len(sums)}
    single = number_estimands(sums[:, 0])["ccc"]
    for position, name in enumerate(tables):
        found[name] = _entry(sums[:, position], single, known=numbered is not None)
    mean = Estimand(lambda s: ccc(s).mean(-1), (FISHER,), rows=single.rows, widen=single.widen)
    return found | {"mean": _entry(sums, mean, known=numbered is not None)}


def _entry(statistic: Array, estimand: Estimand, *, known: bool) -> dict[str, Any]:
    interval = (
        speaker_interval(statistic, estimand) if known else no_interval("speaker ids are missing", None)
    )
    value = value_or_none(estimand.metric(statistic.sum(0)))
    return {"value": value, "low": interval.low, "high": interval.high, "reason": interval.reason}
