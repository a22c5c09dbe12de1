"""What the readers of VoxCeleb share: recordings by speaker, video and segment, and the publisher's table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from profiling.corpora.tables import find_recordings, read_text_table
from profiling.errors import ManifestError

_SPEAKER = re.compile(r"id\d{5}")
#: What the publisher calls the parts; its development part is what one trains on.
_SETS = {"dev": "train", "test": "test"}
#: Speaker's column of the two tables, in lower case.
_ID = ("voxceleb1 id", "voxceleb2 id")


@dataclass(frozen=True)
class Celebrity:
    """A row of ``vox1_meta.csv`` or ``vox2_meta.csv``."""

    gender: str | None
    split: str | None


def find_segments(folder: Path, corpus: str) -> dict[str, str]:
    """``speaker/video/segment`` -> path below the folder, wherever the publisher's parts were unpacked.

    Raises:
        ManifestError: none, one that lies elsewhere, or the same twice.
    """
    found: dict[str, str] = {}
    for file in find_recordings(folder):
        parts = file.with_suffix("").parts[-3:]
        if len(parts) < 3 or not _SPEAKER.fullmatch(parts[0]):
            raise ManifestError(f"{corpus}: {folder / file} does not lie like id10001/1zcIwhmdeo4/00001.wav")
        name = "/".join(parts)
        if name in found:
            raise ManifestError(
                f"{corpus}: {name} lies twice below {folder}: {found[name]} and {file}; keep one"
            )
        found[name] = file.as_posix()
    return found


def find_table(folder: Path, names: Iterable[str]) -> Path | None:
    """A table in the folder or one below it."""
    places = [place for name in names for place in (folder / name, *sorted(folder.glob(f"*/{name}")))]
    return next((place for place in places if place.is_file()), None)


def read_celebrities(folder: Path, name: str) -> dict[str, Celebrity]:
    """Speaker -> gender and part, from the publisher's table (tabs or commas, cells with blanks around).

    Raises:
        ManifestError: no such table, or a column missing.
    """
    table = find_table(folder, [name])
    if table is None:
        raise ManifestError(
            f"{folder}: no {name} there; it is on the publisher's page, put it into the folder"
        )
    with table.open(encoding="utf-8") as file:
        header = file.readline()
    text = read_text_table(table, "\t" if "\t" in header else ",")
    text.columns = [str(column).strip().casefold() for column in text.columns]
    speaker = next((column for column in _ID if column in text.columns), None)
    if speaker is None or "gender" not in text.columns:
        raise ManifestError(
            f"{table}: a column VoxCeleb ID or Gender is missing; it has {', '.join(text.columns)}"
        )
    return {str(row[speaker]): _celebrity(row, table) for row in text.to_dict("records")}


def _celebrity(row: Mapping[Any, Any], table: Path) -> Celebrity:
    part = row.get("set")
    if part is not None and part not in _SETS:
        raise ManifestError(f"{table}: Set {part!r} is neither dev nor test")
    return Celebrity(row["gender"], None if part is None else _SETS[part])


def read_ages(table: Path, column: str) -> dict[tuple[str, str], str]:
    """(speaker, video) -> age, from the enrichment list of Hechmi et al. (``final_dataframe_extended.csv``).

    Raises:
        ManifestError: a column missing, or two ages of one video.
    """
    text: pd.DataFrame = read_text_table(table)
    for name in ("VoxCeleb_ID", "video_id", column):
        if name not in text.columns:
            raise ManifestError(f"{table}: column {name!r} is missing; it has {', '.join(text.columns)}")
    ages: dict[tuple[str, str], str] = {}
    for row in text.to_dict("records"):
        key, age = (str(row["VoxCeleb_ID"]), str(row["video_id"])), row[column]
        if age is not None and ages.setdefault(key, age) != age:
            raise ManifestError(f"{table}: {'/'.join(key)} is {ages[key]} and {age} years old")
    return ages
