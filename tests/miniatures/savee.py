"""SAVEE: a man of the first form, a man of the second."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "AudioData/DC/a01.wav", "AudioData/KL_su15.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=44_100)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "savee/DC_a01",
        "speaker_id": "savee/DC",
        "text_id": "a01",
        "language": "en",
        "gender": "male",
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "ALL/DC_a01.wav"), "1 duplicate utt_id: savee/DC_a01"),
        "stray": Odd(copy(FIRST, "AudioData/DC/x01.wav"), "not named like DC/a01"),
    },
)
