"""CaFE: a folder whose name lost its accents, and a neutral take of the other release."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "CaFE_48k/D_go_t/Fort/10-D-2-1.wav", "CaFE_48k/Neutre/07-N-6.aiff"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=48_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "cafe/10-D-2-1",
        "speaker_id": "cafe/10",
        "text_id": "1",
        "language": "fr",
        "gender": "female",
        "age_years": 20.0,
        "emotion": "disgusted",
    },
    odd={
        "duplicate": Odd(copy(FIRST, "CaFE_192k/10-D-2-1.aiff"), "lies twice"),
        "stray": Odd(copy(FIRST, "CaFE_48k/10-D-2.wav"), "not named like 01-C-1-1"),
        "actor": Odd(copy(FIRST, "CaFE_48k/13-D-2-1.wav"), "no speaker '13'"),
    },
)
