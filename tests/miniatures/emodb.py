"""Berlin EmoDB: everything is in the name."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record, write_text


def build(folder: Path) -> Path:
    """Two recordings and one of the publisher's label files."""
    record(folder, "wav/03a01Fa.wav", "wav/08b02Wb.wav")
    write_text(folder, "lablaut/03a01Fa.lablaut", "0.1 121 .\n")
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "emodb/03a01Fa",
        "speaker_id": "emodb/03",
        "text_id": "a01",
        "language": "de",
        "gender": "male",
        "age_years": 31.0,
        "emotion": "happy",
    },
    odd={
        "duplicate": Odd(copy("wav/03a01Fa.wav", "wav/copy/03a01Fa.wav"), "03a01Fa lies twice"),
        "stray": Odd(copy("wav/03a01Fa.wav", "wav/03a01.wav"), "not named like 03a01Fa"),
        "speaker": Odd(copy("wav/03a01Fa.wav", "wav/99a01Fa.wav"), "no speaker '99'"),
        "emotion": Odd(copy("wav/03a01Fa.wav", "wav/03a01Xa.wav"), r"'X' \(1 rows\)", LabelError),
    },
)
