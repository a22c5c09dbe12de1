"""The rows of an audit: the manifests of all corpora, each with its role, its part and what was measured of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from profiling.audit.listening import Heard
from profiling.audit.signal import Measures
from profiling.corpora.tasks import CHILD

TRAIN, HELDOUT = "train", "heldout"
ADULT_FROM_YEARS = 16.0  # as task.child_below_age: below, a voice's pitch says nothing of its gender
NARROW_HZ = 4300.0  # 8 kHz recordings end at 4000 Hz; one bin of the spectrum and the filter's slope above it


def pool(train: pd.DataFrame | None, heldout: pd.DataFrame | None) -> pd.DataFrame:
    """One table of all rows.

    Returns:
        The manifests' columns with ``role`` (``train`` or ``heldout``) and ``part``: the split of a training
        row where it has one, ``unsplit`` where not, ``heldout`` for held-out rows.
    """
    tables = []
    for role, table in ((TRAIN, train), (HELDOUT, heldout)):
        if table is not None:
            part = table["split"].where(table["split"].notna(), "unsplit") if role == TRAIN else HELDOUT
            tables.append(table.assign(role=role, part=part))
    return pd.concat(tables, ignore_index=True)


def with_measures(rows: pd.DataFrame, heard: Heard) -> pd.DataFrame:
    """Adds ``audio_sha256``, ``failed`` (why, or None) and one column per measure, NaN or None where unknown."""
    columns: dict[str, list[object]] = {
        name: [None if m is None else getattr(m, name) for m in heard.measures]
        for name in (f.name for f in fields(Measures))
    }
    measured = pd.DataFrame(columns, index=rows.index)
    for name in measured.columns.difference(["decoded_sha256"]):
        measured[name] = pd.to_numeric(measured[name])
    measured["audio_sha256"] = pd.Series(heard.sha256, index=rows.index, dtype=object)
    measured["failed"] = pd.Series(
        [heard.failed.get(row) for row in range(len(rows))], index=rows.index, dtype=object
    )
    kept = rows.drop(columns=["audio_sha256", "sample_rate_hz", "num_samples"])
    return pd.concat([kept, measured], axis=1)


def without_measures(rows: pd.DataFrame) -> pd.DataFrame:
    """The same columns where nobody listened: only what the manifests say."""
    silent = Heard([None] * len(rows), [None] * len(rows))
    said = rows["audio_sha256"]
    return with_measures(rows, silent).assign(audio_sha256=said)


def speakers(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per speaker id and corpus: rows, seconds, gender, age and the median pitch of the voice.

    Returns:
        Columns ``corpus, speaker_id, rows, seconds, gender, age_years, child, f0_hz, voiced_frames``; ``gender``
        is None where the rows disagree; pitch is weighted by voiced frames.
    """
    known = rows[rows["speaker_id"].notna()]
    listed = [_speaker(str(name), group) for name, group in known.groupby("speaker_id", sort=True)]
    return pd.DataFrame(listed, columns=_SPEAKER_COLUMNS)


_SPEAKER_COLUMNS = [
    "corpus", "speaker_id", "rows", "seconds", "gender", "age_years", "child", "f0_hz", "voiced_frames",
]  # fmt: skip


def _speaker(name: str, group: pd.DataFrame) -> list[object]:
    genders = group["gender"].dropna().unique()
    age = float(group["age_years"].median())
    voiced = group[group["f0_hz"].notna()].sort_values("f0_hz")
    return [
        group["corpus"].iloc[0],
        name,
        len(group),
        float(group["duration_s"].sum()),
        genders[0] if len(genders) == 1 else None,
        age,
        age < ADULT_FROM_YEARS or CHILD in genders,
        _weighted_median(voiced),
        int(voiced["voiced_frames"].sum()),
    ]


def _weighted_median(voiced: pd.DataFrame) -> float | None:
    if voiced.empty:
        return None
    reached = voiced["voiced_frames"].cumsum() >= voiced["voiced_frames"].sum() / 2
    return float(voiced["f0_hz"][reached].iloc[0])


def bare(name: str, corpus: str) -> str:
    """An id without its corpus.

    >>> bare("emodb/03", "emodb")
    '03'
    """
    return name.removeprefix(f"{corpus}/")


def folder_of(path: str) -> str:
    """The folder a recording lies in, links resolved."""
    return str(Path(path).parent.resolve())
