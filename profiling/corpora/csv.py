"""A user's own table: ``csv:/data/my.csv``, or ``csv:/data/my.yaml`` which names the table and its words.

The table needs ``path`` and the labels of its task; ``speaker, gender, age, emotion, language, split,
text_id, utt_id, start, end, session, arousal, valence, dominance, emotion_votes`` are recognised (``start``
and ``end`` in samples of the file's own rate, the dimensions on the ``scale`` of the YAML, votes as JSON such as
``{"angry": 3, "sad": 1}``); other columns are ignored where the YAML renames or where they do not resemble one
of these. A manifest written by :func:`profiling.corpora.manifest.write_manifest` is read as it is. The corpus
is named after the folder of the table. The YAML beside it, every key but ``manifest`` optional::

    manifest: my.csv
    name: mycorpus
    columns: {speaker: spk, emotion: label}   # ours: theirs
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    scale: [1, 7]                             # of arousal, valence and dominance; or {arousal: [1, 5], ...}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from profiling.corpora.assembly import RAW, assemble, check_some_files_exist
from profiling.corpora.cards import Card, check_keys
from profiling.corpora.manifest import COLUMNS, OPTIONAL, read_manifest
from profiling.corpora.options import read_options, rules_of
from profiling.corpora.tables import read_text_table
from profiling.errors import ManifestError, did_you_mean

#: Keys of the YAML beside a table.
OPTIONS = ("manifest", "name", "columns", "labels", "age", "scale", "drop", "language")
#: The manifest's names are understood, too.
SYNONYMS: Mapping[str, str] = {
    "speaker_id": "speaker",
    "age_years": "age",
    "start_sample": "start",
    "end_sample": "end",
}
_RESEMBLES = 0.8  # a column this like a known name is a misspelling, not a column of another purpose


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a table, or the table a YAML names.

    Args:
        path: the CSV, TSV, parquet file or YAML.
        card: of the format; the corpus's own card is looked up by its name.
        drop: labels whose rows are dropped.

    Raises:
        ManifestError: no such file, a misspelt column or key, or a row that breaks the schema.
        LabelError: an unknown label, with counts.
    """
    if path.is_dir():
        raise ManifestError(f"{path} is a folder; name the table in it, such as csv:{path}/manifest.csv")
    options: dict[str, Any] = {}
    table_path = path
    if path.suffix in (".yaml", ".yml"):
        options = read_options(path, OPTIONS)
        if "manifest" not in options:
            raise ManifestError(f"{path}: names no table; add a line such as manifest: {path.stem}.csv")
        table_path = path.parent / str(options["manifest"])
    text = read_text_table(table_path, "\t" if table_path.suffix == ".tsv" else ",")
    if set(COLUMNS) - set(OPTIONAL) <= set(text.columns) and not options:
        table = read_manifest(table_path)
        check_some_files_exist(table, table_path.parent)
        table.attrs["dropped"] = {}
        return table
    name = str(options.get("name", table_path.absolute().parent.name))
    raw = rename_columns(text, options.get("columns", {}), table_path)
    return assemble(raw, name, table_path.parent, rules_of(name, options, drop))


def rename_columns(text: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    """Theirs to ours; every column that looks like a misspelt one of ours is an error."""
    check_keys(columns, dict.fromkeys(RAW), path)
    for ours, theirs in columns.items():
        if theirs not in text.columns:
            raise ManifestError(
                f"{path}: no column {theirs!r} for {ours}; {did_you_mean(theirs, text.columns)}"
            )
    renames = {theirs: ours for ours, theirs in columns.items()}
    names = {name: renames.get(name) or _ours(name, columns, text.columns, path) for name in text.columns}
    chosen = {ours: text[theirs] for theirs, ours in names.items() if ours is not None}
    if "path" not in chosen:
        hint = "; are its cells separated by commas?" if len(text.columns) == 1 else ""
        raise ManifestError(f"{path}: no column 'path'; it has {', '.join(text.columns)}{hint}")
    return pd.DataFrame(chosen)


def _ours(name: str, columns: Mapping[str, str], present: Collection[str], path: Path) -> str | None:
    ours = SYNONYMS.get(name, name)
    if ours in RAW:
        return None if ours in columns else ours
    close = difflib.get_close_matches(name.casefold(), [*RAW, *SYNONYMS], n=1, cutoff=_RESEMBLES)
    if close and close[0] not in {*columns, *present}:
        raise ManifestError(
            f"{path}: no column {name!r}; {did_you_mean(name.casefold(), RAW)}; "
            f"if it is meant to be another column, rename it or name yours in a YAML (columns:)"
        )
    return None
