"""ShEMO: a woman and a man."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "female/F24A65.wav", "male/M02N19.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=44_100)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "shemo/F24A65",
        "speaker_id": "shemo/F24",
        "language": "fa",
        "gender": "female",
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "male/F24A65.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "female/F24.wav"), "not named like F24A65"),
        "emotion": Odd(copy(FIRST, "female/F24X01.wav"), r"'X' \(1 rows\)", LabelError),
    },
)
