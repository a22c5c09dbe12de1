"""TESS: both women, and the name that is misspelt as published."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record

FIRST, SECOND = "OAF_angry/OAF_back_angry.wav", "OAF_neutral/OA_bite_neutral.wav"


def build(folder: Path) -> Path:
    """Two recordings."""
    record(folder, FIRST, SECOND, rate_hz=24_414)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "tess/OA_bite_neutral",
        "speaker_id": "tess/OAF",
        "text_id": "bite",
        "language": "en",
        "gender": "female",
        "age_years": 64.0,
        "emotion": "neutral",
    },
    odd={
        "duplicate": Odd(
            copy(FIRST, "TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav"), "lies twice"
        ),
        "stray": Odd(copy(FIRST, "OAF_angry/MAF_back_angry.wav"), "not named like OAF_back_angry"),
        "emotion": Odd(copy(FIRST, "OAF_angry/OAF_back_bored2.wav"), "not named like"),
        "word": Odd(copy(FIRST, "OAF_angry/OAF_back_calmish.wav"), r"'calmish' \(1 rows\)", LabelError),
    },
)
