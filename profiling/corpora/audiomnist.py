"""AudioMNIST: ``data/01/0_01_0.wav`` (digit, speaker, repetition), speakers in ``data/audioMNIST_meta.txt``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, read_names
from profiling.errors import ManifestError
from profiling.provenance import read_json

_NAME = re.compile(r"(?P<text_id>\d)_(?P<speaker>\d{2})_\d+")
_META = "audioMNIST_meta.txt"
#: What the publisher's table says of speaker 45's age.
_NO_AGE = "1234"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder or its ``data`` folder.

    Raises:
        ManifestError: no recordings or table, a name of another form, or a speaker who is not in the table.
    """
    folder = path / "data" if (path / "data").is_dir() else path
    table = folder / _META
    try:
        speakers = read_json(table)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{table}: cannot be read as JSON: {error}") from error
    rows = [
        _row(row, speakers, table)
        for row in read_names(folder, _NAME, card.name, "0_01_0 (digit, speaker, take)")
    ]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))


def _row(row: RawRow, speakers: dict[str, dict[str, object]], table: Path) -> RawRow:
    speaker = str(row["speaker"])
    if speaker not in speakers:
        raise ManifestError(f"{table}: no speaker {speaker} ({row['path']})")
    age = str(speakers[speaker]["age"])
    return {**row, "gender": str(speakers[speaker]["gender"]), "age": None if age == _NO_AGE else age}
