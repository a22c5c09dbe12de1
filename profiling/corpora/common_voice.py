"""Common Voice: ``clips/common_voice_de_1.mp3`` and the tables ``train.tsv``, ``dev.tsv``, ``test.tsv`` of a language.

Ages are decades, read as their middle. A YAML chooses other tables: ``folder: cv-corpus-17.0/de`` and
``tables: [validated]``; those have no official split.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import UNLISTED, RawRow, need_columns
from profiling.corpora.options import read_options
from profiling.corpora.tables import find_recordings, read_text_table
from profiling.errors import ManifestError

#: Keys of the YAML.
OPTIONS = ("folder", "tables")
_NOT_TOLD = "do_not_wish_to_say"
OFFICIAL = {"train": "train", "dev": "val", "test": "test"}


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the folder of one language, or the one a YAML names.

    Raises:
        ManifestError: a table or a column missing, or a clip in two tables.
        LabelError: an age or gender that is not on the card, with counts.
    """
    options: dict[str, Any] = {} if path.is_dir() else read_options(path, OPTIONS)
    if not path.is_dir() and "folder" not in options:
        raise ManifestError(f"{path}: names no folder; add a line such as folder: {path.stem}")
    folder = path.parent / str(options["folder"]) if options else path
    names = [str(name).removesuffix(".tsv") for name in options.get("tables", OFFICIAL)]
    rows = [row for name in names for row in _rows(folder, name)]
    listed = {str(row["path"]) for row in rows}
    rest = sum(f"clips/{file.as_posix()}" not in listed for file in find_recordings(folder / "clips"))
    left_out = {UNLISTED: rest} if rest else {}
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)), left_out)


def _rows(folder: Path, name: str) -> list[RawRow]:
    table = folder / f"{name}.tsv"
    text = read_text_table(table, "\t", quoted=False)
    need_columns(text.columns, ("client_id", "path", "sentence", "age", "gender"), table)
    return [_row(row, OFFICIAL.get(name), folder) for row in text.to_dict("records")]


def _row(row: Mapping[Any, Any], split: str | None, folder: Path) -> RawRow:
    clip = str(row["path"])
    file = clip if PurePath(clip).suffix else f"{clip}.mp3"
    found = {
        "path": f"clips/{file}",
        "utt_id": PurePath(file).stem,
        "speaker": row["client_id"],
        "split": split,
    }
    text = row.get("sentence_id") or row["sentence"]
    language = row.get("locale") or folder.absolute().name
    age = None if row["age"] == _NOT_TOLD else row["age"]
    return {**found, "text_id": text, "language": language, "age": age, "gender": row["gender"]}
