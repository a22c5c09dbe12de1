"""Several runs on one page: their answers side by side, and tested against one another on the same utterances."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from profiling.errors import ProfilingError
from profiling.evaluation.answers import masked_answers
from profiling.evaluation.compare import compare_predictions
from profiling.evaluation.comparison import Comparison, correct
from profiling.evaluation.summary import NAMES, number_text, value_text
from profiling.page.blocks import Block, Cell, Fold, Link, Page, Picture, Section, Table, Text, Tiles
from profiling.report.answer import axis_name, limits_of, part_row, tile, warnings
from profiling.report.folder import RunFolder, anchor
from profiling.report.forest import forest
from profiling.report.origin import together

_REPORT = "report.html"


def several_page(runs: Sequence[RunFolder], beside: Path) -> Page:
    """The page of several runs.

    Args:
        runs: at least two.
        beside: the folder the page will be in; links are relative to it.
    """
    tasks = dict.fromkeys(run.result["task"]["name"] for run in runs)
    names = run_names(runs)
    sections: list[Section] = []
    for task in tasks:
        own = {names[i]: run for i, run in enumerate(runs) if run.result["task"]["name"] == task}
        sections += [side_by_side(own, task, beside), *_tests(own, task)]
    sections += together(runs)
    said = list(dict.fromkeys(text for run in runs for text in warnings(run)))
    lead = f"{len(runs)} runs for {', '.join(tasks)}. What each was trained on is in its own report."
    return Page(f"{len(runs)} runs beside each other", lead, sections, said)


def run_names(runs: Sequence[RunFolder]) -> list[str]:
    """Folder names, with as many of their parents as it takes to tell them apart."""
    paths = [run.folder.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(paths, 1)]  # one folder named twice


def side_by_side(runs: dict[str, RunFolder], task: str, beside: Path) -> Section:
    """Table and pictures of all runs of a task."""
    blocks: list[Block] = [Table(f"Runs for {task}", *_table(runs, beside), f"runs_{anchor(task)}")]
    first = next(iter(runs.values()))
    titles = dict.fromkeys(part.title for run in runs.values() for part in run.parts)
    for title in titles:
        rows = [
            part_row(name, part.score, first.metric)
            for name, run in runs.items()
            for part in run.parts
            if part.title == title
        ]
        if len(rows) > 1:
            drawing = forest(
                rows,
                f"{NAMES[first.metric]} of {task}, {title}",
                axis_name(first.metric, first.unit),
                limits=limits_of(first.metric),
            )
            picture = Picture(
                f"{anchor(task)}_{anchor(title)}",
                drawing,
                f"{title[0].upper()}{title[1:]}; upright: a constant answer.",
            )
            blocks.append(
                picture
                if not title.endswith("open") and title != "validation"
                else Fold(picture.caption, [picture])
            )
    for name, run in runs.items():
        tiles = Tiles([tile(part, run) for part in run.answers])
        blocks.append(Fold(f"{name} at a glance", [tiles]) if len(runs) > 1 else tiles)
    return Section(anchor(task), f"{task[0].upper()}{task[1:]}", blocks)


def _table(runs: dict[str, RunFolder], beside: Path) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    metric = next(iter(runs.values())).metric
    titles = list(dict.fromkeys(part.title for run in runs.values() for part in run.answers))
    rows: list[list[Cell]] = []
    for name, run in runs.items():
        values = {part.title: value_text(metric, part.score["metrics"][metric]) for part in run.parts}
        rows.append(
            [linked(name, run.folder, beside), *_facts(run), *(values.get(title, "") for title in titles)]
        )
    head = [
        "run",
        "backbone",
        "layers",
        "head",
        "trained on",
        *(f"{NAMES[metric]}, {title}" for title in titles),
    ]
    return head, rows


def _facts(run: RunFolder) -> list[str]:
    result = run.result
    trained = ", ".join(one["corpus"] for one in result["data"] if one["role"] == "train")
    return [result["backbone"]["name"], "|".join(result["layers"]), str(result["head"]["name"]), trained]


def linked(name: str, folder: Path, beside: Path) -> Cell:
    """The name of a run, leading to its report where there is one."""
    report = folder / _REPORT
    return Link(name, Path(os.path.relpath(report, beside)).as_posix()) if report.is_file() else name


def _tests(runs: dict[str, RunFolder], task: str) -> list[Section]:
    """Paired tests of every pair on the parts all have; a part with other utterances is named, not compared."""
    if len(runs) < 2:
        return []
    found: list[Comparison] = []
    refused: list[str] = []
    for part, tables in _shared(runs).items():
        try:
            found += compare_predictions(tables, where=part)
        except ProfilingError as error:
            refused.append(f"Not compared on {part}: {error}.")
    if not found and not refused:
        return []
    said = (
        "Sign-flip test over speakers on the same utterances; p Holm is corrected for everything in this table. "
        "Win, tie and loss are the first run's, at 0.05."
    )
    table = (
        [
            comparison_table(
                f"Compared for {task}", [one.as_dict() for one in correct(found)], f"compared_{anchor(task)}"
            )
        ]
        if found
        else []
    )
    blocks: list[Block] = [Text(said), *table, *(Text(line, "note") for line in refused)]
    return [Section(f"compared-{anchor(task)}", f"{task[0].upper()}{task[1:]}: which is better", blocks)]


def _shared(runs: dict[str, RunFolder]) -> dict[str, dict[str, pd.DataFrame]]:
    """Part of the answer -> run -> its predictions, of the parts that every run has."""
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for name, run in runs.items():
        for part in run.answers:
            rows = run.rows(part)
            if rows is not None:
                labels = list(run.result["task"]["labels"] or [])
                found.setdefault(part.title, {})[name] = (
                    masked_answers(rows, labels)[0] if part.corpus else rows
                )
    return {part: tables for part, tables in found.items() if len(tables) == len(runs)}


def comparison_table(caption: str, found: Sequence[Mapping[str, Any]], name: str) -> Table:
    """Comparisons, as ``Comparison.as_dict`` gives them, as rows."""
    rows = [_comparison_row(one) for one in found]
    head = (
        "on",
        "first",
        "second",
        "first is",
        "difference",
        "metric",
        "first has",
        "second has",
        "speakers",
        "p",
        "p Holm",
    )
    return Table(caption, head, rows, name)


def _comparison_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    metric = one["metric"]
    number = {
        key: number_text(metric, one[key]) for key in ("value_a", "value_b", "difference", "low", "high")
    }
    difference = (
        number["difference"]
        if one["low"] is None
        else f"{number['difference']} [{number['low']}, {number['high']}]"
    )
    p, holm = (_chance(one[key]) for key in ("p_value", "p_holm"))
    speakers = "" if one["speakers"] is None else str(one["speakers"])
    return (
        one["where"], one["a"], one["b"], one["verdict"], difference, NAMES[metric], number["value_a"],
        number["value_b"], speakers, p, holm,
    )  # fmt: skip


def _chance(p: float | None) -> str:
    """A p-value; none is ever 0."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
