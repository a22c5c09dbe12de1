"""Scores by group, and gaps beside those of a model without bias."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from profiling.evaluation.summary import NAMES, number_text
from profiling.page.blocks import Block, Fold, Group, Picture, Row, Section, Table, Text
from profiling.report.answer import axis_name, limits_of
from profiling.report.folder import RunFolder, anchor, study_key
from profiling.report.forest import ForestRow, forest

#: Groupings whose name is an abbreviation.
_WORDS = {"snr": "signal-to-noise ratio"}
_READING = (
    "A gap is the best group's score minus the worst's. Beside it: the gaps of the same answers with groups dealt out "
    "at random to speakers. A gap within 95 % of those is what any model without bias shows by chance; of twenty such "
    "gaps one is beyond them. A hollow dot has no interval."
)


def groups(run: RunFolder) -> Section | None:
    """A forest plot for each grouping of each part of the answer."""
    blocks: list[Block] = []
    for part in run.answers:
        study = run.groups.get(study_key(part))
        if study and study["groups"]:
            title = part.title[0].upper() + part.title[1:]
            blocks.append(Group(title, [*_forests(run, study, part.title), *_gaps(study, part.title)]))
    return Section("groups", "By group", [*blocks, Text(_READING, "note")]) if blocks else None


def _forests(run: RunFolder, study: dict[str, Any], where: str) -> list[Block]:
    mine = [row for row in study["groups"] if row["metric"] == run.metric]
    pictures: list[Picture] = []
    for grouping, found in groupby(mine, key=lambda row: row["grouping"]):
        rows = [_row(row) for row in found]
        if len(rows) > 1:
            pictures.append(_forest(run, rows, str(grouping), where))
    every = Table(
        f"Every group, {where}", ("grouping", "group", "metric", "value", "utterances", "speakers", "note"),
        [_cells(row) for row in study["groups"]], f"groups_{anchor(where)}",
    )  # fmt: skip
    return [Row(pictures), Fold("Every group as a table", [every])]


def _forest(run: RunFolder, rows: list[ForestRow], grouping: str, where: str) -> Picture:
    title = f"{NAMES[run.metric]} by {_WORDS.get(grouping, grouping)}, {where}"
    drawing = forest(rows, title, axis_name(run.metric, run.unit), limits=limits_of(run.metric))
    return Picture(f"by_{anchor(grouping)}_{anchor(where)}", drawing, f"By {_WORDS.get(grouping, grouping)}.")


def _row(row: dict[str, Any]) -> ForestRow:
    label = f"{row['group']} ({row['speakers'] or '?'} spk)"
    return ForestRow(label, row["value"], row["low"], row["high"], _text(row), note=row["note"] or "")


def _text(row: dict[str, Any]) -> str:
    value = number_text(row["metric"], row["value"])
    if row["low"] is None or row["high"] is None:
        return value
    return f"{value} [{number_text(row['metric'], row['low'])}, {number_text(row['metric'], row['high'])}]"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    name = NAMES.get(row["metric"], row["metric"])
    speakers = "" if row["speakers"] is None else str(row["speakers"])
    return (
        row["grouping"],
        row["group"],
        name,
        _text(row),
        str(row["n"]),
        speakers,
        row["note"] or row["reason"] or "",
    )


def _gaps(study: dict[str, Any], where: str) -> list[Block]:
    rows = [
        (
            gap["grouping"], NAMES.get(gap["metric"], gap["metric"]), number_text(gap["metric"], gap["gap"]),
            "yes" if gap["gap"] > gap["random_95"] else "no", number_text(gap["metric"], gap["random_median"]),
            number_text(gap["metric"], gap["random_95"]), f"{gap['p_value']:.3f}", gap["best"], gap["worst"],
        )
        for gap in study["gaps"]
        if gap["gap"] is not None
    ]  # fmt: skip
    head = (
        "grouping",
        "metric",
        "gap",
        "beyond chance",
        "random median",
        "random 95 %",
        "p",
        "best",
        "worst",
    )
    named = dict.fromkeys(gap["grouping"] for gap in study["gaps"])
    few = [
        name for name in named if all(gap["gap"] is None for gap in study["gaps"] if gap["grouping"] == name)
    ]
    found: list[Block] = (
        [Table(f"Largest gaps, {where}", head, rows, f"gaps_{anchor(where)}")] if rows else []
    )
    if few:
        found.append(Text(f"No gap for {', '.join(few)}: fewer than two groups are large enough.", "note"))
    return found
