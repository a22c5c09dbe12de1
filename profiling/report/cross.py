"""Winners of a sweep across settings, such as layers by tasks and corpora: a table in colour for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from profiling.evaluation.result import Part
from profiling.evaluation.summary import NAMES, number_text, value_text
from profiling.page.blocks import Block, Fold, Group, Picture, Section, Table, Text
from profiling.report.folder import RunFolder, anchor
from profiling.report.heatmap import HeatCell, heatmap

_READING = (
    "On test speakers (a held-out corpus where there are none), with the 95 % interval over speakers. The darker, the "
    "farther from a constant answer to perfection; framed: what validation prefers in its column. Whoever takes the "
    "best cell of a column by these numbers has chosen on test."
)


class Opened(NamedTuple):
    """A winner of a sweep, as ``selection.json`` has it, and its run."""

    winner: dict[str, Any]
    run: RunFolder


def crossed(found: Sequence[Opened], by: Sequence[str]) -> Section | None:
    """The values of the last setting down, those of the others across; None where there is nothing to cross.

    Args:
        found: the winners.
        by: the settings with a winner for each of their values.
    """
    down = by[-1]
    if len(by) < 2 or len({str(one.winner["cell"][down]) for one in found}) < 2:
        return None
    blocks: list[Block] = []
    for task in dict.fromkeys(one.run.result["task"]["name"] for one in found):
        own = [one for one in found if one.run.result["task"]["name"] == task]
        blocks += _task(task, own, down, [key for key in by[:-1] if key != "task"])
    return Section("cross", f"By {down}", [Text(_READING, "note"), *blocks])


def column_name(one: Opened, across: Sequence[str]) -> str:
    """What tells a column apart: corpora by name, other settings by value."""
    told = [_corpora(one.run) if key == "corpus.train" else str(one.winner["cell"][key]) for key in across]
    return ", ".join(told) or _corpora(one.run)


def _corpora(run: RunFolder) -> str:
    return "+".join(used["corpus"] for used in run.result["data"] if used["role"] == "train")


def _task(task: str, found: Sequence[Opened], down: str, across: Sequence[str]) -> list[Block]:
    metric = found[0].run.metric
    rows = _rows(found, down)
    columns = list(dict.fromkeys(column_name(one, across) for one in asked(found)))
    places = {(str(one.winner["cell"][down]), column_name(one, across)): one for one in found}
    preferred = {column: _preferred(found, column, across) for column in columns}
    cells = [
        [_cell(places.get((row, column)), metric, preferred[column]) for column in columns] for row in rows
    ]
    title = f"{NAMES[metric]} of {task} by {down}"
    said = "; ".join(
        f"{row}, {column}: {_text(places.get((row, column)), metric)}" for row in rows for column in columns
    )
    drawing = heatmap(cells, (rows, columns), (down, "trained on"), title, f"{said}.")
    table = Table(
        title,
        (down, *columns),
        [(row, *(_text(places.get((row, column)), metric) for column in columns)) for row in rows],
        f"cross_{anchor(task)}",
    )
    unit = f", {found[0].run.unit}" if found[0].run.unit else ""
    constants = {column_name(one, across): _constant(one, metric) for one in asked(found)}
    beside = ", ".join(f"{column} {text}" for column, text in constants.items())
    caption = f"{task[0].upper()}{task[1:]}: {NAMES[metric]}{unit}. A constant answer: {beside}."
    picture = Picture(f"cross_{anchor(task)}_picture", drawing, caption)
    return [Group(f"{task[0].upper()}{task[1:]}", [picture, Fold("As a table", [table])])]


def _rows(found: Sequence[Opened], down: str) -> list[str]:
    """Values in the order they were asked for, single layers before pairs."""
    values = dict.fromkeys(str(one.winner["cell"][down]) for one in asked(found))
    return sorted(values, key=lambda value: value.count("|"))


def asked(found: Sequence[Opened]) -> list[Opened]:
    """In the order they were asked for: jobs are numbered."""
    return sorted(found, key=lambda one: (len(one.run.name), one.run.name))


def _preferred(found: Sequence[Opened], column: str, across: Sequence[str]) -> dict[str, Any]:
    """The winner with the best validation score of a column."""
    own = [one.winner for one in found if column_name(one, across) == column]
    choose = min if own[0]["score_name"] == "mae" else max
    return choose(own, key=lambda winner: float(winner["validation_score"]))


def opened_part(run: RunFolder) -> Part | None:
    """Test, or the first held-out corpus; None where nothing was opened."""
    return next((part for part in run.answers if part.part != "validation"), None)


def _cell(one: Opened | None, metric: str, preferred: dict[str, Any]) -> HeatCell:
    part = None if one is None else opened_part(one.run)
    if one is None or part is None or part.score["metrics"][metric]["value"] is None:
        return HeatCell(0.0, "none")
    value = part.score["metrics"][metric]
    ends = (
        ""
        if value["low"] is None
        else f"{number_text(metric, value['low'])} to {number_text(metric, value['high'])}"
    )
    return HeatCell(
        _share(part, metric), number_text(metric, value["value"]), ends, framed=one.winner is preferred
    )


def _share(part: Part, metric: str) -> float:
    """From a constant answer to perfection, 0 to 1."""
    value, constant = part.score["metrics"][metric]["value"] or 0.0, part.score["constant"][metric] or 0.0
    better = 1 - value / constant if metric == "mae" and constant else (value - constant) / (1 - constant)
    return float(min(1.0, max(0.0, better)))


def _constant(one: Opened, metric: str) -> str:
    part = opened_part(one.run)
    return "none" if part is None else number_text(metric, part.score["constant"][metric])


def _text(one: Opened | None, metric: str) -> str:
    part = None if one is None else opened_part(one.run)
    return "none" if part is None else value_text(metric, part.score["metrics"][metric])
