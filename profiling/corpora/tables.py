"""Tables and folders as a corpus's publisher leaves them: cells as text, recordings by suffix."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from profiling.errors import ManifestError

#: What counts as a recording when a folder is listed; a table may name any file.
AUDIO_SUFFIXES = frozenset(
    {
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".w64",
        ".caf",
        ".sph",
    }
    | {".m4a", ".mp4", ".aac", ".wma", ".amr", ".webm"}
)


def read_text_table(path: Path, separator: str = ",", *, quoted: bool = True) -> pd.DataFrame:
    """A table with every cell as text (ids keep their leading zeros), stripped; empty cells are None.

    Args:
        path: UTF-8, with a header line; or a parquet table.
        separator: between cells.
        quoted: whether a quotation mark encloses a cell (False: it is text).

    Raises:
        ManifestError: missing, not a table, or a column named twice.
    """
    if path.suffix == ".parquet":
        from profiling.corpora.arrow import read_text_parquet  # pyarrow's parquet only where it is needed

        return pd.DataFrame(read_text_parquet(path), dtype=object)
    try:
        frame = pd.read_csv(
            io.StringIO(path.read_text(encoding="utf-8-sig")),
            dtype=object,
            sep=separator,
            keep_default_na=False,
            index_col=False,
            header=None,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )
    except (OSError, UnicodeDecodeError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise ManifestError(f"{path}: cannot be read as a table: {error}") from error
    header = [str(name).strip() for name in frame.iloc[0]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path}: column {twice[0]!r} appears twice")
    columns = {name: [_cell(value) for value in frame[i].iloc[1:]] for i, name in enumerate(header)}
    return pd.DataFrame(columns, dtype=object)


def _cell(value: object) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def resolve(paths: Iterable[str], folder: Path) -> list[str]:
    """Absolute paths: ``~`` expanded, relative to ``folder``; links are kept as they are."""
    base = str(folder.absolute())
    join, expand = os.path.join, os.path.expanduser  # four times as fast as Path
    return [os.path.normpath(join(base, expand(path))) for path in paths]


def find_recordings(folder: Path) -> list[Path]:
    """Every recording below a folder, relative to it, sorted; hidden files and folders are left out.

    Raises:
        ManifestError: a folder that cannot be read, or no recording at all.
    """
    found: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=_fail, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(root).relative_to(folder)
        found += [here / name for name in files if not name.startswith(".") and _is_audio(name)]
    if not found:
        raise ManifestError(
            f"{folder}: no recordings below it (looked for {' '.join(sorted(AUDIO_SUFFIXES))})"
        )
    return sorted(found)


def _is_audio(name: str) -> bool:
    return Path(name).suffix.casefold() in AUDIO_SUFFIXES


def _fail(error: OSError) -> None:
    raise ManifestError(f"{error.filename}: cannot be read: {error.strerror}") from error
