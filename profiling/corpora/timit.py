"""TIMIT (LDC93S1): ``TRAIN/DR1/FCJF0/SA1.WAV``, with the speakers' dates of birth in ``DOC/SPKRINFO.TXT``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path, PurePath
from typing import NamedTuple

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines
from profiling.corpora.names import RawRow
from profiling.corpora.tables import find_recordings
from profiling.errors import ManifestError

#: What SPKRINFO.TXT calls the parts.
_USE = {"TRN": "train", "TST": "test"}
_DAYS_PER_YEAR = 365.25
_COPY = "RIFF copy of a NIST file"


class _Speaker(NamedTuple):
    sex: str
    split: str
    age: str | None


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the disc's folder, or the ``TIMIT`` folder in it; names in upper or lower case.

    Raises:
        ManifestError: no SPKRINFO.TXT, a folder that is no speaker of it, or a speaker in the wrong part.
    """
    table = _find(path, "SPKRINFO.TXT")
    speakers = {
        line.split()[0]: _speaker(line, table) for line in read_lines(table) if not line.startswith(";")
    }
    files = [file for file in find_recordings(path) if len(file.parts) >= 4]
    kept = [file for file in files if not _is_copy(path / file)]
    rows = [_row(file, speakers, path) for file in kept]
    left_out = {_COPY: len(files) - len(kept)} if len(files) > len(kept) else {}
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)), left_out)


def _find(folder: Path, name: str) -> Path:
    """The table, wherever in the folder and however written."""
    found = sorted(p for p in folder.rglob("*") if p.name.upper() == name) if folder.is_dir() else []
    if not found:
        raise ManifestError(f"{folder}: no {name}, nor in a folder below; TIMIT has it in TIMIT/DOC")
    return found[0]


def _speaker(line: str, table: Path) -> _Speaker:
    """``ID Sex DR Use RecDate BirthDate ...``."""
    fields = line.split()
    if len(fields) < 6 or fields[3] not in _USE:
        raise ManifestError(f"{table}: {line.strip()!r} is not: ID Sex DR Use RecDate BirthDate ...")
    return _Speaker(fields[1], _USE[fields[3]], _age(fields[4], fields[5], table))


def _age(recorded: str, born: str, table: Path) -> str | None:
    """Years between two dates written month/day/year; None where a part of the birth date is unknown."""
    if "?" in born:
        return None
    days = (_date(recorded, table) - _date(born, table)).days
    return f"{days / _DAYS_PER_YEAR:.2f}"


def _date(text: str, table: Path) -> date:
    try:
        month, day, year = (int(part) for part in text.split("/"))
        return date(1900 + year, month, day)
    except ValueError:
        raise ManifestError(f"{table}: {text!r} is no date written month/day/year") from None


def _is_copy(file: Path) -> bool:
    """Some copies of the corpus hold ``SA1.WAV.wav`` beside ``SA1.WAV``."""
    return file.with_suffix("").suffix.upper() == ".WAV" and file.with_suffix("").exists()


def _row(file: Path, speakers: dict[str, _Speaker], root: Path) -> RawRow:
    part, _, folder, _ = (name.upper() for name in file.parts[-4:])
    sex, speaker = folder[:1], folder[1:]
    if speaker not in speakers or speakers[speaker].sex != sex:
        raise ManifestError(
            f"{root / file}: {folder} is no speaker of SPKRINFO.TXT (sex and ID, as in FCJF0)"
        )
    said = speakers[speaker]
    if said.split != part.casefold():
        raise ManifestError(
            f"{root / file}: speaker {speaker} is in {said.split} by SPKRINFO.TXT, not in {part}"
        )
    sentence = PurePath(file.stem).stem.upper()
    found = {
        "path": file.as_posix(),
        "utt_id": f"{folder}_{sentence}",
        "speaker": speaker,
        "text_id": sentence,
    }
    return {**found, "split": said.split, "gender": said.sex, "age": said.age}
