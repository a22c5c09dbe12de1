"""A sweep on one page: what was tried, how it ranked on validation, and what the winners did on data opened once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from profiling.evaluation.summary import NAMES, number_text
from profiling.page.blocks import (
    Block,
    Cell,
    Fold,
    Group,
    Listing,
    Page,
    Picture,
    Row,
    Section,
    Table,
    Text,
    Tiles,
)
from profiling.provenance import read_json
from profiling.report.answer import axis_name, limits_of, tile, warnings
from profiling.report.cross import Opened, column_name, crossed
from profiling.report.folder import anchor, read_folder
from profiling.report.forest import ForestRow, forest
from profiling.report.origin import together
from profiling.report.several import linked

SELECTION, LEADERBOARD = "selection.json", "leaderboard.csv"
_FACTS = ("task", "score_name", "score", "jobs", "status", "runs")
_TILED = 6  # winners that are shown one by one; more are only read in tables
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
        Opened(winner, read_folder(folder / Path(winner["runs"][0]).name)) for winner in selection["winners"]
    ]
    across = crossed(winners, selection["by"]) if winners else None
    first = _answer(selection, winners, board, beside)
    runs = [one.run for one in winners]
    found = [
        *([across] if across else []),
        first,
        *_boards(_named(board, winners), selection["by"], many=across is not None),
        _grid(board),
    ]
    said = list(dict.fromkeys(text for run in runs for text in warnings(run)))
    return Page(_title(board), _lead(selection), [*found, *together(runs)], said)


def _title(board: pd.DataFrame) -> str:
    """A sweep by the name of its experiment, where it has one."""
    names = list(board["experiment"].dropna().unique()) if "experiment" in board else []
    return f"Sweep: {names[0]}" if len(names) == 1 else "A sweep"


def _lead(selection: dict[str, Any]) -> str:
    candidates, winners = selection["candidates"], len(selection["winners"])
    if candidates == winners > 1:  # such as a layer study
        return f"{candidates} settings, each opened once on test and held-out data: nothing was chosen between them."
    whom = "the winner" if winners == 1 else f"each of {winners} winners"
    return (
        f"{candidates} candidates were ranked on validation speakers alone; test and held-out data were opened once, "
        f"for {whom}."
    )


def _named(board: pd.DataFrame, winners: Sequence[Opened]) -> pd.DataFrame:
    """The leaderboard with training corpora by their names, where a winner says them."""
    if "corpus.train" not in board:
        return board
    names = {
        one.winner["cell"]["corpus.train"]: column_name(one, ["corpus.train"])
        for one in winners
        if "corpus.train" in one.winner["cell"]
    }
    return board.assign(**{"corpus.train": board["corpus.train"].map(lambda value: names.get(value, value))})


def _answer(
    selection: dict[str, Any],
    winners: Sequence[Opened],
    board: pd.DataFrame,
    beside: Path,
) -> Section:
    settings = [str(c) for c in board if c not in _FACTS]
    constant = [name for name in settings if len(board) > 1 and board[name].nunique(dropna=False) == 1]
    blocks: list[Block] = []
    rows: list[tuple[Cell, ...]] = []
    for winner, run in winners:
        cell = _cell_name(Opened(winner, run))
        name, score = winner["score_name"], winner["validation_score"]
        chosen = board[board["runs"].str.split().str[0] == run.name]
        what = {key: str(chosen.iloc[0][key]) for key in settings} if len(chosen) else {}
        said = ", ".join(
            f"{key}={value}"
            for key, value in what.items()
            if key not in winner["cell"] and key not in constant
        )
        rows.append(
            (
                linked(cell, run.folder, beside),
                said,
                f"{NAMES[name]} {number_text(name, score)}",
                str(winner["candidates"]),
            )
        )
        if len(winners) <= _TILED:
            blocks.append(Group(cell, [Tiles([tile(part, run) for part in run.answers])]))
    table = Table("Winners", ("winner for", "is", "validation", "best of"), rows, "winners")
    lost = [
        f"No winner for {cell}: every candidate diverged." for cell in map(str, selection["without_winner"])
    ]
    shown: list[Block] = (
        [table] if len(winners) <= _TILED else [Fold(f"All {len(winners)} as a table", [table])]
    )
    title = "Everything that was opened" if len(winners) > _TILED else "The winners"
    return Section("answer", title, [*shown, *([Listing(lost)] if lost else []), *blocks])


def _cell_name(one: Opened) -> str:
    """What it is the winner for; training corpora by their names."""
    named = {
        key: column_name(one, [key]) if key == "corpus.train" else value
        for key, value in one.winner["cell"].items()
    }
    return ", ".join(f"{key}={value}" for key, value in named.items())


def _boards(board: pd.DataFrame, by: Sequence[str], *, many: bool) -> list[Section]:
    """A leaderboard for each task, and the best candidate at every value of every setting that was varied.

    Args:
        board: of all candidates.
        by: settings with a winner for each of their values.
        many: whether they were crossed; then one board for each of all but the last, folded: a ranking over corpora
            would only say which corpus is easy.
    """
    keys = [key for key in dict.fromkeys(["task", *by[:-1]]) if key in board] if many else ["task"]
    boards = {", ".join(map(str, names)): rows for names, rows in board.groupby(keys, sort=False)}
    if not many:
        return [
            Section(f"board-{anchor(name)}", f"Ranked on validation: {name}", _board(name, rows))
            for name, rows in boards.items()
        ]
    folds: list[Block] = [Fold(name, _board(name, rows)) for name, rows in boards.items()]
    return [Section("boards", "Ranked on validation", folds)]


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
