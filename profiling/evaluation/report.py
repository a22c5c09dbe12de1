"""The report of a run: ``report.md`` and its pictures, written from ``metrics.json`` and the predictions.

What it says is in ``sections.py``, what is drawn in ``figures.py``, the lines for the terminal in
``summary.py``; this file puts them together and renders Markdown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from profiling.errors import BundleError
from profiling.evaluation.result import Part, Result, check_result, parts
from profiling.evaluation.sections import HEAD, Block, Code, Paragraph, Picture, Section, Table, sections
from profiling.evaluation.summary import NAMES, summary_lines, value_text
from profiling.provenance import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["summary_lines", "write_report"]


def write_report(folder: Path, result: Result, predictions: pd.DataFrame) -> Path:
    """Writes ``report.md`` and its PNGs.

    Args:
        folder: the run folder; created if absent.
        result: content of ``metrics.json``.
        predictions: columns ``part`` (validation, test, heldout), ``corpus``, ``predicted`` and ``target``
            (numbers) or ``label``; only the age scatter reads it.

    Returns:
        The path of ``report.md``.

    Raises:
        BundleError: a section of ``result``, or the predictions of a scored part, are missing.
    """
    check_result(result)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {part.key: _draw(folder, part, result, predictions) for part in parts(result)}
    if result["head"].get("layer_weights"):
        pictures[HEAD] = [_draw_layers(folder, result)]
    path = folder / "report.md"
    atomic_write(path, render_markdown(sections(result, pictures)))
    return path


def render_markdown(content: list[Section]) -> str:
    """Sections as Markdown; the first heading is the title."""
    lines = []
    for level, section in enumerate(content):
        lines.append(f"{'#' if level == 0 else '##'} {section.title}")
        lines += [_block(block) for block in section.blocks]
    return "\n\n".join(lines) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, strong):
            return f"**{text}**" if strong else text
        case Picture(file, caption):
            return f"![{caption}]({file})"
        case Code(text):
            return f"```\n{text}\n```"
        case Table(head, rows):
            lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
            return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    """A table row; a bar or a line break in a citation must not end its cell."""
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _draw(folder: Path, part: Part, result: Result, predictions: pd.DataFrame) -> list[Picture]:
    # matplotlib costs a second; the command line imports this module for its lines alone.
    from profiling.evaluation import figures

    task, score = result["task"], part.score
    title = _title(part, result)
    if "confusion" not in score or "per_class_recall" not in score:
        rows = _rows(predictions, part)
        figure = figures.scatter_figure(
            rows["target"].to_numpy(),
            rows["predicted"].to_numpy(),
            score["constant"]["median"],
            task["unit"],
            title,
        )
        return [
            _saved(folder, f"{part.key}_scatter.png", figure, f"{task['name']} predicted against reference")
        ]
    confusion = figures.confusion_figure(score["confusion"], title)
    recall = figures.recall_figure(score["per_class_recall"], score["constant"]["uar"], title)
    return [
        _saved(
            folder,
            f"{part.key}_confusion.png",
            confusion,
            "confusion matrix: share of each reference label, counts",
        ),
        _saved(
            folder, f"{part.key}_recall.png", recall, "recall of each label with its interval over speakers"
        ),
    ]


def _draw_layers(folder: Path, result: Result) -> Picture:
    from profiling.evaluation import figures

    title = f"{result['task']['name']}, {result['backbone']['name']}\nweights of the layer-mix"
    figure = figures.layer_weights_figure(result["head"]["layer_weights"], title)
    return _saved(folder, "layer_weights.png", figure, "weight of each layer in the layer-mix")


def _title(part: Part, result: Result) -> str:
    """Task, part, corpus and the metric; a picture travels alone, so it says an untrained backbone too."""
    metric, unit = ("mae", result["task"]["unit"]) if result["task"]["kind"] == "regression" else ("uar", "")
    trained = [one["corpus"] for one in result["data"] if one["role"] == "train"]
    corpora = ", ".join(trained) if len(trained) <= 2 else f"{len(trained)} corpora"
    where = part.title if part.corpus else f"{part.title} ({corpora})"
    training = result["backbone"]["training"]
    backbone = result["backbone"]["name"] + ("" if training == "released" else f" ({training})")
    value = f"{NAMES[metric]} {value_text(metric, part.score['metrics'][metric])} {unit}".rstrip()
    return f"{result['task']['name']}, {where}, {backbone}\n{value}"


def _saved(folder: Path, file: str, figure: Figure, caption: str) -> Picture:
    from profiling.evaluation.figures import save

    save(figure, folder / file)
    return Picture(file, caption)


def _rows(predictions: pd.DataFrame, part: Part) -> pd.DataFrame:
    chosen = predictions["part"] == part.part
    if part.corpus is not None:
        chosen &= predictions["corpus"] == part.corpus
    rows = predictions[chosen & predictions["target"].notna()]
    if len(rows) != part.score["n"]:
        raise BundleError(
            f"predictions have {len(rows)} rows for {part.title}, its score has {part.score['n']}"
        )
    return rows
