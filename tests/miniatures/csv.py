"""A user's own table."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, write_text


def build(folder: Path) -> Path:
    """Two rows, one gender and one age each way."""
    record(folder, "a/001.wav", "a/002.wav")
    table = "path,speaker,gender,age,emotion\na/001.wav,01,f,31,anger\na/002.wav,02,M,,happy\n"
    return write_text(folder, "manifest.csv", table)


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "mini/001",
        "speaker_id": "mini/01",
        "gender": "female",
        "age_years": 31.0,
        "emotion": "angry",
    },
    odd={"stray": Odd(copy("a/001.wav", "a/003.wav"))},
)
