"""A user's own table with tabs."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, write_text


def build(folder: Path) -> Path:
    """A comma inside a cell."""
    record(folder, "a,b/001.wav", "a,b/002.wav")
    return write_text(folder, "m.tsv", "path\tspeaker\tage\na,b/001.wav\t01\t31\na,b/002.wav\t02\t\n")


FACTS = Facts(
    rows=2,
    row={"utt_id": "mini/001", "speaker_id": "mini/01", "age_years": 31.0},
    odd={"stray": Odd(copy("a,b/001.wav", "a,b/003.wav"))},
)
