"""A matrix on one page: every corpus trains a head, every other scores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from profiling.evaluation.summary import NAMES, number_text
from profiling.page.blocks import Block, Cell, Page, Picture, Section, Table, Text
from profiling.provenance import read_json
from profiling.report.answer import warnings
from profiling.report.folder import METRICS, RunFolder, read_folder
from profiling.report.heatmap import HeatCell, heatmap
from profiling.report.origin import together
from profiling.report.several import comparison_table, linked

MATRIX = "matrix.json"
_READING = (
    "Rows were trained on, columns tested on. The framed diagonal is scored on speakers of the same corpus that were "
    "not trained on. Cells with another number of labels are not comparable."
)


def matrix_page(folder: Path, beside: Path) -> Page:
    """The page of a matrix.

    Args:
        folder: with ``matrix.json`` and the runs.
        beside: the folder the page will be in.
    """
    found = read_json(folder / MATRIX)
    runs = {path.parent.name: read_folder(path.parent) for path in sorted(folder.glob(f"runs/*/{METRICS}"))}
    metric, cells = _metric(found, runs), found["cells"]
    corpora = list(dict.fromkeys(cell["train"] for cell in cells))
    blocks: list[Block] = [
        Text(_means(cells, metric)),
        _picture(cells, corpora, metric),
        Text(_READING, "note"),
    ]
    blocks.append(_table(cells, runs, metric, beside))
    sections = [Section("answer", "The answer", blocks)]
    if found.get("comparisons"):
        said = "Pairs of training corpora on the same utterances; p Holm is corrected for everything in this table."
        table = comparison_table("Which training corpus is better", found["comparisons"], "comparisons")
        sections.append(Section("compared", "Which training corpus is better", [Text(said), table]))
    sections += together(list(runs.values())) if runs else []
    overlooked = list(dict.fromkeys(text for run in runs.values() for text in warnings(run)))
    task = next(iter(runs.values())).result["task"]["name"] if runs else str(found.get("task", "a task"))
    lead = (
        f"{task[0].upper()}{task[1:]}: {len(corpora)} corpora, each trained a head that every other scored."
    )
    return Page(f"{task[0].upper()}{task[1:]} across corpora", lead, sections, overlooked)


def _metric(found: dict[str, Any], runs: dict[str, RunFolder]) -> str:
    return str(found.get("metric") or next(iter(runs.values())).metric)


def _means(cells: list[dict[str, Any]], metric: str) -> str:
    means = []
    for own in (True, False):
        values = [cell["value"] for cell in cells if cell["self"] is own and cell["value"] is not None]
        means.append(number_text(metric, sum(values) / len(values) if values else None))
    return f"Mean {NAMES[metric]} within a corpus {means[0]}, across corpora {means[1]}."


def _picture(cells: list[dict[str, Any]], corpora: list[str], metric: str) -> Picture:
    tested = list(dict.fromkeys(cell["test"] for cell in cells))
    by_place = {(cell["train"], cell["test"]): cell for cell in cells}
    values = [cell["value"] for cell in cells if cell["value"] is not None]
    grid = [[_cell(by_place.get((a, b)), metric, max(values)) for b in tested] for a in corpora]
    said = "; ".join(f"{c['train']} on {c['test']}: {number_text(metric, c['value'])}" for c in cells)
    names, axes = (corpora, tested), ("trained on", "tested on")
    drawing = heatmap(grid, names, axes, f"{NAMES[metric]} by training and test corpus", f"{said}.")
    return Picture(
        "matrix", drawing, f"{NAMES[metric]}, with its 95 % interval over speakers; framed: the same corpus."
    )


def _cell(cell: dict[str, Any] | None, metric: str, largest: float) -> HeatCell:
    if cell is None or cell["value"] is None:
        return HeatCell(0.0, "none")
    share = _better_than_constant(cell) if metric == "uar" else 1 - cell["value"] / (largest or 1.0)
    ends = (
        ""
        if cell["low"] is None
        else f"{number_text(metric, cell['low'])} to {number_text(metric, cell['high'])}"
    )
    return HeatCell(share, number_text(metric, cell["value"]), ends, framed=bool(cell["self"]))


def _better_than_constant(cell: dict[str, Any]) -> float:
    """How far from the constant answer to perfection; worse than constant is as pale as it gets."""
    constant = cell["constant"] or 0.0
    return float(max(0.0, (cell["value"] - constant) / (1 - constant)))


def _table(cells: list[dict[str, Any]], runs: dict[str, RunFolder], metric: str, beside: Path) -> Table:
    rows: list[list[Cell]] = []
    for cell in cells:
        ends = (
            ""
            if cell["low"] is None
            else f" [{number_text(metric, cell['low'])}, {number_text(metric, cell['high'])}]"
        )
        run = runs.get(cell["train"])
        first: Cell = linked(cell["train"], run.folder, beside) if run else cell["train"]
        facts = (
            number_text(metric, cell["constant"]),
            str(cell["n"]),
            str(cell["speakers"]),
            str(cell["labels"]),
        )
        rows.append([first, cell["test"], f"{number_text(metric, cell['value'])}{ends}", *facts])
    head = ("trained on", "tested on", NAMES[metric], "constant", "utterances", "speakers", "labels")
    return Table("Every cell", head, rows, "matrix")
