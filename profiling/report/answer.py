"""The answer: what, on whom, how well, on unseen corpora how well, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from profiling.evaluation import sections as written
from profiling.evaluation.result import Part, Score, remark
from profiling.evaluation.summary import NAMES, no_interval_text, number_text, value_text, verdict
from profiling.page.blocks import Block, Link, Listing, Picture, Section, Table, Text, Tile, Tiles
from profiling.report.folder import RunFolder
from profiling.report.forest import ForestRow, forest

Verdict = Literal["better", "worse", "unsure", "none"]


def warnings(run: RunFolder) -> list[str]:
    """What nobody may overlook: a backbone that is not the released one, speakers on both sides."""
    found = (b.text for b in _said(run) if isinstance(b, written.Paragraph) and b.strong)
    return [f"{_capital(text).rstrip('.')}." for text in found]


def lead(run: RunFolder) -> str:
    """What was trained on whom, in a sentence."""
    return next(b.text for b in _said(run) if isinstance(b, written.Paragraph) and not b.strong)


def answer(run: RunFolder) -> Section:
    """Tiles, a picture of all parts, the table of all metrics, and the same in sentences."""
    said = [b.text for b in _said(run) if isinstance(b, written.Paragraph) and not b.strong][1:]
    plain = [text for text in said if text != written.together(run.result)]  # it stands beside its links
    tables = [b for b in _said(run) if isinstance(b, written.Table)]
    blocks: list[Block] = [Tiles([tile(part, run) for part in run.answers])]
    blocks += siblings(run)
    blocks += [Picture("scores", scores_chart(run), _caption(run))]
    blocks += [Table("Every part and metric", table.head, table.rows, "scores") for table in tables]
    blocks += [Listing(plain[:-1]), Text(plain[-1], "note")]
    return Section("answer", "The answer", blocks)


def siblings(run: RunFolder) -> list[Block]:
    """The ways to the reports of the tasks that one head learned with this one."""
    said = written.together(run.result)
    if said is None:
        return []
    ways = [Link(f"Report of {name}", f"../{name}/report.html") for name in run.together]
    return [Text(said, links=ways)]


def _said(run: RunFolder) -> Sequence[written.Block]:
    """What ``report.md`` says first; both reports say the same."""
    return written.sections(run.result, {})[0].blocks


def tile(part: Part, run: RunFolder) -> Tile:
    """One part of the answer."""
    metric, score = run.metric, part.score
    value = score["metrics"][metric]
    unit = f" {run.unit}" if run.unit else ""
    constant = score["constant"].get(metric)
    kind, text = judged(score)
    return Tile(
        _where(part),
        f"{NAMES[metric]} {number_text(metric, value['value'])}{unit}",
        [_sure(score, metric), f"a constant answer has {number_text(metric, constant)}{unit}{_skill(score)}"],
        kind,
        text,
    )


def _skill(score: Score) -> str:
    """What the verdict on numbers goes by: head and constant on the same speakers, so that its interval is narrower."""
    value = score["metrics"].get("skill")
    return "" if value is None else f"; skill {value_text('skill', value)}"


def _where(part: Part) -> str:
    if part.part == "heldout":
        how = "" if "," not in part.title else f" ({part.title.rpartition(', ')[2]})"
        return f"On {part.corpus}, a corpus it never heard{how}"
    known = {"test": "On speakers it never heard", "validation": "On the speakers it was chosen by"}
    return known[part.part]


def _sure(score: Score, metric: str) -> str:
    value = score["metrics"][metric]
    who = f"{score['speakers']} speakers" if score["speakers"] else "speakers unknown"
    if value["low"] is None or value["high"] is None:
        return f"no interval: {value['reason']}; {score['n']} utterances"
    low, high = number_text(metric, value["low"]), number_text(metric, value["high"])
    return f"95 % interval {low} to {high}, {who}, {score['n']} utterances"


def judged(score: Score) -> tuple[Verdict, str]:
    """Better or worse than a constant answer, in a word for colours and in words for people."""
    text = verdict(score)
    signs: dict[str, tuple[Verdict, str]] = {"better": ("better", "▲ "), "worse": ("worse", "▼ ")}
    kind, sign = signs.get(text.split()[0], ("unsure", ""))
    return kind, f"{sign}{text}"


def scores_chart(run: RunFolder) -> Any:
    """Every part by the metric of the answer, beside a constant answer."""
    metric = run.metric
    rows = [part_row(part.title, part.score, metric) for part in run.parts]
    title = f"{NAMES[metric]} of {run.result['task']['name']} by part"
    return forest(rows, title, axis_name(metric, run.unit), limits=limits_of(metric))


def part_row(label: str, score: Score, metric: str) -> ForestRow:
    """A score as a row of a forest plot."""
    value = score["metrics"][metric]
    text = value_text(metric, value)
    return ForestRow(
        label,
        value["value"],
        value["low"],
        value["high"],
        text,
        score["constant"].get(metric),
        no_interval_text(score) or "",
    )


def axis_name(metric: str, unit: str) -> str:
    """A metric with its unit, and which way is better."""
    if metric in ("mae", "rmse"):
        return f"{NAMES[metric]}, {unit} (smaller is better)"
    return f"{NAMES.get(metric, metric)} (larger is better)"


def limits_of(metric: str) -> tuple[float, float] | None:
    """Shares are always shown from 0 to 1, so that pictures can be compared by eye."""
    return (0.0, 1.0) if metric in ("uar", "wa", "macro_f1", "recall") else None


def _caption(run: RunFolder) -> str:
    said = "Dot: value; bar: 95 % interval over speakers; upright mark: a constant answer; hollow dot: no interval."
    return said if remark(run.result) is None else f"{said} {_capital(str(remark(run.result)))}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
