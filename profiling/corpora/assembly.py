"""From what a reader finds to a checked manifest: label maps, prefixes, defaults, spans.

Every reader hands over a table of text in the columns :data:`RAW` and the corpus's rules; everything that
is the same for all corpora happens here, once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from profiling.corpora.manifest import SPLITS, check_manifest, conform, shown
from profiling.corpora.tables import resolve
from profiling.errors import LabelError, ManifestError, did_you_mean
from profiling.labels import (
    EMOTION_ALIASES,
    EMOTIONS,
    GENDER_ALIASES,
    GENDERS,
    map_labels,
    parse_ages,
    strict_map,
)

#: What a reader may find, all text or None. Only ``path`` has to be there.
RAW = (
    "path",
    "speaker",
    "gender",
    "age",
    "emotion",
    "language",
    "split",
    "text_id",
    "utt_id",
    "start",
    "end",
)

SPLIT_ALIASES: Mapping[str, str] = {
    "training": "train", "dev": "val", "devel": "val", "development": "val", "valid": "val",
    "validation": "val", "eval": "test", "evaluation": "test",
}  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How a corpus writes its labels.

    Attributes:
        gender: the corpus's own words -> vocabulary; None as target means no label.
        emotion: likewise.
        age: words -> years.
        drop: labels whose rows are dropped and counted: ``word`` or ``column:word``.
        language: BCP 47 tag of rows that name none.
    """

    gender: Mapping[str, str | None] = field(default_factory=dict)
    emotion: Mapping[str, str | None] = field(default_factory=dict)
    age: Mapping[str, float] = field(default_factory=dict)
    drop: Collection[str] = ()
    language: str | None = None


def assemble(raw: pd.DataFrame, corpus: str, folder: Path, rules: Rules) -> pd.DataFrame:
    """Builds the checked manifest of one corpus.

    Args:
        raw: some of the columns :data:`RAW`, text or None.
        corpus: the name that prefixes ids.
        folder: what relative paths are relative to.
        rules: label maps, drops and defaults.

    Returns:
        The manifest; ``attrs["dropped"]`` counts the rows dropped by name, ``column:label`` -> rows.

    Raises:
        ManifestError: no path column, duplicate ids, bad spans, none of the files there.
        LabelError: a label the rules do not know, with counts.
    """
    if raw.empty:
        raise ManifestError(f"{corpus}: no rows")
    if "path" not in raw.columns or raw["path"].isna().any():
        raise ManifestError(f"{corpus}: every row needs a path")
    table, dropped = _labels(raw, corpus, rules)
    table["path"] = resolve(raw["path"], folder)
    table["utt_id"] = [f"{corpus}/{name}" for name in _names(raw, corpus)]
    table["speaker_id"] = [None if s is None else f"{corpus}/{s}" for s in _text(raw, "speaker")]
    table["corpus"] = corpus
    table["language"] = [value or rules.language for value in _text(raw, "language")]
    table["text_id"] = _text(raw, "text_id")
    table["split"] = _splits(raw, corpus)
    table["start_sample"], table["end_sample"] = _text(raw, "start"), _text(raw, "end")
    kept = check_manifest(conform(table[table.pop("keep")]), corpus)
    check_some_files_exist(kept, folder)
    kept.attrs["dropped"] = dropped
    return kept


def _labels(raw: pd.DataFrame, corpus: str, rules: Rules) -> tuple[pd.DataFrame, dict[str, int]]:
    gender = map_labels(
        _text(raw, "gender"),
        strict_map(GENDERS, GENDER_ALIASES, rules.gender),
        what=f"gender of {corpus}",
        drop=drops_of("gender", rules.drop),
    )
    emotion = map_labels(
        _text(raw, "emotion"),
        strict_map(EMOTIONS, EMOTION_ALIASES, rules.emotion),
        what=f"emotion of {corpus}",
        drop=drops_of("emotion", rules.drop),
    )
    dropped = {f"gender:{k}": n for k, n in gender.dropped.items()}
    dropped |= {f"emotion:{k}": n for k, n in emotion.dropped.items()}
    for label, count in dropped.items():
        _log.warning("%s: %d rows with %s dropped, as asked", corpus, count, label)
    keep = [g and e for g, e in zip(gender.keep, emotion.keep, strict=True)]
    if not any(keep):
        raise LabelError(f"{corpus}: every row was dropped ({', '.join(dropped)}); ask for fewer drops")
    ages = parse_ages(_text(raw, "age"), rules.age, what=f"age of {corpus}")
    columns = {"keep": keep, "gender": gender.values, "age_years": ages, "emotion": emotion.values}
    return pd.DataFrame(columns, index=raw.index), dropped


def drops_of(column: str, drop: Collection[str]) -> set[str]:
    """The words to drop in one column: those without a column and those with this one.

    >>> sorted(drops_of("gender", ["x", "gender:other", "emotion:other"]))
    ['other', 'x']
    """
    return {
        word.removeprefix(f"{column}:") for word in drop if ":" not in word or word.startswith(f"{column}:")
    }


def _text(raw: pd.DataFrame, column: str) -> list[str | None]:
    values = raw[column] if column in raw.columns else [None] * len(raw)
    return [value if isinstance(value, str) else None for value in values]  # pandas 3 turns None into NaN


def _names(raw: pd.DataFrame, corpus: str) -> Sequence[str]:
    """``utt_id`` where given; else the file's name, its relative path where names repeat, plus the span."""
    given = _text(raw, "utt_id")
    if any(name is not None for name in given):
        return [_required(name, f"{corpus}: utt_id") for name in given]
    bare = [_without_suffix(path) for path in raw["path"]]
    files = set(zip(bare, raw["path"], strict=True))
    stems = Counter(name.rpartition("/")[2] for name, _ in files)
    repeated = any(count > 1 for count in stems.values())
    stems_or_paths = bare if repeated else [name.rpartition("/")[2] for name in bare]
    spans = zip(stems_or_paths, _text(raw, "start"), _text(raw, "end"), strict=True)
    return [
        stem if start is None and end is None else f"{stem}#{start or 0}-{end or -1}"
        for stem, start, end in spans
    ]


def _without_suffix(path: str) -> str:
    folder, slash, file = path.rpartition("/")
    return folder + slash + (file.rpartition(".")[0] or file)


def _required(value: str | None, what: str) -> str:
    if value is None:
        raise ManifestError(f"{what} is empty in some rows; fill it everywhere or leave the column out")
    return value


def _splits(raw: pd.DataFrame, corpus: str) -> list[str | None]:
    known = {**{part: part for part in SPLITS}, **SPLIT_ALIASES}
    values = _text(raw, "split")
    wrong = Counter(v for v in values if v is not None and v.casefold() not in known)
    if wrong:
        counts = ", ".join(f"{value!r} ({count} rows)" for value, count in wrong.most_common())
        raise ManifestError(f"{corpus}: split {counts}; {did_you_mean(next(iter(wrong)), known)}")
    return [None if v is None else known[v.casefold()] for v in values]


def check_some_files_exist(table: pd.DataFrame, folder: Path) -> None:
    """Looks at the first, middle and last file: a wrong folder shows at once, row by row is ``verify``'s job.

    Raises:
        ManifestError: none of them exists.
    """
    paths = [table["path"].iloc[i] for i in (0, len(table) // 2, -1)]
    if not any(Path(path).exists() for path in paths):
        raise ManifestError(
            f"none of these files exists: {shown(paths)}; relative paths are taken from {folder}"
        )
