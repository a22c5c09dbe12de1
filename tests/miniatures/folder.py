"""A folder whose sub-folders are emotions."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, write_text


def build(folder: Path) -> Path:
    """Two formats, a text file and a hidden folder."""
    record(folder, "happy/001.wav", "sad/002.flac")
    write_text(folder, "sad/notes.txt", "not a recording\n")
    record(folder, ".hidden/003.wav")
    return folder


FACTS = Facts(
    rows=2,
    row={"utt_id": "mini/001", "emotion": "happy"},
    odd={"stray": Odd(copy("happy/001.wav", "001.wav"), "lies 0 folders deep")},
)
