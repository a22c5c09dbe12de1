"""ASED: a sentence of every emotion, and the name with a capital."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "05Angry/a5-02-01-01-33.wav", "04Sad/S4-04-02-01-29.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=16_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "ased/S4-04-02-01-29",
        "speaker_id": "ased/29",
        "text_id": "s04",
        "language": "am",
        "gender": "female",
        "emotion": "sad",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "01Neutral/a5-02-01-01-33.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "05Angry/a5-02-01-03-33.wav"), "not named like a5-01-02-01-29"),
    },
)
