"""ESD: a speaker of each language, with the parts' folders and without."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, record, write_text

FIRST, SECOND = "0001/Angry/evaluation/0001_000351.wav", "0013/Surprise/0013_001402.wav"


def build(folder: Path) -> Path:
    """Two recordings and a text file that is no UTF-8."""
    record(folder, FIRST, SECOND)
    write_text(folder, "0001/0001.txt", "")
    (folder / "0001/0001.txt").write_bytes("0001_000351\t打远一看\t生气\n".encode("gb2312"))
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "esd/0001_000351",
        "speaker_id": "esd/0001",
        "text_id": "zh_001",
        "language": "zh",
        "split": "val",
        "gender": "female",
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(
            copy(FIRST, "0001/Angry/train/0001_000351.wav"), "1 duplicate utt_id: esd/0001_000351"
        ),
        "stray": Odd(copy(FIRST, "0001/0001_000352.wav"), "not named like 0001/Angry/train"),
        "emotion": Odd(copy(FIRST, "0001/Weird/0001_001751.wav"), r"'Weird' \(1 rows\)", LabelError),
        "speaker": Odd(copy(FIRST, "0021/Angry/0021_000351.wav"), "no speaker '0021'"),
    },
)
