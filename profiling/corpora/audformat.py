"""An audformat database: ``audformat:/data/db``, a folder with ``db.yaml``, its tables and its media.

Read through the package audformat (``pip install profiling[audformat]``). Columns named ``speaker``, ``gender``,
``age``, ``emotion`` and ``language`` are taken from every table, what is known of a speaker also from its scheme's
labels. A YAML says more, every key but ``folder`` optional::

    folder: db                    # relative to the YAML
    name: mycorpus                # default: the database's name
    tables: [emotion.train, emotion.test]
    columns: {emotion: emotion.gold}   # ours: theirs
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from profiling.audio import probe_duration
from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow
from profiling.corpora.options import read_options, rules_of
from profiling.errors import AudioError, ManifestError, did_you_mean

#: Keys of the YAML, and the columns that are taken.
OPTIONS = ("folder", "name", "tables", "columns", "labels", "age", "drop", "language")
COLUMNS = ("speaker", "gender", "age", "emotion", "language", "text_id", "session")
_OF_SPEAKER = ("gender", "age", "language")

Key = tuple[str, float, float | None]  # file, start and end in seconds


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a database, or the one a YAML names.

    Raises:
        ManifestError: the package or the database is missing, no such table, or tables that contradict each other.
        LabelError: an unknown label, with counts.
    """
    options: dict[str, Any] = {} if path.is_dir() else read_options(path, OPTIONS)
    if not path.is_dir() and "folder" not in options:
        raise ManifestError(f"{path}: names no folder; add a line such as folder: {path.stem}")
    folder = path.parent / str(options["folder"]) if options else path
    database = _load(folder)
    names = [str(name) for name in options.get("tables", list(database.tables))]
    for name in names:
        if name not in database.tables:
            raise ManifestError(f"{folder}: no table {name!r}; {did_you_mean(name, list(database.tables))}")
    theirs = {column: str(options.get("columns", {}).get(column, column)) for column in COLUMNS}
    found: dict[Key, RawRow] = {}
    for name in names:
        for key, row in _rows(database, name, theirs):
            _merge(found.setdefault(key, {}), row, f"{folder}: {name}: {key[0]}")
    rows = [{**_place(key, folder), **row} for key, row in found.items()]
    corpus = str(options.get("name", database.name))
    return assemble(pd.DataFrame(rows, dtype=object), corpus, folder, rules_of(corpus, options, drop))


def _load(folder: Path) -> Any:
    if not (folder / "db.yaml").is_file():
        raise ManifestError(f"{folder}: no db.yaml there, so no audformat database")
    try:
        import audformat
    except ImportError:
        raise ManifestError(
            "audformat databases need the package: pip install profiling[audformat]"
        ) from None
    return audformat.Database.load(str(folder))


def _rows(database: Any, name: str, theirs: Mapping[str, str]) -> Iterator[tuple[Key, RawRow]]:
    """A table's rows as text; a file-wise row is the whole file."""
    table = database[name]
    split = database.splits[table.split_id].type if table.split_id else None
    columns = {ours: table[column].get() for ours, column in theirs.items() if column in table.columns}
    if theirs["speaker"] in table.columns:
        columns = {**_known_of(database, table[theirs["speaker"]]), **columns}
    filewise = table.is_filewise
    for i, index in enumerate(table.df.index):
        key = (index, 0.0, None) if filewise else _key(*index)
        row = {ours: _text(values.iloc[i]) for ours, values in columns.items()}
        yield key, {**row, "split": split}


def _known_of(database: Any, speaker: Any) -> dict[str, pd.Series]:
    """What the speakers' scheme says of them: a table of its own, or labels with attributes."""
    labels = database.schemes[speaker.scheme_id].labels if speaker.scheme_id else None
    if isinstance(labels, str):
        known = set(database.misc_tables[labels].columns)
    elif isinstance(labels, dict):
        known = {key for facts in labels.values() if isinstance(facts, dict) for key in facts}
    else:
        return {}
    return {name: speaker.get(map=name) for name in _OF_SPEAKER if name in known}


def _key(file: str, start: pd.Timedelta, end: pd.Timedelta) -> Key:
    return file, start.total_seconds(), None if pd.isna(end) else end.total_seconds()


def _text(value: Any) -> str | None:
    if pd.isna(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole and isinstance(value, float) else str(value)


def _merge(row: RawRow, new: RawRow, where: str) -> None:
    for column, value in new.items():
        if value is None:
            continue
        if row.get(column) not in (None, value):
            raise ManifestError(
                f"{where}: {column} is {row[column]!r} in one table and {value!r} in another; "
                "choose in a YAML (tables: ...)"
            )
        row[column] = value


def _place(key: Key, folder: Path) -> RawRow:
    file, start_s, end_s = key
    name = PurePath(file).with_suffix("").as_posix()
    if start_s == 0 and end_s is None:
        return {"path": file, "utt_id": name}
    try:
        _, rate_hz = probe_duration(folder / file)
    except AudioError as error:
        raise ManifestError(f"{folder}: the sample rate of {file} is needed: {error.reason}") from None
    start = round(start_s * rate_hz)
    end = None if end_s is None else round(end_s * rate_hz)
    place: RawRow = {
        "path": file,
        "utt_id": f"{name}#{start}-{-1 if end is None else end}",
        "start": str(start),
    }
    return place if end is None else {**place, "end": str(end)}
