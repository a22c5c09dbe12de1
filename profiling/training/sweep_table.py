"""The winners of a sweep over several settings as one table, such as layers by tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from profiling.evaluation.result import Result, parts
from profiling.evaluation.summary import NAMES, value_text

Opened = tuple[Mapping[str, Any], Result]


def cross_table(winners: Sequence[Opened], by: Sequence[str]) -> Iterator[list[str]]:
    """Header and rows: the values of the last setting down, the combinations of the others across.

    Args:
        winners: each with its result; a cell shows the metric it was selected by, on the first part that was opened
            (test, or the held-out corpora where there is none).
        by: settings with a winner for each of their values.

    Yields:
        Cells as text; nothing where fewer than two settings differ.
    """
    down, across = by[-1], by[:-1]
    columns = list(dict.fromkeys(_values(winner, across) for winner, _ in winners))
    rows = list(dict.fromkeys(str(winner["cell"][down]) for winner, _ in winners))
    if len(by) < 2 or len(rows) < 2:
        return
    told = [key for place, key in enumerate(across) if len({values[place] for values in columns}) > 1]
    cells = {
        (str(winner["cell"][down]), _values(winner, across)): _cell(winner, result)
        for winner, result in winners
    }
    yield [down, *(_title(values, across, told) for values in columns)]
    for row in rows:
        yield [row, *(cells.get((row, values), "") for values in columns)]


def _values(winner: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(winner["cell"][key]) for key in keys)


def _title(values: Sequence[str], keys: Sequence[str], told: Sequence[str]) -> str:
    """What differs between columns; of a corpus the folder of its manifest."""
    shown = [_short(value) for key, value in zip(keys, values, strict=True) if key in told]
    return ", ".join(shown) or _short(values[0])


def _short(value: str) -> str:
    path = Path(value.strip("[]'\"").rpartition(":")[2])
    return path.parent.name if path.suffix and path.parent.name else value


def _cell(winner: Mapping[str, Any], result: Result) -> str:
    name = winner["score_name"]
    opened = [part for part in parts(result) if not part.title.startswith("validation")]
    if not opened:
        return ""
    return f"{NAMES[name]} {value_text(name, opened[0].score['metrics'][name])}"
