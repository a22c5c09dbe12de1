"""AudioMNIST: ages as numbers and as text, and the age that is none."""

from __future__ import annotations

import json
from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, remove, write_text


def build(folder: Path) -> Path:
    """Two speakers, the second without a real age."""
    record(folder, "data/01/0_01_0.wav", "data/45/7_45_49.wav", rate_hz=48_000)
    speakers = {"01": {"age": 30, "gender": "male"}, "45": {"age": "1234", "gender": "male"}}
    write_text(folder, "data/audioMNIST_meta.txt", json.dumps(speakers))
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "audiomnist/0_01_0",
        "speaker_id": "audiomnist/01",
        "text_id": "0",
        "language": "en",
        "gender": "male",
        "age_years": 30.0,
    },
    odd={
        "duplicate": Odd(copy("data/01/0_01_0.wav", "data/02/0_01_0.wav"), "0_01_0 lies twice"),
        "stray": Odd(copy("data/01/0_01_0.wav", "data/01/zero.wav"), "not named like 0_01_0"),
        "no row": Odd(copy("data/01/0_01_0.wav", "data/02/0_02_0.wav"), "no speaker 02"),
        "no table": Odd(remove("data/audioMNIST_meta.txt"), "cannot be read as JSON"),
    },
)
