"""When recordings get worse: held-out scores of perturbed copies, all beside the clean ones, and against severity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from profiling.evaluation.result import Value
from profiling.evaluation.summary import NAMES, number_text, value_text
from profiling.page.blocks import Block, Fold, Picture, Row, Section, Table, Text
from profiling.report.answer import axis_name, limits_of
from profiling.report.folder import RunFolder, anchor
from profiling.report.forest import ForestRow, forest
from profiling.report.plane import Curve, curves_chart

Scored = dict[str, Any]  # a row of robustness.json

_CLEAN = "clean"
_KINDS = ("a", "b", "c", "d")
#: Step of a perturbation -> its name, and what its severity is.
_STEPS = {
    "noise": ("noise", "signal-to-noise ratio, dB (left is worse)"),
    "speed": ("speed", "speed, factor"),
    "gain": ("gain", "gain, dB"),
    "reverb": ("reverberation", "reverberation time, s (right is worse)"),
    "truncate": ("length", "seconds kept (left is worse)"),
}
_READING = (
    "The same held-out utterances, perturbed by computation: synthetic noise is no street. Intervals are over "
    "speakers, and all copies share them: differences are surer than overlapping intervals suggest."
)
_SMALLER_IS_BETTER = ("mae", "rmse")


def robustness(run: RunFolder) -> Section | None:
    """Every copy beside the clean recordings, then a curve for each perturbation with several severities."""
    decision = run.result["heldout_decision"]
    mine = [row for row in run.robustness if row["metric"] == run.metric and row["decision"] == decision]
    if not mine:
        return None
    corpora = list(dict.fromkeys(row["corpus"] for row in mine))
    blocks: list[Block] = [Text(_answer(run, mine, corpora))]
    blocks += [_copies(run, corpus, [row for row in mine if row["corpus"] == corpus]) for corpus in corpora]
    blocks.append(Row([_degrading(run, step, mine) for step in _graded(mine)]))
    blocks.append(Fold("Every copy as a table", [_table(run, mine)]))
    return Section("robustness", "When recordings get worse", [*blocks, Text(_READING, "note")])


def _answer(run: RunFolder, rows: list[Scored], corpora: Sequence[str]) -> str:
    """Clean score and worst copy of each corpus."""
    said = []
    for corpus in corpora:
        own = [row for row in rows if row["corpus"] == corpus and row["value"] is not None]
        clean = next((row for row in own if row["steps"] == _CLEAN), None)
        others = [row for row in own if row["steps"] != _CLEAN]
        if clean is None or not others:
            continue
        choose = max if run.metric in _SMALLER_IS_BETTER else min
        worst = choose(others, key=lambda row: float(row["value"]))
        values = (number_text(run.metric, row["value"]) for row in (clean, worst))
        before, after = values
        said.append(f"{corpus}: {NAMES[run.metric]} {before} clean, {after} at worst ({worst['steps']})")
    return f"{'; '.join(said)}." if said else "No copy could be scored."


def _copies(run: RunFolder, corpus: str, rows: list[Scored]) -> Picture:
    clean = next((row["value"] for row in rows if row["steps"] == _CLEAN), None)
    constant = run.result["scores"]["heldout"][corpus][run.result["heldout_decision"]]["constant"]
    drawn = [
        ForestRow(row["steps"], row["value"], row["low"], row["high"], _text(row), constant.get(run.metric))
        for row in rows
    ]
    title = f"{NAMES[run.metric]} of perturbed copies, {corpus}"
    drawing = forest(drawn, title, axis_name(run.metric, run.unit), limits=limits_of(run.metric), line=clean)
    said = "Dashed: the clean recordings; upright marks: a constant answer."
    return Picture(f"robustness_{anchor(corpus)}", drawing, f"{corpus}, every copy. {said}")


def _text(row: Scored) -> str:
    return value_text(row["metric"], cast(Value, row))


def _table(run: RunFolder, rows: list[Scored]) -> Table:
    cells = [
        (row["corpus"], row["steps"], _text(row), str(row["n"]), str(row["speakers"] or ""), str(row["lost"]))
        for row in rows
    ]
    head = ("corpus", "copy", NAMES[run.metric], "utterances", "speakers", "unusable")
    return Table("Scores of perturbed copies", head, cells, "robustness")


def _alone(row: Scored) -> bool:
    """One step with one number: what a curve can be drawn of."""
    steps: str = row["steps"]
    return row["severity"] is not None and "+" not in steps and steps.count(":") == 1


def _graded(rows: list[Scored]) -> list[str]:
    """Steps with at least two severities alone."""
    alone: dict[str, set[float]] = {}
    for row in filter(_alone, rows):
        alone.setdefault(row["step"], set()).add(row["severity"])
    return [step for step, severities in alone.items() if len(severities) > 1]


def _degrading(run: RunFolder, step: str, rows: list[Scored]) -> Picture:
    curves = _curves([row for row in rows if row["step"] == step and _alone(row)])
    if step == "speed":  # a speed of 1 is the clean recording
        curves = [_with_clean(curve, rows) for curve in curves]
    xs, ys = [x for c in curves for x in c.x], [y for c in curves for y in c.y]
    top = limits_of(run.metric) or (0.0, max(ys) * 1.1)
    said = "; ".join(
        f"{c.name}: " + ", ".join(f"{y:.3f} at {x:g}" for x, y in zip(c.x, c.y, strict=True)) for c in curves
    )
    name, axis = _STEPS.get(step, (step, step))
    title = f"{NAMES[run.metric]} against {name}"
    names = (axis, axis_name(run.metric, run.unit))
    drawing = curves_chart(curves, ((min(xs), max(xs)), top), names, title, said)
    return Picture(f"robustness_{anchor(step)}", drawing, f"{title}.")


def _curves(rows: list[Scored]) -> list[Curve]:
    """A curve for each corpus; more than there are line styles are left to the table."""
    curves = []
    for kind, corpus in zip(_KINDS, dict.fromkeys(row["corpus"] for row in rows), strict=False):
        own = [row for row in rows if row["corpus"] == corpus and row["value"] is not None]
        points = sorted((row["severity"], row["value"]) for row in own)
        curves.append(Curve(corpus, [x for x, _ in points], [y for _, y in points], kind, dots=True))
    return curves


def _with_clean(curve: Curve, rows: list[Scored]) -> Curve:
    clean = [
        row["value"]
        for row in rows
        if row["corpus"] == curve.name and row["steps"] == _CLEAN and row["value"] is not None
    ]
    points = sorted([*zip(curve.x, curve.y, strict=True), *((1.0, value) for value in clean)])
    return Curve(curve.name, [x for x, _ in points], [y for _, y in points], curve.kind, dots=True)
