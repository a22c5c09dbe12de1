"""LibriSpeech: ``train-clean-100/19/198/19-198-0000.flac``, readers' sexes in ``SPEAKERS.TXT``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines
from profiling.corpora.names import RawRow
from profiling.corpora.tables import find_recordings
from profiling.errors import ManifestError

_TABLE = "SPEAKERS.TXT"
_PARTS = ("train", "dev", "test")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the ``LibriSpeech`` folder or the one around it, with the subsets that are there.

    Raises:
        ManifestError: no SPEAKERS.TXT, a recording that lies or is named otherwise, or a reader without a row.
    """
    folder = path / "LibriSpeech" if (path / "LibriSpeech").is_dir() else path
    speakers = _speakers(folder / _TABLE)
    rows = [_row(file, speakers, folder) for file in find_recordings(folder)]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))


def _speakers(table: Path) -> dict[str, str]:
    """``ID | SEX | SUBSET | MINUTES | NAME``, comments begin with a semicolon."""
    fields = [
        [part.strip() for part in line.split("|")] for line in read_lines(table) if not line.startswith(";")
    ]
    return {row[0]: row[1] for row in fields if len(row) > 1}


def _row(file: Path, speakers: dict[str, str], root: Path) -> RawRow:
    subset, speaker, chapter = file.parts[-4:-1] if len(file.parts) >= 4 else ("", "", "")
    split = subset.partition("-")[0]
    if split not in _PARTS or not file.stem.startswith(f"{speaker}-{chapter}-"):
        raise ManifestError(f"{root / file} does not lie like train-clean-100/19/198/19-198-0000.flac")
    if speaker not in speakers:
        raise ManifestError(f"{root / _TABLE}: no reader {speaker} ({file})")
    found = {"path": file.as_posix(), "utt_id": file.stem, "speaker": speaker, "split": split}
    return {**found, "session": chapter, "gender": speakers[speaker]}
