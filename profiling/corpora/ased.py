"""ASED: ``05Angry/a5-01-02-01-29.wav`` (emotion, sentence, repetition, gender, speaker), Amharic."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, read_names

_NAME = re.compile(
    r"(?P<emotion>[nfhsaNFHSA])\d-(?P<number>\d{2})-\d{2}-(?P<gender>0[12])-(?P<speaker>\d{2})"
)
_LIKE = "a5-01-02-01-29 (emotion, sentence, repetition, gender, speaker)"
_COMMON = ("01", "02")  # sentences said in every emotion; the other five belong to one


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the emotions' folders.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
    """
    rows = [_row(row) for row in read_names(path, _NAME, card.name, _LIKE)]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))


def _row(row: RawRow) -> RawRow:
    emotion, number = str(row["emotion"]).lower(), str(row["number"])  # one name begins with a capital
    return {**row, "emotion": emotion, "text_id": number if number in _COMMON else emotion + number}
