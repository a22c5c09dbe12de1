"""Hugging Face's AudioFolder: ``audiofolder:/data/x``, recordings beside ``metadata.csv`` or ``metadata.jsonl``.

The table's ``file_name`` starts from the folder of the table; there may be one per sub-folder (``train``,
``test``), or one above them. Its other columns are named as in a CSV. Recordings that no table names are an
error, since ``datasets`` would refuse them too. A YAML says more, every key but ``folder`` optional::

    folder: my_folder
    name: mycorpus
    columns: {speaker: client_id, emotion: label}   # ours: theirs
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.arrow import read_text_parquet
from profiling.corpora.assembly import SPLIT_ALIASES, assemble
from profiling.corpora.cards import Card
from profiling.corpora.csv import rename_columns
from profiling.corpora.lists import read_lines
from profiling.corpora.manifest import SPLITS, shown
from profiling.corpora.options import folder_named_in, rules_of
from profiling.corpora.tables import find_recordings, read_text_table
from profiling.errors import ManifestError

#: Keys of the YAML.
OPTIONS = ("folder", "name", "columns", "labels", "age", "drop", "language")
TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a folder with its tables, or the one a YAML names.

    Raises:
        ManifestError: no table, no ``file_name`` in it, a recording without a row, a column that looks misspelt.
        LabelError: an unknown label, with counts.
    """
    folder, options = (path, {}) if path.is_dir() else folder_named_in(path, OPTIONS)
    name = str(options.get("name", folder.absolute().name))
    tables = sorted(file for pattern in TABLES for file in folder.rglob(pattern))
    if not tables:
        raise ManifestError(
            f"{folder}: no {', '.join(TABLES)}; if sub-folders are the labels, read it as folder:{folder}"
        )
    raw = pd.concat([_rows(table, folder) for table in tables], ignore_index=True)
    _check_all_named(raw, folder)
    chosen = rename_columns(raw, options.get("columns", {}), folder)
    return assemble(chosen, name, folder, rules_of(name, options, drop))


def _rows(table: Path, folder: Path) -> pd.DataFrame:
    text = _text(table)
    if _FILE not in text.columns or text[_FILE].isna().any():
        raise ManifestError(f"{table}: every row needs {_FILE}; it has {', '.join(text.columns)}")
    below = table.parent.relative_to(folder)
    paths = [(below / str(name)).as_posix() for name in text.pop(_FILE)]
    text["path"] = paths
    if "split" not in text.columns:
        text["split"] = [_split_of(path) for path in paths]
    return text


def _text(table: Path) -> pd.DataFrame:
    if table.suffix == ".csv":
        return read_text_table(table)
    if table.suffix == ".parquet":
        return pd.DataFrame(read_text_parquet(table), dtype=object)
    rows = []
    for number, line in enumerate(read_lines(table), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ManifestError(f"{table}: line {number} is no JSON: {error}") from error
    plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
    return pd.DataFrame(plain, dtype=object)


def _plain(value: object) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    return str(value).strip() or None


def _split_of(path: str) -> str | None:
    first = path.split("/")[0].casefold() if "/" in path else ""
    return first if first in {*SPLITS, *SPLIT_ALIASES} else None


def _check_all_named(raw: pd.DataFrame, folder: Path) -> None:
    named = {Path(path).as_posix() for path in raw["path"]}
    extra = [file.as_posix() for file in find_recordings(folder) if file.as_posix() not in named]
    if extra:
        raise ManifestError(
            f"{folder}: {len(extra)} recordings have no row in {' or '.join(TABLES)}: {shown(extra)}; "
            "add their rows or move them away"
        )
