"""How far confidence can be trusted: reliability, promised against achieved coverage, risk against coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiling.evaluation.result import Part
from profiling.page.blocks import Block, Group, Picture, Row, Section, Table, Text
from profiling.report.folder import RunFolder, anchor, study_key
from profiling.report.plane import Curve, curves_chart

_FEWEST = 5  # answers in a bin that is drawn
_SHARES = ((0.0, 1.0), (0.0, 1.0))


def calibration(run: RunFolder) -> Section | None:
    """Temperature, reliability before and after, intervals and label sets, in-domain and held-out."""
    found = run.calibration.get("parts", {})
    blocks: list[Block] = []
    seen: set[str] = set()
    for part in run.answers:
        study = found.get(study_key(part))
        if study and study_key(part) not in seen:
            seen.add(study_key(part))
            blocks += _part(study, part)
    if not blocks:
        return None
    return Section(
        "calibration",
        "How far its confidence can be trusted",
        [
            Text(_fitted(run)),
            *blocks,
            Text((_READING_LABELS if run.result["task"]["labels"] else "") + _READING, "note"),
        ],
    )


_READING = "Promised coverage holds for new speakers from the same kind of recordings; elsewhere it is usually lower."
_READING_LABELS = (
    "Reliability: of the answers given with a confidence, the share that is right; on the diagonal confidence means "
    "what it says; bins of fewer than 5 answers are not drawn. Risk: errors left when only the surest are answered. "
)


def _fitted(run: RunFolder) -> str:
    section = run.calibration.get("calibration", {})
    if not section:
        return "Nothing was fitted: there was no test part, or speaker ids are missing."
    fitted = section["fitted_on"]
    where = f"{fitted['part']} speakers of {', '.join(fitted['corpora'])} ({fitted['protocol']})"
    text = f"Fitted on the {where}, who neither trained nor chose the head."
    temperature = section["temperature"]
    if temperature is None:
        return text
    if temperature["value"] is None:
        return f"{text} No temperature: {temperature['reason']}."
    way = "softens" if temperature["value"] > 1 else "sharpens"
    value = f"{temperature['value']:.2f}"
    spread = _temperatures(run.calibration["parts"].get("test", {}).get("temperatures") or [])
    return f"{text} Temperature {value}{spread} {way} the probabilities ({temperature['speakers']} speakers)."


def _temperatures(turns: Sequence[float]) -> str:
    """How far the temperature hangs on who was asked."""
    if not turns:
        return ""
    return f" ({min(turns):.2f} to {max(turns):.2f} when speakers are left out)"


def _whose(study: Mapping[str, Any]) -> list[Block]:
    """Whose calibration this part is judged by: the first question of whoever doubts it."""
    by = study.get("calibrated_by")
    return [Text(f"Judged by {by}.", "note")] if by else []


def _part(study: dict[str, Any], part: Part) -> list[Block]:
    pictures: list[Block] = []
    if study.get("before"):
        pictures.append(_reliability(study, part))
    if study.get("risk_coverage", {}).get("curve"):
        pictures.append(_risk(study, part))
    title = f"{part.title[0].upper()}{part.title[1:]}".removesuffix(", masked").removesuffix(", open")
    inside: list[Block] = [Row(pictures)] if pictures else []
    return [Group(title, [*_whose(study), *inside, *_numbers(study, part), *_coverage(study, part)])]


def _reliability(study: dict[str, Any], part: Part) -> Picture:
    states = [("as trained", study["before"], "b"), ("with temperature", study.get("after"), "a")]
    curves = [_bins(name, found["reliability"], kind) for name, found, kind in states if found]
    said = "; ".join(f"{name} {found['ece']:.3f}" for name, found, _ in states if found)
    drawing = curves_chart(
        curves,
        _SHARES,
        ("confidence", "share that is right"),
        f"Reliability, {part.title}",
        said,
        diagonal=True,
    )
    return Picture(f"reliability_{part.key}", drawing, f"Expected calibration error (ECE): {said}.")


def _bins(name: str, bins: Sequence[Mapping[str, Any]], kind: str) -> Curve:
    """A curve through the bins; a bin of few answers would be drawn where chance put it."""
    kept = [one for one in bins if one["n"] >= _FEWEST]
    return Curve(name, [b["confidence"] for b in kept], [b["accuracy"] for b in kept], kind, dots=True)


def _risk(study: dict[str, Any], part: Part) -> Picture:
    curve, area = study["risk_coverage"]["curve"], study["risk_coverage"]["aurc"]
    x, y = [p["coverage"] for p in curve], [p["risk"] for p in curve]
    half = len(x) // 2
    said = f"Error rate {y[-1]:.2f} when everything is answered, {y[half]:.2f} for the surest {x[half]:.0%}"
    drawing = curves_chart(
        [Curve("", x, y, "a")],
        _SHARES,
        ("share answered, surest first", "share of errors"),
        f"Risk against coverage, {part.title}",
        said,
    )
    area_said = "" if area is None else f"; area under the curve {area:.3f}"
    return Picture(f"risk_{part.key}", drawing, f"{said}{area_said}.")


def _numbers(study: dict[str, Any], part: Part) -> list[Block]:
    rows = [
        (name, *(f"{found[key]:.3f}" for key in ("ece", "nll", "brier")))
        for name, found in (("as trained", study.get("before")), ("with temperature", study.get("after")))
        if found
    ]
    head = ("probabilities", "ECE", "NLL", "Brier")
    return (
        [Table(f"Calibration, {part.title}", head, rows, f"calibration_{anchor(part.key)}")] if rows else []
    )


def _coverage(study: dict[str, Any], part: Part) -> list[Block]:
    rows = [_coverage_row(entry) for entry in study.get("conformal", [])]
    if not rows:
        return []
    numbers = any("mean_width" in entry for entry in study["conformal"])
    size = "mean width" if numbers else "labels in a set"
    table = Table(
        f"Promised and achieved coverage, {part.title}", ("promised", "achieved", size, "speakers", "note"), rows,
        f"coverage_{anchor(part.key)}",
    )  # fmt: skip
    return [table]


def _coverage_row(entry: dict[str, Any]) -> tuple[str, ...]:
    found = entry.get("coverage")
    size = entry.get("mean_width", entry.get("mean_size"))
    achieved = "" if found is None or found["value"] is None else f"{found['value']:.2f}"
    if found is not None and found.get("low") is not None:
        achieved += f" [{found['low']:.2f}, {found['high']:.2f}]"
    why = entry.get("reason") or (found or {}).get("reason") or ""
    speakers = "" if found is None or found.get("speakers") is None else str(found["speakers"])
    return (f"{entry['level']:.0%}", achieved, "" if size is None else f"{size:.2f}", speakers, why)
