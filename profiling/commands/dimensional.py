"""Arousal, valence and dominance runs given to ``profiling compare`` together: no rivals, one answer in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiling.errors import SplitError

if TYPE_CHECKING:
    import pandas as pd


def dimensions_of(runs: Sequence[Path]) -> list[str] | None:
    """Each run's dimension, in the order of ``runs``; None where they are anything else, such as rivals in one."""
    from profiling.evaluation.dimensions import DIMENSIONS
    from profiling.provenance import read_json
    from profiling.training.outcome import METRICS

    tasks = [str(read_json(run / METRICS)["task"]["name"]) for run in runs if (run / METRICS).is_file()]
    several = len(tasks) == len(runs) == len(set(tasks)) > 1
    return tasks if several and set(tasks) <= set(DIMENSIONS) else None


def together(
    tables: Mapping[str, pd.DataFrame], *, on: str | None = None, shared: bool = False
) -> list[dict[str, Any]]:
    """CCC of each dimension and their mean, on every part that all runs have.

    Args:
        tables: dimension -> predictions of its run.
        on: only this part.
        shared: whether utterances that lack a dimension may be left out.

    Returns:
        Rows of ``where``, ``dimension`` (``mean`` last), ``ccc``, ``low``, ``high``, ``reason``, ``n``, ``speakers``.

    Raises:
        SplitError: no part in common, or utterances that not every dimension was answered on.
    """
    from profiling.evaluation.dimensions import dimensional_ccc
    from profiling.evaluation.joining import common_parts

    rows = []
    for part, own in common_parts(tables, on).items():
        found = dimensional_ccc(_shared(own) if shared else own)
        rows += [_row(part, name, found) for name in (*tables, "mean")]
    return rows


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each row, under a head for each part."""
    said, where = [], None
    for row in rows:
        if row["where"] != where:
            where = row["where"]
            said.append(f"{where}: {row['n']} utterances of {row['speakers'] or 'unknown'} speakers, CCC")
        value = "undefined" if row["ccc"] is None else f"{row['ccc']:.3f}"
        ends = f"[{row['low']:.3f}, {row['high']:.3f}]" if row["reason"] is None else f"({row['reason']})"
        said.append(f"  {row['dimension']}: {value} {ends}")
    return said


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes ``dimensions.json`` and ``dimensions.csv``."""
    import pandas as pd

    from profiling.provenance import atomic_write, write_json

    write_json(folder / "dimensions.json", {"rows": list(rows)})
    atomic_write(folder / "dimensions.csv", pd.DataFrame(rows).to_csv(index=False))


def _row(part: str, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    one = found[name]
    ends = {key: one[key] for key in ("low", "high", "reason")}
    return {"where": part, "dimension": name, "ccc": one["value"], **ends, "n": found["n"]} | {
        "speakers": found["speakers"]
    }


def _shared(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    ids = set.intersection(*(set(table["utt_id"]) for table in tables.values()))
    if not ids:
        raise SplitError("the dimensions share no utterance: score the same rows in each")
    return {name: table[table["utt_id"].isin(ids)] for name, table in tables.items()}
