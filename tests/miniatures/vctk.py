"""VCTK 0.92: two microphones, one speaker without a row."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, write_text

TABLE = """\
ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p315  18  M    American  New England (Text unavailable)
"""
WAV = "wav48_silence_trimmed"


def build(folder: Path) -> Path:
    """A woman through both microphones, and somebody of whom nothing is told."""
    names = ("p225/p225_001_mic2", "p225/p225_001_mic1", "p999/p999_001_mic1")
    record(folder, *(f"{WAV}/{name}.flac" for name in names), rate_hz=48_000)
    write_text(folder, "txt/p225/p225_001.txt", "Please call Stella.\n")
    write_text(folder, "speaker-info.txt", TABLE)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "vctk/p225_001_mic1",
        "speaker_id": "vctk/p225",
        "language": "en",
        "gender": "female",
        "age_years": 23.0,
    },
    dropped={"other microphone than mic1": 1},
    odd={
        "duplicate": Odd(
            copy(f"{WAV}/p225/p225_001_mic1.flac", f"{WAV}/p226/p225_001_mic1.flac"),
            "p225_001_mic1 lies twice",
        ),
        "stray": Odd(
            copy(f"{WAV}/p225/p225_001_mic1.flac", f"{WAV}/p225/test.flac"), "not named like p225_001_mic1"
        ),
        "version 0.80": Odd(edit("speaker-info.txt", "p225", "225")),
        "short row": Odd(
            edit("speaker-info.txt", "p225  23  F    English    Southern  England", "p225"), "is not: ID AGE"
        ),
    },
)
