"""BAVED: a tired man and a woman with much emotion."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "0/1-m-20-0-0-107.wav", "4/10-f-20-4-2-1.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=16_000)
    (folder / "speakers_info.json").write_text("{}")
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "baved/1-m-20-0-0-107",
        "speaker_id": "baved/1",
        "text_id": "0",
        "language": "ar",
        "gender": "male",
        "age_years": 20.0,
        "emotion": "tired",
        "arousal": 0.0,
    },
    odd={
        "duplicate": Odd(copy(FIRST, "1/1-m-20-0-0-107.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "0/1-m-20-0-3-107.wav"), "not named like 1-m-20-0-1-107"),
    },
)
