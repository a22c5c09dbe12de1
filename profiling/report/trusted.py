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
    studies = [(part, found[study_key(part)]) for part in run.answers if found.get(study_key(part))]
    if not studies:
        return None
    blocks: list[Block] = [*_coverage(studies)]
    for part, study in studies:
        blocks += _part(study, part)
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
    inside: list[Block] = [Row(pictures)] if pictures else []
    return [Group(_name(part), [*_whose(study), *inside, *_numbers(study, part)])]


def _name(part: Part) -> str:
    return f"{part.title[0].upper()}{part.title[1:]}".removesuffix(", masked").removesuffix(", open")


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


def _coverage(studies: Sequence[tuple[Part, dict[str, Any]]]) -> list[Block]:
    """What was promised, and what each part achieved, side by side."""
    rows: list[tuple[str, ...]] = []
    promised = [entry["level"] for entry in studies[0][1].get("conformal", [])]
    for place, level in enumerate(promised):
        entries = [study["conformal"][place] for _, study in studies]
        cells = [cell for entry in entries for cell in _achieved(entry)]
        why = dict.fromkeys(reason for entry in entries if (reason := _why(entry)))
        rows.append((f"{level:.0%}", *cells, "; ".join(why)))
    if not rows:
        return []
    numbers = "mean_width" in studies[0][1]["conformal"][0]
    size = "mean width" if numbers else "labels in a set"
    head = [name for part, study in studies for name in (_whom(part, study), size)]
    table = Table("Promised and achieved coverage", ("promised", *head, "note"), rows, "coverage")
    return [table]


def _whom(part: Part, study: Mapping[str, Any]) -> str:
    speakers = "speakers unknown" if study["speakers"] is None else f"{study['speakers']} speakers"
    name = _name(part)
    return f"achieved, {name[0].lower()}{name[1:]} ({speakers})"


def _achieved(entry: dict[str, Any]) -> tuple[str, str]:
    """Coverage with its interval, and how wide it is."""
    found = entry.get("coverage")
    size = entry.get("mean_width", entry.get("mean_size"))
    text = "" if found is None or found["value"] is None else f"{found['value']:.2f}"
    if found is not None and found.get("low") is not None:
        text += f" [{found['low']:.2f}, {found['high']:.2f}]"
    return text, "" if size is None else f"{size:.2f}"


def _why(entry: dict[str, Any]) -> str:
    reason = entry.get("reason") or (entry.get("coverage") or {}).get("reason") or ""
    return str(reason)
