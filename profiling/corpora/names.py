"""What readers share: corpora whose file names say everything, and tables beside a heap of recordings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import cast

import pandas as pd

from profiling.corpora.tables import find_recordings
from profiling.errors import ManifestError

#: A row of a reader's table: columns of :data:`profiling.corpora.assembly.RAW`, text or None.
RawRow = dict[str, str | None]

#: How recordings nobody listed are counted in ``attrs["dropped"]``.
UNLISTED = "recording without a row"


def read_names(folder: Path, pattern: re.Pattern[str], corpus: str, like: str) -> list[RawRow]:
    """One row per recording below a folder; the pattern's named groups are its columns.

    Args:
        folder: where the recordings are, at any depth.
        pattern: has to match the whole name of the file without its suffix.
        corpus: for the message.
        like: an example of such a name, with what its parts are, for the message.

    Raises:
        ManifestError: no recordings, one whose name is not of this form, or two of one name.
    """
    return _rows(folder, recordings_by_stem(folder, corpus), pattern, corpus, like)


def read_paths(folder: Path, pattern: re.Pattern[str], corpus: str, like: str) -> list[RawRow]:
    """Like :func:`read_names`, where the folders say something too: matched is the end of the path.

    The pattern's groups have to make up ``utt_id`` where file names repeat; two of one id are refused later.
    """
    paths = {file.with_suffix("").as_posix(): file.as_posix() for file in find_recordings(folder)}
    whole = re.compile(rf"(?:.*/)?{pattern.pattern}", pattern.flags)
    return _rows(folder, paths, whole, corpus, like)


def _rows(
    folder: Path, names: Mapping[str, str], pattern: re.Pattern[str], corpus: str, like: str
) -> list[RawRow]:
    rows: list[RawRow] = []
    for name, file in names.items():
        match = pattern.fullmatch(name)
        if match is None:
            raise ManifestError(f"{corpus}: {folder / file} is not named like {like}; move it elsewhere")
        rows.append({"path": file, "utt_id": name.rpartition("/")[2], **match.groupdict()})
    return rows


def recordings_by_stem(folder: Path, corpus: str) -> dict[str, str]:
    """Name without suffix -> path relative to the folder.

    Raises:
        ManifestError: no recordings, or two of one name.
    """
    found: dict[str, str] = {}
    for file in find_recordings(folder):
        if file.stem in found:
            raise ManifestError(
                f"{corpus}: {file.stem} lies twice below {folder}: {found[file.stem]} and {file}; keep one"
            )
        found[file.stem] = file.as_posix()
    return found


def unlisted(found: Mapping[str, str], listed: Iterable[str]) -> dict[str, int]:
    """Counts recordings that no row of the publisher's table names; they have no labels and are left out."""
    rest = len(set(found) - set(listed))
    return {UNLISTED: rest} if rest else {}


def records(text: pd.DataFrame) -> list[RawRow]:
    """The rows of a publisher's table, from :func:`profiling.corpora.tables.read_text_table`."""
    return cast("list[RawRow]", text.to_dict("records"))


def need_columns(present: Collection[str], needed: Iterable[str], table: Path) -> None:
    """Checks the header of a publisher's table.

    Raises:
        ManifestError: names the first column that is missing.
    """
    for name in needed:
        if name not in present:
            raise ManifestError(f"{table}: column {name!r} is missing; it has {', '.join(present)}")
