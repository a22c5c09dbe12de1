"""``sweep.md``: what was tried, how it was ranked on validation, and what the winners did on test and held-out data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from profiling.evaluation.result import Result, remark
from profiling.evaluation.summary import NAMES, number_text
from profiling.provenance import atomic_write, read_json
from profiling.training.outcome import METRICS
from profiling.training.sweep_table import cross_table, short, winner_rows

SWEEP_REPORT = "sweep.md"
_SHOWN = 30  # candidates listed; the leaderboard has all
_MANY = 12  # values of a setting that are listed one by one
_FACTS = ("task", "score_name", "score", "jobs", "status", "runs")


def write_sweep_report(folder: Path, board: pd.DataFrame, selection: Mapping[str, Any]) -> None:
    """Writes the report of a sweep whose winners are opened.

    Args:
        folder: the sweep folder.
        board: the leaderboard, with paths of runs.
        selection: the content of ``selection.json``.
    """
    winners = [(winner, _result(winner)) for winner in selection["winners"]]
    chosen = any(winner["candidates"] > 1 for winner in selection["winners"])
    text = [
        "# Sweep",
        "",
        _said(selection, chosen=chosen),
        "",
        *_remarks(winners),
        "## Tried",
        "",
        *_grid(board),
        "",
        *_table(winners, selection["by"]),
        "## Winners" if chosen else "## Opened",
        "",
        *_lines(winner_rows(winners, selection["by"])),
        "",
        *_without(selection),
        *(_ranking(board) if chosen else ()),
    ]
    atomic_write(folder / SWEEP_REPORT, "\n".join(text))


def _said(selection: Mapping[str, Any], *, chosen: bool) -> str:
    count = selection["candidates"]
    if chosen:
        return (
            f"{count} candidates, ranked on validation speakers alone; test and held-out data were opened once for "
            "each winner."
        )
    return (
        f"{count} settings, each opened once on test and held-out data: nothing was chosen. Whoever picks the best row "
        "of a column by these numbers has selected on test; bold is what validation prefers."
    )


def _result(winner: Mapping[str, Any]) -> Result:
    return cast(Result, read_json(Path(winner["runs"][0]) / METRICS))


def _remarks(winners: Sequence[tuple[Mapping[str, Any], Result]]) -> Iterator[str]:
    for said in dict.fromkeys(remark(result) for _, result in winners):
        if said:
            yield f"**{said}.**"
            yield ""


def _grid(board: pd.DataFrame) -> Iterator[str]:
    """The values of every setting, so that a learning rate grid is published with its result."""
    settings = [str(column) for column in board if column not in _FACTS]
    for name in ["task", *settings]:
        values = [short(value) for value in board[name].drop_duplicates()]
        shown = ", ".join(values[:_MANY]) + (f", ... ({len(values)} values)" if len(values) > _MANY else "")
        yield f"- `{name}`: {shown}"
    yield f"- jobs averaged for each candidate: {', '.join(str(n) for n in sorted(board['jobs'].unique()))}"


def _table(winners: Sequence[tuple[Mapping[str, Any], Result]], by: Sequence[str]) -> Iterator[str]:
    """Winners across two settings and more, test scores with their intervals."""
    table = [*cross_table(winners, by)]
    if table:
        yield f"## {by[-1]} by {', '.join(by[:-1])}"
        yield ""
        yield "Test (held-out where there is none), intervals over speakers; bold: what validation prefers."
        yield ""
        yield from _lines(table)
        yield ""


def _without(selection: Mapping[str, Any]) -> Iterator[str]:
    for cell in selection["without_winner"]:
        said = ", ".join(f"{key}={value}" for key, value in cell.items())
        yield f"No winner for {said}: every candidate diverged."
        yield ""


def _ranking(board: pd.DataFrame) -> Iterator[str]:
    """The first candidates by the settings that differ."""
    facts = ("score", "status")
    shown = [str(column) for column in board if column in facts or _differs(board, str(column))]
    yield "## Ranked on validation"
    yield ""
    yield from _lines(
        [shown, *([_cell(name, row) for name in shown] for _, row in board.head(_SHOWN).iterrows())]
    )
    if len(board) > _SHOWN:
        yield f"\n... and {len(board) - _SHOWN} more in leaderboard.csv"
    yield ""


def _differs(board: pd.DataFrame, column: str) -> bool:
    return column not in ("score_name", "runs") and bool(board[column].nunique(dropna=False) > 1)


def _cell(name: str, row: pd.Series) -> str:
    if name != "score":
        return short(row[name])
    return f"{NAMES[row['score_name']]} {number_text(row['score_name'], None if pd.isna(row[name]) else row[name])}"


def _lines(table: Iterable[Sequence[str]]) -> Iterator[str]:
    head, *rows = table
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
