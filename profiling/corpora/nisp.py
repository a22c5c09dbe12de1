"""NISP: ``Hindi_master/Hindi/RECS/.../Hin_0001_Hin_f_0000.wav``, speakers in ``total_spkrinfo.list``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines
from profiling.corpora.names import RawRow, need_columns, read_names
from profiling.errors import ManifestError

_NAME = re.compile(r"(?P<speaker>[A-Z][a-z]{2}_\d{4})_(?P<language>[A-Z][a-z]{2})_[mf]_\d+")
#: The publisher's language codes (README).
LANGUAGES = {"Eng": "en", "Hin": "hi", "Kan": "kn", "Mal": "ml", "Tam": "ta", "Tel": "te"}
_SPEAKERS = "total_spkrinfo.list"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder with its archives unpacked.

    Raises:
        ManifestError: no recordings or list, a name of another form, or a speaker without a row or a part.
    """
    speakers = _speakers(path / _SPEAKERS)
    parts = {part: _part(path / f"{part}_spkrID") for part in ("train", "test")}
    rows = [_row(row, speakers, parts) for row in read_names(path, _NAME, card.name, "Hin_0001_Eng_f_0000")]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))


def _speakers(table: Path) -> dict[str, dict[str, str]]:
    header, *lines = [line.split() for line in read_lines(table)]
    need_columns(header, ("Speaker_ID", "Gender", "Age"), table)
    return {row["Speaker_ID"]: row for row in (dict(zip(header, line, strict=False)) for line in lines)}


def _part(path: Path) -> set[str]:
    """Lines such as ``Hin_0001___TST``."""
    return {line.strip().partition("___")[0] for line in read_lines(path)}


def _row(row: RawRow, speakers: dict[str, dict[str, str]], parts: dict[str, set[str]]) -> RawRow:
    speaker, code = str(row["speaker"]), str(row["language"])
    split = next((part for part, names in parts.items() if speaker in names), None)
    if speaker not in speakers or split is None:
        where = _SPEAKERS if speaker not in speakers else "train_spkrID and test_spkrID"
        raise ManifestError(f"nisp: speaker {speaker} of {row['path']} is not in {where}")
    if code not in LANGUAGES:
        raise ManifestError(f"nisp: language {code} of {row['path']} is none of {', '.join(LANGUAGES)}")
    said = speakers[speaker]
    return {**row, "language": LANGUAGES[code], "split": split, "gender": said["Gender"], "age": said["Age"]}
