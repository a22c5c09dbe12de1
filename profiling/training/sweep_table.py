"""The winners of a sweep as tables: across several settings, such as layers by tasks, and one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from profiling.evaluation.result import Part, Result, parts
from profiling.evaluation.summary import NAMES, number_text, value_text

Opened = tuple[Mapping[str, Any], Result]


def cross_table(winners: Sequence[Opened], by: Sequence[str]) -> Iterator[list[str]]:
    """Header and rows: the values of the last setting down, the combinations of the others across.

    Args:
        winners: each with its result; a cell shows the metric it was selected by, on the first part that was opened
            (test, or the held-out corpora where there is none). Bold is what **validation** prefers in its column.
        by: settings with a winner for each of their values.

    Yields:
        Cells as text, in the order the jobs were given, the constant predictor below; nothing where fewer than two
        settings differ.
    """
    down, across = by[-1], by[:-1]
    ordered = sorted(winners, key=lambda opened: _number(opened[0]))
    columns = list(dict.fromkeys(_values(winner, across) for winner, _ in ordered))
    rows = list(dict.fromkeys(str(winner["cell"][down]) for winner, _ in ordered))
    if len(by) < 2 or len(rows) < 2:
        return
    told = [key for place, key in enumerate(across) if len({values[place] for values in columns}) > 1]
    cells = {
        (str(winner["cell"][down]), _values(winner, across)): (winner, result) for winner, result in winners
    }
    yield [down, *(_title(values, across, told) for values in columns)]
    preferred = {values: _preferred(winners, across, values) for values in columns}
    for row in rows:
        yield [row, *(_cell(cells.get((row, values)), preferred[values]) for values in columns)]
    yield ["constant", *(_constant(preferred[values]) for values in columns)]


def winner_rows(winners: Sequence[Opened], by: Sequence[str]) -> Iterator[list[str]]:
    """Header and one row a winner: what it was selected on, then every part that was opened, with the constant's."""
    titles = list(dict.fromkeys(part.title for _, result in winners for part in parts(result)))
    yield [*by, "run", "best of", "selected on", *titles]
    for winner, result in winners:
        name = winner["score_name"]
        found = {part.title: _part(part, name) for part in parts(result)}
        score = f"{NAMES[name]} {number_text(name, winner['validation_score'])}"
        first = [*(short(winner["cell"][key]) for key in by), Path(winner["runs"][0]).name]
        yield [*first, str(winner["candidates"]), score, *(found.get(title, "") for title in titles)]


def opened_text(winner: Mapping[str, Any], result: Result) -> str:
    """One line: what was opened for a winner, each part with the constant's score."""
    opened = [part for part in parts(result) if not part.title.startswith("validation")]
    name = winner["score_name"]
    return "; ".join(f"{part.title} {NAMES[name]} {_part(part, name)}" for part in opened)


def short(value: object) -> str:
    """A corpus by the folder of its manifest, anything else as it is.

    >>> short("[csv:/data/emodb/manifest.csv]"), short("gfe_1|pool"), short(0.5)
    ('emodb', 'gfe_1|pool', '0.5')
    """
    path = Path(str(value).strip("[]'\"").rpartition(":")[2])
    return path.parent.name if path.suffix in _MANIFESTS and path.parent.name else str(value)


_MANIFESTS = (".csv", ".tsv", ".parquet")


def _number(winner: Mapping[str, Any]) -> tuple[int, str]:
    """The job's place in the sweep; folder names are numbers."""
    name = Path(winner["runs"][0]).name
    return len(name), name


def _values(winner: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(winner["cell"][key]) for key in keys)


def _title(values: Sequence[str], keys: Sequence[str], told: Sequence[str]) -> str:
    """What differs between columns; of a corpus the folder of its manifest."""
    shown = [short(value) for key, value in zip(keys, values, strict=True) if key in told]
    return ", ".join(shown) or short(values[0])


def _preferred(winners: Sequence[Opened], across: Sequence[str], values: tuple[str, ...]) -> Opened:
    """The winner of a column that validation ranks first; winners come ranked."""
    return next(opened for opened in winners if _values(opened[0], across) == values)


def _cell(opened: Opened | None, preferred: Opened) -> str:
    if opened is None or (part := _first(opened)) is None:
        return ""
    name = opened[0]["score_name"]
    said = f"{NAMES[name]} {value_text(name, part.score['metrics'][name])}"
    return f"**{said}**" if opened[0] is preferred[0] else said


def _constant(opened: Opened) -> str:
    part, name = _first(opened), opened[0]["score_name"]
    return "" if part is None else f"{NAMES[name]} {number_text(name, part.score['constant'].get(name))}"


def _first(opened: Opened) -> Part | None:
    """Test, or the first held-out corpus."""
    return next((part for part in parts(opened[1]) if not part.title.startswith("validation")), None)


def _part(part: Part, name: str) -> str:
    constant = number_text(name, part.score["constant"].get(name))
    return f"{value_text(name, part.score['metrics'][name])} (constant {constant})"
