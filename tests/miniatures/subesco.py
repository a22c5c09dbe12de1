"""SUBESCO: two women, one take named as it was published."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "F_01_OISHI_S_10_ANGRY_1.wav", "F_02_MONIKA_S_2_SURPRISE_3].wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=48_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "subesco/F_01_OISHI_S_10_ANGRY_1",
        "speaker_id": "subesco/F_01",
        "text_id": "10",
        "language": "bn",
        "gender": "female",
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "copy/F_01_OISHI_S_10_ANGRY_1.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "F_01_OISHI.wav"), "not named like F_01_OISHI_S_10"),
        "emotion": Odd(copy(FIRST, "F_01_OISHI_S_10_CROSS_1.wav"), r"'CROSS' \(1 rows\)", LabelError),
    },
)
