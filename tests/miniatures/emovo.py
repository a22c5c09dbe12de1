"""EMOVO: an actress and an actor."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "f1/rab-f1-b1.wav", "m3/tri-m3-n4.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=48_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "emovo/rab-f1-b1",
        "speaker_id": "emovo/f1",
        "text_id": "b1",
        "language": "it",
        "gender": "female",
        "age_years": 28.0,
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "EMOVO/f1/rab-f1-b1.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "f1/rab-f1.wav"), "not named like dis-f1-b1"),
        "actor": Odd(copy(FIRST, "f1/rab-f9-b1.wav"), "no speaker 'f9'"),
        "emotion": Odd(copy(FIRST, "f1/fel-f1-b1.wav"), r"'fel' \(1 rows\)", LabelError),
    },
)
