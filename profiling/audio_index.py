"""Remembered hashes: which bytes a recording held when it was last read, so that a warm start opens no audio.

One SQLite table in the user's cache folder, trusted only while (size, mtime) of the file are unchanged.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TypeVar

from profiling.audio import Audio
from profiling.content_table import BUSY_S, in_chunks
from profiling.errors import ConfigError

_LOGGER = logging.getLogger(__name__)
_FILE = "audio_index.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS audio_1 (
    path TEXT PRIMARY KEY, num_bytes INTEGER, mtime_ns INTEGER,
    audio_sha256 TEXT, num_samples INTEGER, sample_rate_hz INTEGER, channels INTEGER
) WITHOUT ROWID"""
_WRITE = 5_000  # rows remembered in memory before they are written by themselves
#: A file changed within one clock tick of being read may keep its (size, mtime): not remembered, as in git.
_RACY_NS = 20_000_000
_T = TypeVar("_T")


@dataclass(frozen=True)
class Remembered:
    """What is known of a file without opening it.

    Attributes:
        num_bytes: its size when it was read.
        mtime_ns: its modification time when it was read.
        audio_sha256: of its bytes.
        num_samples: of the whole file, at its own rate.
        sample_rate_hz: its own rate.
        channels: in the file.
    """

    num_bytes: int
    mtime_ns: int
    audio_sha256: str
    num_samples: int
    sample_rate_hz: int
    channels: int


class AudioIndex:
    """The table of remembered hashes. Any number of processes may read and write it.

    Args:
        folder: ``paths.cache``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = Path(folder) / _FILE
        self._waiting: dict[str, Remembered] = {}

    def lookup(self, path: Path) -> Remembered | None:
        """What is known of ``path``; None where nothing is, or the file changed or is gone."""
        return self.lookup_many([path]).get(path)

    def lookup_many(self, paths: Iterable[Path]) -> dict[Path, Remembered]:
        """What is known of each path; opens no audio, only asks the file system for size and mtime."""
        stated = dict(_stat_all(paths))
        known = self._select([key for key, _, _ in stated.values()]) if stated else {}
        known.update(self._waiting)
        return {
            path: row
            for path, (key, num_bytes, mtime_ns) in stated.items()
            if (row := known.get(key)) and (row.num_bytes, row.mtime_ns) == (num_bytes, mtime_ns)
        }

    def remember(self, path: Path, audio: Audio) -> None:
        """Keeps what ``load_audio(path)`` found; written by :meth:`commit`, or every 5,000 files."""
        stamp = audio.stamp
        if stamp is None or abs(stamp.read_ns - stamp.mtime_ns) < _RACY_NS:
            return
        row = Remembered(
            stamp.num_bytes,
            stamp.mtime_ns,
            audio.audio_sha256,
            audio.num_samples,
            audio.sample_rate_hz,
            audio.channels,
        )
        self.keep(path, row)

    def keep(self, path: Path, row: Remembered) -> None:
        """Keeps what another index knows of ``path``, such as one on another machine."""
        self._waiting[os.path.realpath(path)] = row
        if len(self._waiting) >= _WRITE:
            self.commit()

    def commit(self) -> None:
        """Writes what was remembered, in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        if not self._waiting:
            return
        rows = [(path, *astuple(row)) for path, row in self._waiting.items()]
        self._run(lambda database: _insert(database, rows))
        self._waiting.clear()

    def forget(self, paths: Iterable[Path]) -> None:
        """Drops what is known of files that turned out to hold other bytes than their time and size say."""
        keys = [(os.path.realpath(path),) for path in paths]
        for (key,) in keys:
            self._waiting.pop(key, None)
        if keys and self._file.exists():
            self._run(lambda database: database.executemany("DELETE FROM audio_1 WHERE path = ?", keys))

    def _select(self, keys: list[str]) -> dict[str, Remembered]:
        if not self._file.exists():
            return {}
        return self._run(lambda database: dict(_rows(database, keys)))

    def _run(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        """Runs one transaction; a damaged file is moved aside once and begun anew."""
        try:
            return self._attempt(operation)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise ConfigError(f"paths.cache: {self._file}: {error}") from None
            self._set_aside(error)
        return self._attempt(operation)

    def _attempt(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"paths.cache: {self._file.parent}: {error.strerror}") from None
        with closing(sqlite3.connect(self._file, timeout=BUSY_S)) as database, database:
            database.execute(_TABLE)
            return operation(database)

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self._file.with_suffix(f".damaged-{os.getpid()}")
        try:
            self._file.replace(aside)
        except FileNotFoundError:  # another process was first
            return
        _LOGGER.warning(
            "%s is damaged (%s): moved to %s, hashes are computed again", self._file, error, aside.name
        )


def _damaged(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is no database any more, as opposed to locked, read-only or on a full disk."""
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _insert(database: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    database.executemany("INSERT OR REPLACE INTO audio_1 VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _rows(database: sqlite3.Connection, keys: list[str]) -> Iterator[tuple[str, Remembered]]:
    for path, *row in in_chunks(database, "SELECT * FROM audio_1 WHERE path IN", keys):
        yield path, Remembered(*row)


def _stat_all(paths: Iterable[Path]) -> Iterator[tuple[Path, tuple[str, int, int]]]:
    """Yields (path, (real path, size, mtime)) of the files that are there; each folder is resolved once."""
    folders: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        key = f"{folders[folder]}{os.sep}{name}"
        try:
            found = os.lstat(key)
            if stat.S_ISLNK(found.st_mode):
                key = os.path.realpath(key)
                found = os.stat(key)  # noqa: PTH116 - a hundred thousand times: Path would double the time
        except OSError:
            continue
        yield path, (key, found.st_size, found.st_mtime_ns)
