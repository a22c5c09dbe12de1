"""Are there enough speakers for the intervals a result is given with, and for a split by speaker?"""

from __future__ import annotations

import pandas as pd

from profiling.audit.finding import NOTE, WARNING, Finding
from profiling.audit.rows import HELDOUT, TRAIN
from profiling.corpora.splits import MIN_SPEAKERS as SPLIT_SPEAKERS
from profiling.evaluation.intervals import MIN_SPEAKERS

_SCORED = ("test", HELDOUT)
_FEW_SPEAKERS = 20  # below, intervals are wide and leave-one-speaker-out is the protocol (DESIGN 11)


def enough_speakers(rows: pd.DataFrame) -> list[Finding]:
    """Parts that are scored on few speakers, and classes that few speakers have."""
    found = []
    for (corpus, role), group in rows[rows["speaker_id"].notna()].groupby(["corpus", "role"], sort=False):
        parts = [part for part in _SCORED if (group["part"] == part).any()]
        for part in parts or ["unsplit"]:
            people = int(group["speaker_id"][group["part"] == part].nunique())
            if people:
                found += _scored(str(corpus), part, people)
        found += _classes(str(corpus), str(role), group)
    return found


def _scored(corpus: str, part: str, people: int) -> list[Finding]:
    where = {"unsplit": "all of it", HELDOUT: "held out", "test": "its test part"}[part]
    evidence = {"part": part, "speakers": people}
    if people < MIN_SPEAKERS:
        message = f"{people} speakers ({where}): no interval can be given, {MIN_SPEAKERS} are needed"
        return [Finding("intervals", WARNING, (corpus,), message, evidence=evidence, way_out="add speakers")]
    if people < _FEW_SPEAKERS:
        message = (
            f"{people} speakers ({where}): intervals are wide; below {_FEW_SPEAKERS} speakers "
            "leave-one-speaker-out is the protocol"
        )
        return [Finding("intervals", NOTE, (corpus,), message, evidence=evidence, way_out="add speakers")]
    return []


def _classes(corpus: str, role: str, group: pd.DataFrame) -> list[Finding]:
    """A class of fewer than three speakers cannot be learned, validated and tested on different ones."""
    found = []
    for column in ("emotion", "gender"):
        having = group.groupby(column)["speaker_id"].nunique()
        if len(having) < 2:
            continue
        few = having[having < (SPLIT_SPEAKERS if role == TRAIN else MIN_SPEAKERS)]
        if len(few):
            listed = ", ".join(f"{label} ({count})" for label, count in few.items())
            why = (
                "cannot be in train, validation and test" if role == TRAIN else "gets no interval of its own"
            )
            message = f"{column} of few speakers, which {why}: {listed}"
            evidence = {str(label): int(count) for label, count in few.items()}
            severity = WARNING if role == TRAIN else NOTE
            found.append(Finding("intervals", severity, (corpus,), message, evidence=evidence))
    return found
