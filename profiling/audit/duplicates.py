"""The same recording more than once: by its bytes, and by its decoded samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from profiling.audit.finding import ERROR, WARNING, Finding
from profiling.corpora.tasks import LABEL_COLUMNS


def duplicates(rows: pd.DataFrame) -> list[Finding]:
    """Copies across parts, under several speakers, with other labels, and plain ones.

    Spans are compared by their decoded samples, so a copy with another header, name, container or file offset is
    found; where a recording was not decoded, by the file's sha256 or path and the span.
    """
    key = rows["decoded_sha256"].where(rows["decoded_sha256"].notna(), _by_file(rows))
    copied = rows.assign(key=key)[key.duplicated(keep=False)]
    groups = [group for _, group in copied.groupby("key", sort=False)]
    kinds: dict[str, list[pd.DataFrame]] = {name: [] for name in _KINDS}
    for group in groups:
        kinds[_kind(group)].append(group)
    return [_finding(kind, listed) for kind, listed in kinds.items() if listed]


def _by_file(rows: pd.DataFrame) -> pd.Series:
    file = rows["audio_sha256"].where(rows["audio_sha256"].notna(), rows["path"])
    return file + "#" + rows["start_sample"].astype(str) + "-" + rows["end_sample"].astype(str)


#: Kind -> severity, what it is, what to do; the first that fits a group of copies.
_KINDS = {
    "across parts": (ERROR, "stand in two parts that must not share any", "remove one side of each"),
    "two speakers": (ERROR, "stand under two speakers", "find out who speaks, remove the others"),
    "other labels": (
        ERROR,
        "stand there with contradicting labels",
        "decide for one label, remove the others",
    ),
    "within a part": (WARNING, "stand there more than once and count as often", "leave one of each"),
}


def _kind(group: pd.DataFrame) -> str:
    if group["part"].nunique() > 1:
        return "across parts"
    if group["speaker_id"].fillna("").nunique() > 1:
        return "two speakers"
    if any(group[column].nunique() > 1 for column in LABEL_COLUMNS):
        return "other labels"
    return "within a part"


def _finding(kind: str, groups: list[pd.DataFrame]) -> Finding:
    severity, what, way_out = _KINDS[kind]
    every = pd.concat(groups)
    bytes_too = sum(group["audio_sha256"].nunique() == 1 for group in groups)
    where = sorted({" and ".join(sorted(set(group["part"]))) for group in groups})
    return Finding(
        check="duplicates",
        severity=severity,
        corpora=tuple(sorted(set(every["corpus"]))),
        message=(
            f"{len(groups)} recordings ({len(every)} rows) {what} ({', '.join(where)}); "
            f"{bytes_too} with the same bytes, {len(groups) - bytes_too} re-encoded or cut with the same samples"
        ),
        subjects=tuple(every["utt_id"]),
        evidence={"kind": kind, "copies": [_copies(group) for group in groups]},
        way_out=way_out,
    )


def _copies(group: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["utt_id", "path", "part", "speaker_id", *LABEL_COLUMNS]
    return [dict(zip(columns, _plain(row), strict=True)) for row in group[columns].itertuples(index=False)]


def _plain(values: Iterable[Any]) -> list[Any]:
    """NaN becomes None: JSON knows no other word for missing."""
    return [None if isinstance(value, float) and value != value else value for value in values]
