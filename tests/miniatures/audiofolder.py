"""Hugging Face's AudioFolder: a CSV for one split, JSON lines for the other."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, write_text


def build(folder: Path) -> Path:
    """Two splits with a table each."""
    record(folder, "train/a.wav", "test/audio/b.wav")
    write_text(folder, "train/metadata.csv", "file_name,speaker,emotion\na.wav,007,angry\n")
    line = '{"file_name": "audio/b.wav", "speaker": "8", "emotion": null, "age": 31}\n'
    write_text(folder, "test/metadata.jsonl", line)
    return folder


FACTS = Facts(
    rows=2,
    row={"utt_id": "mini/b", "speaker_id": "mini/8", "split": "test", "age_years": 31.0},
    odd={
        "stray": Odd(copy("train/a.wav", "train/c.wav"), "1 recordings have no row in"),
        "no file name": Odd(edit("train/metadata.csv", "file_name", "file"), "every row needs file_name"),
        "no JSON": Odd(edit("test/metadata.jsonl", "{", "["), "line 1 is no JSON"),
    },
)
