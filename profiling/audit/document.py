"""The machine-readable result, ``audit.json``, and the lines for the terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from profiling import __version__
from profiling.audit.audit import Audit
from profiling.audit.finding import Finding
from profiling.audit.labelled import associations
from profiling.audit.rows import HELDOUT, TRAIN, speakers

FORMAT = 1  # raised when a key changes its meaning
_NAMED = 3  # subjects named in a line


def document(audit: Audit) -> dict[str, Any]:
    """Everything an audit found, ready for JSON: counts, corpora, findings, associations, speakers."""
    return {
        "format": FORMAT,
        "profiling": __version__,
        "train": list(audit.train),
        "heldout": list(audit.heldout),
        "listened": audit.listened,
        "counts": audit.counts,
        "corpora": corpora(audit.rows),
        "findings": [_with_plain(finding) for finding in audit.findings],
        "associations": [
            {"corpus": corpus, "label": what, "with": other, **asdict(found)}
            for corpus, what, other, found in associations(audit.rows)
        ],
        "speakers": _records(speakers(audit.rows)),
    }


def corpora(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per corpus and role: rows, speakers, hours, labels with their counts."""
    return [
        _corpus(str(corpus), str(role), group)
        for (corpus, role), group in rows.groupby(["corpus", "role"], sort=False)
    ]


def _corpus(name: str, role: str, group: pd.DataFrame) -> dict[str, Any]:
    seconds = group["duration_s"].sum() if group["duration_s"].notna().any() else None
    return {
        "corpus": name,
        "role": {TRAIN: "train", HELDOUT: "heldout"}[role],
        "rows": len(group),
        "speakers": int(group["speaker_id"].nunique()),
        "hours": None if seconds is None else float(seconds) / 3600,
        "texts": int(group["text_id"].nunique()),
        "parts": _counts(group["part"]),
        "emotion": _counts(group["emotion"]),
        "gender": _counts(group["gender"]),
        "age_years": _quartiles(group["age_years"]),
        "duration_s": _quartiles(group["duration_s"]),
        "sample_rate_hz": _counts(group["sample_rate_hz"].dropna().astype(int)),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts(sort=False).sort_index().items()}


def _quartiles(values: pd.Series) -> list[float] | None:
    """Smallest, quartiles, largest."""
    present = values.dropna()
    return None if present.empty else [float(q) for q in present.quantile([0, 0.25, 0.5, 0.75, 1])]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def _with_plain(finding: Finding) -> dict[str, Any]:
    return finding.as_dict()


def lines(audit: Audit) -> list[str]:
    """What to print: one line per corpus, one per finding, and the sum."""
    found = [_corpus_line(entry) for entry in corpora(audit.rows)]
    found += [_finding_line(finding) for finding in audit.findings]
    numbers = audit.counts
    found.append(", ".join(f"{numbers[severity]} {severity}s" for severity in numbers))
    return found


def _corpus_line(entry: dict[str, Any]) -> str:
    hours = "" if entry["hours"] is None else f", {entry['hours']:.2f} h"
    return f"{entry['corpus']} ({entry['role']}): {entry['rows']} utterances, {entry['speakers']} speakers{hours}"


def _finding_line(finding: Finding) -> str:
    who = ", ".join(finding.corpora)
    named = ""
    if finding.subjects and not any(subject in finding.message for subject in finding.subjects[:1]):
        more = f" and {len(finding.subjects) - _NAMED} more" if len(finding.subjects) > _NAMED else ""
        named = f" [{', '.join(finding.subjects[:_NAMED])}{more}]"
    return f"{finding.severity.upper():7} {finding.check}: {who}: {finding.message}{named}"
