"""Where a result comes from: data, licences, citations, what was published, provenance and the exact command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiling.evaluation import sections as written
from profiling.evaluation.summary import NAMES, number_text
from profiling.page.blocks import Block, Code, Fold, Section, Table, Text
from profiling.report.folder import RunFolder, anchor

_LAST = 3  # sections of report.md that say where a result comes from: data, backbone, how to get it again


def origin(run: RunFolder) -> list[Section]:
    """Data, backbone and provenance, as ``report.md`` says them."""
    found = [_section(section) for section in written.sections(run.result, {})[-_LAST:]]
    return [*found[:-1], Section(found[-1].key, found[-1].title, [*found[-1].blocks, *_provenance(run)])]


def together(runs: Sequence[RunFolder]) -> list[Section]:
    """Data and commands of several runs, each once."""
    every = [section for run in runs for section in written.sections(run.result, {})[-_LAST:]]
    tables = [block for section in every for block in section.blocks if isinstance(block, written.Table)]
    data = [table for table in tables if table.head[0] == "corpus"]
    rows = list(dict.fromkeys(row for table in data for row in table.rows))
    commands = list(dict.fromkeys(run.result["command"] for run in runs))
    found = [Section("data", "Data", [Table("Data", data[0].head, rows, "data")])] if data else []
    return [*found, Section("again", "How to get this again", [Code(text) for text in commands])]


def _section(section: written.Section) -> Section:
    blocks: list[Block] = []
    for block in section.blocks:
        match block:
            case written.Paragraph(text, _):
                blocks.append(Text(text))
            case written.Code(text):
                blocks.append(Code(text))
            case written.Table(head, rows):
                blocks.append(Table(section.title, head, rows, anchor(section.title)))
            case _:
                continue
    return Section(anchor(section.title), section.title, blocks)


def _provenance(run: RunFolder) -> list[Block]:
    environment = run.result["environment"]
    git: dict[str, Any] = environment.get("git") or {}
    known = {
        "signature of the run": environment.get("signature"),
        "feature key": environment.get("feature_key"),
        "code": f"{git['commit']}{' with changes' if git['dirty'] else ''}" if git else None,
        **{f"manifest {name}": held["sha256"] for name, held in environment.get("manifests", {}).items()},
    }
    rows = [(name, str(value)) for name, value in known.items() if value]
    return (
        [Fold("Hashes: what this result depends on", [Table("Hashes", ("what", "sha256"), rows, "hashes")])]
        if rows
        else []
    )


def published(run: RunFolder) -> Section | None:
    """Published numbers of the task, those that may be compared first."""
    if not run.published:
        return None
    shown = [row for row in run.published if row["part"] == run.published[0]["part"] or row["comparable"]]
    rows = sorted(map(_published_row, shown), key=lambda row: row[0] != "yes")
    head = ("comparable", "because", "system", "protocol", "metric", "theirs", "ours", "source")
    any_comparable = any(row[0] == "yes" for row in rows)
    said = (
        "Only rows marked yes may be read as a comparison." if any_comparable
        else "None of these may be read as a comparison; they show what the task is worth elsewhere."
    )  # fmt: skip
    return Section(
        "published", "Beside published numbers", [Text(said), Table("Published", head, rows, "published")]
    )


def _published_row(row: dict[str, Any]) -> tuple[str, ...]:
    metric = str(row["metric"])
    theirs = row["value"] if isinstance(row["value"], str) else number_text(metric, row["value"])
    return (
        "yes" if row["comparable"] else "no", row["because"] or "", row["system"], row["protocol"],
        NAMES.get(metric, metric), str(theirs), number_text(metric, row["ours"]), row["source"],
    )  # fmt: skip
