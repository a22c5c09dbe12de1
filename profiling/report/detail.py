"""Each part in detail: confusion and recall for labels, predicted against reference for numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from profiling.evaluation.result import Part, Value
from profiling.evaluation.summary import NAMES, number_text, value_text
from profiling.page.blocks import Block, Fold, Group, Picture, Row, Section, Table, Text
from profiling.report.answer import axis_name
from profiling.report.folder import RunFolder
from profiling.report.forest import ForestRow, forest
from profiling.report.heatmap import HeatCell, heatmap
from profiling.report.plane import scatter_chart


def details(run: RunFolder) -> Section | None:
    """Test and held-out corpora open, the rest when asked for."""
    asked = [part.key for part in run.answers]
    blocks: list[Block] = []
    for part in run.parts:
        inside = _part(run, part)
        if not inside:
            continue
        title = part.title[0].upper() + part.title[1:]
        blocks.append(Group(title, inside) if part.key in asked else Fold(f"{title}: show", inside))
    return Section("detail", "Where it is right and wrong", blocks) if blocks else None


def _part(run: RunFolder, part: Part) -> list[Block]:
    score = part.score
    found: list[Block] = []
    if "confusion" in score and "per_class_recall" in score:
        found.append(Row([_confusion(run, part), _recall(run, part)]))
    found += [block for block in (_scatter(run, part), _bands(part)) if block is not None]
    return [*found, *_speaker_level(part)]


def _confusion(run: RunFolder, part: Part) -> Picture:
    confusion = part.score["confusion"]
    labels, matrix = confusion["labels"], np.asarray(confusion["matrix"], dtype=np.float64)
    rows = np.flatnonzero(matrix.sum(1) > 0)
    shares = matrix[rows] / matrix[rows].sum(1, keepdims=True)
    names = [labels[row] for row in rows]
    said = "; ".join(
        f"{name}: "
        + ", ".join(f"{shares[i, j]:.0%} {labels[j]}" for j in np.argsort(-shares[i])[:3] if shares[i, j] > 0)
        for i, name in enumerate(names)
    )
    cells = [
        [
            HeatCell(shares[i, j], f"{100 * shares[i, j]:.0f} %", f"{matrix[row, j]:.0f}")
            for j in range(len(labels))
        ]
        for i, row in enumerate(rows)
    ]
    title = f"Confusion of {run.result['task']['name']}, {part.title}"
    drawing = heatmap(
        cells, (names, labels), ("reference", "answered"), title, f"Share of each reference label. {said}."
    )
    return Picture(
        f"confusion_{part.key}",
        drawing,
        "Share of each reference label, with counts: a row adds up to 100 %.",
    )


def _recall(run: RunFolder, part: Part) -> Picture:
    constant = part.score["constant"].get("uar")
    rows = [
        ForestRow(
            label, found["value"], found["low"], found["high"],
            f"{value_text('uar', cast(Value, found))}, n {found['n']}", note=found["reason"] or "",
        )
        for label, found in part.score["per_class_recall"].items()
    ]  # fmt: skip
    title = f"Recall of each label, {part.title}"
    drawing = forest(rows, title, axis_name("recall", ""), limits=(0.0, 1.0), line=constant)
    return Picture(
        f"recall_{part.key}",
        drawing,
        "Recall of each label with its 95 % interval over speakers; dashed: UAR of a constant answer.",
    )


def _scatter(run: RunFolder, part: Part) -> Picture | None:
    rows = run.rows(part)
    if rows is None or "target" not in rows:
        return None
    rows = rows[rows["target"].notna()]
    reference, predicted = (rows[name].to_numpy(dtype=np.float64) for name in ("target", "predicted"))
    constant, half = float(part.score["constant"]["median"]), run.interval()
    drawing = scatter_chart(reference, predicted, constant, half, run.unit, *_scatter_words(run, part, half))
    return Picture(f"scatter_{part.key}", drawing, _scatter_caption(run, part, reference, predicted))


def _scatter_words(run: RunFolder, part: Part, half: float | None) -> tuple[str, str]:
    task, metrics = run.result["task"]["name"], part.score["metrics"]
    said = ", ".join(
        f"{NAMES[name]} {value_text(name, metrics[name])}" for name in ("mae", "pearson") if name in metrics
    )
    band = "" if half is None else f" The band is predicted within {half:.1f} {run.unit} of the reference."
    return (
        f"Predicted {task} against reference, {part.title}",
        f"One dot for each of {part.score['n']} utterances: {said}.{band}",
    )


def _scatter_caption(run: RunFolder, part: Part, reference: Any, predicted: Any) -> str:
    half, unit = run.interval(), run.unit
    text = "One dot an utterance. Grey: predicted = reference; dashed: a constant answer"
    text += f", {part.score['constant']['median']:.1f} {unit}."
    if half is None:
        return text
    inside = float(np.mean(np.abs(reference - predicted) <= half))
    text += f" Band: the 90 % interval, ± {half:.1f} {unit}; {inside:.0%} of these utterances lie in it"
    # An interval holds what it was fitted on: only other corpora can say how well it holds.
    return text + ("." if part.corpus else ", which it was fitted on: that share is no evidence.")


def _bands(part: Part) -> Table | None:
    if "bands" not in part.score:
        return None
    rows = [
        (
            band["name"], str(band["n"]), "ids missing" if band["speakers"] is None else str(band["speakers"]),
            value_text("mae", band["metrics"]["mae"]), number_text("mae", band["constant_mae"]),
            value_text("skill", band["metrics"]["skill"]),
        )
        for band in part.score["bands"]
    ]  # fmt: skip
    head = ("age", "utterances", "speakers", "MAE", "constant", "skill")
    return Table(f"By age, {part.title}", head, rows, f"bands_{part.key}")


def _speaker_level(part: Part) -> list[Block]:
    found: dict[str, Any] = part.score.get("speaker_level") or {}
    if "metrics" not in found:
        return []
    said = ", ".join(
        f"{NAMES.get(name, name)} {value_text(name, value)}" for name, value in found["metrics"].items()
    )
    return [
        Text(f"One answer for each of {found['n']} speakers (all utterances of a speaker pooled): {said}.")
    ]
