"""The manifest: one row per utterance, the only thing the later stages know of a corpus.

Conventions: ``path`` is absolute in memory and relative to the manifest's folder on disk where it lies
inside; ``start_sample`` and ``end_sample`` count in samples of the file's own rate, ``0`` and ``-1`` mean
the whole file; an unknown ``num_samples`` or ``sample_rate_hz`` is ``-1``; missing text is ``None``, a
missing number is NaN. ``utt_id``, ``speaker_id`` and ``session`` begin with ``<corpus>/``, so two corpora
never share one. ``arousal``, ``valence`` and ``dominance`` are in 0..1, the ends of the scale on the corpus's
card, so that one head can learn from several corpora; ``emotion_votes`` is JSON, word of the vocabulary -> share,
summing to 1 (:mod:`profiling.votes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from profiling.corpora.tables import read_text_table, resolve
from profiling.errors import ManifestError, did_you_mean
from profiling.labels import EMOTIONS, GENDERS, map_labels, parse_ages
from profiling.provenance import atomic_write, signature
from profiling.scales import DIMENSIONS, UNIT, parse_on_scale
from profiling.votes import parse_votes

#: Column -> dtype, in the order of the file. ``object`` columns hold str or None.
COLUMNS: Mapping[str, str] = {
    "utt_id": "object",
    "path": "object",
    "start_sample": "int64",
    "end_sample": "int64",
    "speaker_id": "object",
    "corpus": "object",
    "split": "object",
    "language": "object",
    "text_id": "object",
    "gender": "object",
    "age_years": "float64",
    "emotion": "object",
    "audio_sha256": "object",
    "num_samples": "int64",
    "sample_rate_hz": "int64",
    "session": "object",
    "arousal": "float64",
    "valence": "float64",
    "dominance": "float64",
    "emotion_votes": "object",
}
#: What few corpora have: a manifest may lack these columns, and its hash ignores them where they are empty.
OPTIONAL = ("session", *DIMENSIONS, "emotion_votes")
#: What a head may learn.
LABEL_COLUMNS = ("age_years", "emotion", "emotion_votes", "gender", *DIMENSIONS)
REQUIRED = ("utt_id", "path", "corpus")
SPLITS = ("train", "val", "test")
WHOLE_FILE = (0, -1)
UNKNOWN = -1

_DEFAULTS: Mapping[str, int] = {"start_sample": 0, "end_sample": -1, "num_samples": -1, "sample_rate_hz": -1}
_SHOWN = 5  # offending values named in a message


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns of the schema, in order and in their dtypes; absent ones are filled with "missing".

    Args:
        frame: any of the schema's columns, values already typed (text, int, float or None).

    Raises:
        ManifestError: a cell that should be a whole number is not.
    """
    columns = {name: _column(frame, name, dtype) for name, dtype in COLUMNS.items()}
    return pd.DataFrame(columns, columns=list(COLUMNS)).reset_index(drop=True)


def _column(frame: pd.DataFrame, name: str, dtype: str) -> pd.Series:
    if name not in frame.columns:
        return pd.Series([_DEFAULTS.get(name)] * len(frame), index=frame.index, dtype=dtype)
    values = frame[name]
    if dtype == "object":
        return values.astype(object).where(values.notna(), None)
    if dtype == "float64":
        return values.astype("float64")
    return _whole_numbers(values.where(values.notna(), _DEFAULTS[name]), name)


def _whole_numbers(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() | (numbers % 1 != 0)]
    if len(wrong):
        raise ManifestError(f"{name}: {shown(wrong)} is no whole number of samples")
    return numbers.astype("int64")


def check_manifest(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Returns the table if it keeps the schema.

    Args:
        table: a conformed manifest.
        source: file or corpus, for the message.

    Raises:
        ManifestError: duplicate ids, missing ids or paths, ids without their corpus, impossible spans,
            no rows.
        LabelError: a label outside its vocabulary, with counts.
    """
    if table.empty:
        raise ManifestError(f"{source}: no rows")
    for name in REQUIRED:
        if table[name].isna().any():
            raise ManifestError(f"{source}: {int(table[name].isna().sum())} rows without {name}")
    duplicates = table["utt_id"][table["utt_id"].duplicated()]
    if len(duplicates):
        raise ManifestError(
            f"{source}: {len(duplicates)} duplicate utt_id: {shown(duplicates)}; make them unique"
        )
    _check_prefixes(table, source)
    _check_spans(table, source)
    _check_labels(table, source)
    return table


def _check_prefixes(table: pd.DataFrame, source: str) -> None:
    for name in ("utt_id", "speaker_id", "session"):
        present = table[table[name].notna()]
        wrong = [
            value
            for value, corpus in zip(present[name], present["corpus"], strict=True)
            if not value.startswith(f"{corpus}/")
        ]
        if wrong:
            raise ManifestError(f"{source}: {name} has to begin with '<corpus>/': {shown(wrong)}")


def _check_spans(table: pd.DataFrame, source: str) -> None:
    start, end = table["start_sample"], table["end_sample"]
    wrong = table["utt_id"][(start < 0) | ((end != -1) & (end <= start))]
    if len(wrong):
        raise ManifestError(
            f"{source}: start_sample has to be at least 0 and end_sample above it (-1: end of file): "
            f"{shown(wrong)}"
        )


def _check_labels(table: pd.DataFrame, source: str) -> None:
    for name, vocabulary in (("gender", GENDERS), ("emotion", EMOTIONS)):
        map_labels(table[name], {word: word for word in vocabulary}, what=f"{name} of {source}")
    ages = table["age_years"].dropna()
    parse_ages([f"{age:g}" for age in ages], what=f"age_years of {source}")
    for name in DIMENSIONS:
        numbers = [repr(number) for number in table[name].dropna()]
        parse_on_scale(numbers, UNIT, what=f"{name} of {source}")
    parse_votes(table["emotion_votes"].dropna(), what=f"emotion_votes of {source}")
    wrong = sorted(set(table["split"].dropna()) - set(SPLITS))
    if wrong:
        raise ManifestError(f"{source}: split {shown(wrong)}; {did_you_mean(wrong[0], SPLITS)}")


def read_manifest(path: Path) -> pd.DataFrame:
    """Reads and checks a manifest written by :func:`write_manifest`.

    Raises:
        ManifestError: not readable, a column missing or unknown, or a row that breaks the schema.
        LabelError: a label outside its vocabulary.
    """
    text = read_text_table(path)
    unknown = [name for name in text.columns if name not in COLUMNS]
    if unknown:
        raise ManifestError(f"{path}: no manifest column {unknown[0]!r}; {did_you_mean(unknown[0], COLUMNS)}")
    missing = [name for name in REQUIRED if name not in text.columns]
    if missing:
        raise ManifestError(f"{path}: column {missing[0]!r} is missing; it has {', '.join(text.columns)}")
    if text["path"].isna().any():
        raise ManifestError(f"{path}: {int(text['path'].isna().sum())} rows without path")
    text["path"] = resolve(text["path"], path.parent)
    if "age_years" in text.columns:
        text["age_years"] = parse_ages(text["age_years"], what=f"age_years of {path}")
    for name in set(DIMENSIONS) & set(text.columns):
        text[name] = parse_on_scale(text[name], UNIT, what=f"{name} of {path}")
    return check_manifest(conform(text), str(path))


def write_manifest(table: pd.DataFrame, path: Path) -> None:
    """Writes a checked manifest as CSV, whole or not at all; paths inside its folder become relative."""
    checked = check_manifest(conform(table), str(path))
    inside = f"{path.absolute().parent.as_posix()}/"
    checked["path"] = [p.removeprefix(inside) for p in checked["path"]]
    atomic_write(path, checked.to_csv(index=False, lineterminator="\n"))


def manifest_hash(table: pd.DataFrame) -> str:
    """sha256 of what a manifest says, whatever the order of its rows and wherever its files lie.

    ``path`` is left out: a corpus that moves stays the same corpus. The audio itself is in it through
    ``audio_sha256``, so hash a manifest after those are filled in. An optional column nobody filled is left
    out, too, so that a column the schema gains later changes no hash.
    """
    whole = conform(table)
    silent = [name for name in OPTIONAL if whole[name].isna().all()]
    ordered = whole.drop(columns=["path", *silent]).sort_values("utt_id")
    rows = ordered.astype(object).where(ordered.notna(), None)
    return signature({"columns": list(rows.columns), "rows": rows.to_numpy(dtype=object).tolist()})


def shown(values: Iterable[object]) -> str:
    """The first few different values for a message."""
    unique = list(dict.fromkeys(str(value) for value in values))
    more = f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else ""
    return ", ".join(unique[:_SHOWN]) + more
