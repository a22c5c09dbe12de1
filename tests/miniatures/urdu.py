"""URDU: a woman and a man."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "Happy/SF6_F1_H025.wav", "Neutral/SM5_F72_N0100.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=44_100)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "urdu/SF6_F1_H025",
        "speaker_id": "urdu/SF6",
        "language": "ur",
        "gender": "female",
        "emotion": "happy",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "Sad/SF6_F1_H025.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "Happy/SF6_F1_Z025.wav"), "not named like SM1_F1_A01"),
    },
)
