"""A sweep on one page: what was tried, how it ranked on validation, and what the winners did on data opened once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from profiling.evaluation.summary import NAMES, number_text
from profiling.page.blocks import Block, Cell, Group, Listing, Page, Picture, Row, Section, Table, Text, Tiles
from profiling.provenance import read_json
from profiling.report.answer import axis_name, limits_of, tile, warnings
from profiling.report.folder import RunFolder, anchor, read_folder
from profiling.report.forest import ForestRow, forest
from profiling.report.several import linked

SELECTION, LEADERBOARD = "selection.json", "leaderboard.csv"
_FACTS = ("task", "score_name", "score", "jobs", "status", "runs")
_SHOWN = 25  # candidates drawn and listed; the leaderboard has all


def sweep_page(folder: Path, beside: Path) -> Page:
    """The page of a sweep.

    Args:
        folder: the sweep folder, with ``selection.json`` and ``leaderboard.csv``.
        beside: the folder the page will be in.
    """
    selection = read_json(folder / SELECTION)
    board = pd.read_csv(folder / LEADERBOARD, dtype={"runs": str})
    winners = [
        (winner, read_folder(folder / Path(winner["runs"][0]).name)) for winner in selection["winners"]
    ]
    sections = [_answer(selection, winners, board, beside), *_boards(board), _grid(board)]
    said = list(dict.fromkeys(text for _, run in winners for text in warnings(run)))
    lead = (
        f"{selection['candidates']} candidates were ranked on validation speakers alone; test and held-out data were "
        f"opened once, for {'the winner' if len(winners) == 1 else f'each of {len(winners)} winners'}."
    )
    return Page("A sweep", lead, sections, said)


def _answer(
    selection: dict[str, Any],
    winners: list[tuple[dict[str, Any], RunFolder]],
    board: pd.DataFrame,
    beside: Path,
) -> Section:
    settings = [str(c) for c in board if c not in _FACTS]
    blocks: list[Block] = []
    rows: list[tuple[Cell, ...]] = []
    for winner, run in winners:
        cell = ", ".join(f"{key}={value}" for key, value in winner["cell"].items())
        name, score = winner["score_name"], winner["validation_score"]
        chosen = board[board["runs"].str.split().str[0] == run.name]
        what = {key: str(chosen.iloc[0][key]) for key in settings} if len(chosen) else {}
        said = ", ".join(f"{key}={value}" for key, value in what.items() if key not in winner["cell"])
        rows.append(
            (
                linked(cell, run.folder, beside),
                said,
                f"{NAMES[name]} {number_text(name, score)}",
                str(winner["candidates"]),
            )
        )
        blocks.append(Group(cell, [Tiles([tile(part, run) for part in run.answers])]))
    table = Table("Winners", ("winner for", "is", "validation", "best of"), rows, "winners")
    lost = [
        f"No winner for {cell}: every candidate diverged." for cell in map(str, selection["without_winner"])
    ]
    return Section("answer", "The winners", [table, *([Listing(lost)] if lost else []), *blocks])


def _boards(board: pd.DataFrame) -> list[Section]:
    """A leaderboard for each task, and the best candidate at every value of every setting that was varied."""
    return [
        Section(f"board-{anchor(str(task))}", f"Ranked on validation: {task}", _board(str(task), rows))
        for task, rows in board.groupby("task", sort=False)
    ]


def _board(task: str, rows: pd.DataFrame) -> list[Block]:
    metric = str(rows["score_name"].iloc[0])
    settings = [str(c) for c in rows if c not in _FACTS and rows[c].nunique(dropna=False) > 1]
    best = [_best(rows, setting, metric, task) for setting in settings if rows[setting].nunique() <= _SHOWN]
    shown = rows.head(_SHOWN)
    cells = [
        (
            str(place),
            *(str(row[s]) for s in settings),
            _score(metric, row["score"]),
            str(row["jobs"]),
            str(row["status"]),
        )
        for place, (_, row) in enumerate(shown.iterrows(), 1)
    ]
    head = ("place", *settings, f"validation {NAMES[metric]}", "seeds", "status")
    table = Table(
        f"Leaderboard of {task}: the best {len(shown)} of {len(rows)}",
        head,
        cells,
        f"leaderboard_{anchor(task)}",
    )
    said = "Best validation score at every value of a setting, whatever the others were. Small differences are chance."
    return [Row(best), Text(said, "note"), table] if best else [table]


def _best(rows: pd.DataFrame, setting: str, metric: str, task: str) -> Picture:
    grouped = rows.groupby(setting, sort=False, dropna=False)["score"]
    found = grouped.min() if metric == "mae" else grouped.max()
    drawn = [
        ForestRow(str(value), None if pd.isna(score) else float(score), None, None, _score(metric, score))
        for value, score in found.sort_values(ascending=metric == "mae").items()
    ]
    title = f"Best validation {NAMES[metric]} of {task} by {setting}"
    drawing = forest(drawn, title, axis_name(metric, "years"), limits=limits_of(metric))
    return Picture(f"best_{anchor(task)}_{anchor(setting)}", drawing, f"By {setting}.")


def _score(metric: str, score: float) -> str:
    return "diverged" if pd.isna(score) else number_text(metric, float(score))


def _grid(board: pd.DataFrame) -> Section:
    """Everything that was tried, so that a grid is published with its result."""
    names = ["task", *(str(c) for c in board if c not in _FACTS)]
    rows = [(name, ", ".join(dict.fromkeys(str(v) for v in board[name]))) for name in names]
    return Section(
        "grid", "What was tried", [Table("Values of every setting", ("setting", "values"), rows, "grid")]
    )
