"""From what a reader finds to a checked manifest: label maps, prefixes, defaults, spans.

Every reader hands over a table of text in the columns :data:`RAW` and the corpus's rules; everything that
is the same for all corpora happens here, once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from profiling.corpora.labelling import Rules, label_columns, text_of
from profiling.corpora.manifest import SPLITS, check_manifest, conform, shown
from profiling.corpora.tables import resolve
from profiling.errors import LabelError, ManifestError, did_you_mean

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
    "session",
    "arousal",
    "valence",
    "dominance",
    "emotion_votes",
)

SPLIT_ALIASES: Mapping[str, str] = {
    "training": "train", "dev": "val", "devel": "val", "development": "val", "valid": "val",
    "validation": "val", "eval": "test", "evaluation": "test",
}  # fmt: skip


_log = logging.getLogger(__name__)


def assemble(
    raw: pd.DataFrame, corpus: str, folder: Path, rules: Rules, left_out: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Builds the checked manifest of one corpus.

    Args:
        raw: some of the columns :data:`RAW`, text or None.
        corpus: the name that prefixes ids.
        folder: what relative paths are relative to.
        rules: label maps, drops and defaults.
        left_out: what the reader did not make a row of, reason -> recordings.

    Returns:
        The manifest; ``attrs["dropped"]`` counts the rows dropped by name, ``column:label`` -> rows, and
        what the reader left out.

    Raises:
        ManifestError: no path column, duplicate ids, bad spans, none of the files there.
        LabelError: a label the rules do not know, with counts.
    """
    if raw.empty:
        raise ManifestError(f"{corpus}: no rows")
    if "path" not in raw.columns or raw["path"].isna().any():
        raise ManifestError(f"{corpus}: every row needs a path")
    table, dropped = label_columns(raw, corpus, rules)
    table["path"] = resolve(raw["path"], folder)
    table["utt_id"] = [f"{corpus}/{name}" for name in _names(raw, corpus)]
    for ours, theirs in (("speaker_id", "speaker"), ("session", "session")):
        table[ours] = [None if s is None else f"{corpus}/{s}" for s in text_of(raw, theirs)]
    table["corpus"] = corpus
    table["language"] = [value or rules.language for value in text_of(raw, "language")]
    table["text_id"] = text_of(raw, "text_id")
    table["split"] = _splits(raw, corpus, rules)
    table["start_sample"], table["end_sample"] = text_of(raw, "start"), text_of(raw, "end")
    keep = table.pop("keep") & _not_dropped(raw, table["utt_id"], rules.drop, corpus, dropped)
    kept = check_manifest(conform(table[keep]), corpus)
    check_some_files_exist(kept, folder)
    kept.attrs["dropped"] = {**dropped, **_warned(left_out or {}, corpus)}
    return kept


def _warned(left_out: Mapping[str, int], corpus: str) -> Mapping[str, int]:
    for reason, count in left_out.items():
        _log.warning("%s: left out, %s: %d", corpus, reason, count)
    return left_out


def _names(raw: pd.DataFrame, corpus: str) -> Sequence[str]:
    """``utt_id`` where given; else the file's name, its relative path where names repeat, plus the span."""
    given = text_of(raw, "utt_id")
    if any(name is not None for name in given):
        return [_required(name, f"{corpus}: utt_id") for name in given]
    bare = [_without_suffix(path) for path in raw["path"]]
    files = set(zip(bare, raw["path"], strict=True))
    stems = Counter(name.rpartition("/")[2] for name, _ in files)
    repeated = any(count > 1 for count in stems.values())
    stems_or_paths = bare if repeated else [name.rpartition("/")[2] for name in bare]
    spans = zip(stems_or_paths, text_of(raw, "start"), text_of(raw, "end"), strict=True)
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


def _splits(raw: pd.DataFrame, corpus: str, rules: Rules) -> list[str | None]:
    known = {**{part: part for part in SPLITS}, **SPLIT_ALIASES}
    values = text_of(raw, "split")
    wrong = Counter(v for v in values if v is not None and v not in rules.split and v.casefold() not in known)
    if wrong:
        counts = ", ".join(f"{value!r} ({count} rows)" for value, count in wrong.most_common())
        raise ManifestError(f"{corpus}: split {counts}; {did_you_mean(next(iter(wrong)), known)}")
    return [
        None if v is None else rules.split[v] if v in rules.split else known[v.casefold()] for v in values
    ]


def _not_dropped(
    raw: pd.DataFrame, ids: pd.Series, drop: Collection[str], corpus: str, dropped: dict[str, int]
) -> pd.Series:
    """False for the rows of a part (``split:Test2``) or a pattern (``id:*_script*``) to drop; counts them."""
    keep = pd.Series(True, index=raw.index)
    parts = pd.Series(text_of(raw, "split"), index=raw.index, dtype=object)
    for asked in drop:
        column, _, word = asked.partition(":")
        if column == "split":
            hit = parts == word
        elif column == "id":
            hit = ids.map(lambda name, pattern=word: fnmatchcase(name, pattern))
        else:
            continue
        if hit.any():
            dropped[asked] = int(hit.sum())
            _log.warning("%s: %d rows with %s dropped, as asked", corpus, dropped[asked], asked)
        keep &= ~hit
    if not keep.any():
        raise LabelError(f"{corpus}: every row was dropped ({', '.join(dropped)}); ask for fewer drops")
    return keep


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
