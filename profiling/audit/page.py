"""The page of an audit: one HTML file with everything in it, pictures too; no script, nothing fetched."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from profiling.audit.audit import Audit
from profiling.audit.document import corpora
from profiling.audit.figures import (
    ages_figure,
    association_figure,
    bandwidth_figure,
    durations_figure,
    labels_figure,
    pitch_figure,
)
from profiling.audit.finding import Finding
from profiling.audit.labelled import associations
from profiling.page.render import framed
from profiling.provenance import atomic_write

DPI = 110
_SHOWN = 200  # subjects listed in a fold-out; the rest is in audit.json


def write_page(path: Path, audit: Audit) -> Path:
    """Writes ``audit.html``, whole or not at all."""
    atomic_write(path, page(audit))
    return path


def page(audit: Audit) -> str:
    """The HTML."""
    numbers = ", ".join(f"{count} {severity}s" for severity, count in audit.counts.items())
    named = escape(f"corpus.train=[{','.join(audit.train)}] corpus.heldout=[{','.join(audit.heldout)}]")
    body = [
        "<h1>Audit</h1>",
        f"<p><b>{numbers}</b><br><small><code>{named}</code></small></p>",
        "" if audit.listened else "<p>Only the manifests were looked at; no recording was opened.</p>",
        _corpora(audit),
        "<h2>Findings</h2>",
        *(_finding(finding) for finding in audit.findings),
        "" if audit.findings else "<p>None.</p>",
        "<h2>Pictures</h2>",
        *(_picture(name, figure) for name, figure in _figures(audit) if figure is not None),
        "<p><small>An <b>error</b> makes a score wrong, a <b>warning</b> may mislead, a <b>note</b> is good to know. "
        "Every subject and number is in audit.json. How each is found: docs/audit.md.</small></p>",
    ]
    return framed("Audit", f"<main>{chr(10).join(body)}</main>")


def _corpora(audit: Audit) -> str:
    names = ("corpus", "role", "utterances", "speakers", "hours", "texts", "gender", "emotion", "age")
    rows = [
        f"<tr><td>{escape(entry['corpus'])}</td><td>{entry['role']}</td>{_numbers(entry)}"
        f"<td>{_counted(entry['gender'])}</td><td>{_counted(entry['emotion'])}</td><td>{_range(entry)}</td></tr>"
        for entry in corpora(audit.rows)
    ]
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        "<div class=scroll tabindex=0 role=region aria-label='What was audited'>"
        f"<table><tr>{head}</tr>{''.join(rows)}</table></div>"
    )


def _numbers(entry: dict[str, Any]) -> str:
    hours = "" if entry["hours"] is None else f"{entry['hours']:.2f}"
    values = (entry["rows"], entry["speakers"], hours, entry["texts"] or "")
    return "".join(f"<td class=n>{value}</td>" for value in values)


def _counted(found: dict[str, int]) -> str:
    return escape(", ".join(f"{label} {count}" for label, count in found.items()))


def _range(entry: dict[str, Any]) -> str:
    ages = entry["age_years"]
    return "" if ages is None else f"{ages[0]:g} to {ages[-1]:g}, median {ages[2]:g}"


def _finding(finding: Finding) -> str:
    out = f"<br><span class=out>{escape(finding.way_out)}</span>" if finding.way_out else ""
    return (
        f"<div class='finding {finding.severity}'><b>{finding.severity}</b> {finding.check}, "
        f"{escape(', '.join(finding.corpora))}<br>{escape(finding.message)}{out}{_subjects(finding)}</div>"
    )


def _subjects(finding: Finding) -> str:
    if not finding.subjects:
        return ""
    shown = "<br>".join(escape(line) for line in _detailed(finding)[:_SHOWN])
    more = len(finding.subjects) - _SHOWN
    rest = f"<br>and {more} more in audit.json" if more > 0 else ""
    return f"<details><summary>which ({len(finding.subjects)})</summary><code>{shown}{rest}</code></details>"


def _detailed(finding: Finding) -> list[str]:
    """The subjects; copies of a recording in one line, and voices with their pitch."""
    if finding.check == "duplicates":
        return [
            " = ".join(f"{copy['utt_id']} ({copy['part']}, {copy['path']})" for copy in copies)
            for copies in finding.evidence["copies"]
        ]
    if "speakers" in finding.evidence and finding.check == "pitch":
        return [
            f"{who['speaker_id']}: {who['gender']}, {who['f0_hz']:.0f} Hz, the other {who['ratio']:.3g} times likelier"
            for who in finding.evidence["speakers"]
        ]
    return list(finding.subjects)


def _figures(audit: Audit) -> Iterable[tuple[str, Figure | None]]:
    yield "pitch", pitch_figure(audit.rows)
    yield "associations", association_figure(list(associations(audit.rows)))
    for corpus in audit.rows["corpus"].unique():
        yield f"labels of {corpus}", labels_figure(audit.rows, str(corpus))
    yield "ages", ages_figure(audit.rows)
    yield "durations", durations_figure(audit.rows)
    yield "bandwidth", bandwidth_figure(audit.rows)


def _picture(name: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<p><img alt="{escape(name)}" src="data:image/png;base64,{data}"></p>'
