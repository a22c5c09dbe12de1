"""What an audit says: findings with a severity, the rows or speakers they are about, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)  # the worst first


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        check: the check's name, such as ``duplicates``.
        severity: ``error`` (a score would be wrong), ``warning`` (it may mislead), ``note`` (good to know).
        corpora: whom it concerns.
        message: one sentence with the numbers.
        subjects: utterances or speakers, all of them.
        evidence: further numbers, ready for JSON; where it has a list, one entry per subject.
        way_out: what to do about it.
    """

    check: str
    severity: str
    corpora: tuple[str, ...]
    message: str
    subjects: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    way_out: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; the order of the checks is kept within a severity."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Severity -> how many."""
    listed = [finding.severity for finding in findings]
    return {severity: listed.count(severity) for severity in SEVERITIES}
