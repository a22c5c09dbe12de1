"""``sweep.md``: what was tried, how it was ranked on validation, and what the winners did on test and held-out data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from profiling.evaluation.result import Result, parts, remark
from profiling.evaluation.summary import NAMES, number_text, value_text
from profiling.provenance import atomic_write, read_json
from profiling.training.outcome import METRICS
from profiling.training.sweep_table import cross_table

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
    text = [
        "# Sweep",
        "",
        f"{selection['candidates']} candidates, ranked on validation speakers alone; test and held-out data were "
        "opened once for each winner.",
        "",
        *_remarks(winners),
        "## Tried",
        "",
        *_grid(board),
        "",
        *_table(winners, selection["by"]),
        "## Winners",
        "",
        *_winners(winners, selection["by"]),
        "",
        *_without(selection),
        "## Ranked on validation",
        "",
        *_ranking(board),
        "",
    ]
    atomic_write(folder / SWEEP_REPORT, "\n".join(text))


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
        values = [str(value) for value in board[name].drop_duplicates()]
        shown = ", ".join(values[:_MANY]) + (f", ... ({len(values)} values)" if len(values) > _MANY else "")
        yield f"- `{name}`: {shown}"
    yield f"- jobs averaged for each candidate: {', '.join(str(n) for n in sorted(board['jobs'].unique()))}"


def _table(winners: Sequence[tuple[Mapping[str, Any], Result]], by: Sequence[str]) -> Iterator[str]:
    """Winners across two settings and more, test scores with their intervals."""
    head, *rows = [*cross_table(winners, by)] or [[]]
    if rows:
        yield f"## {by[-1]} by {', '.join(by[:-1])}"
        yield ""
        yield from _rule(head)
        yield from map(_row, rows)
        yield ""


def _winners(winners: Sequence[tuple[Mapping[str, Any], Result]], by: Sequence[str]) -> Iterator[str]:
    """One row per winner and part; the first metric of each part is the one it was selected by."""
    yield from _rule([*by, "run", "selected on", "of", "part", "result", "constant"])
    for winner, result in winners:
        name = winner["score_name"]
        score = f"{NAMES[name]} {number_text(name, winner['validation_score'])}"
        first = [*(str(winner["cell"][key]) for key in by), Path(winner["runs"][0]).name, score]
        for part in parts(result):
            constant = part.score["constant"].get(name)
            said = f"{NAMES[name]} {value_text(name, part.score['metrics'][name])}"
            yield _row([*first, str(winner["candidates"]), part.title, said, number_text(name, constant)])


def _without(selection: Mapping[str, Any]) -> Iterator[str]:
    for cell in selection["without_winner"]:
        said = ", ".join(f"{key}={value}" for key, value in cell.items())
        yield f"No winner for {said}: every candidate diverged."
        yield ""


def _ranking(board: pd.DataFrame) -> Iterator[str]:
    shown = [str(column) for column in board if column not in ("score_name", "runs")]
    yield from _rule(shown)
    for _, row in board.head(_SHOWN).iterrows():
        yield _row([_cell(name, row) for name in shown])
    if len(board) > _SHOWN:
        yield f"\n... and {len(board) - _SHOWN} more in leaderboard.csv"


def _cell(name: str, row: pd.Series) -> str:
    if name != "score":
        return str(row[name])
    return f"{NAMES[row['score_name']]} {number_text(row['score_name'], None if pd.isna(row[name]) else row[name])}"


def _rule(head: Sequence[str]) -> Iterator[str]:
    yield _row(head)
    yield "|" + "---|" * len(head)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
