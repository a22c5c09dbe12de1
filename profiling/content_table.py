"""A table of what was measured of contents, one SQLite file in ``paths.cache``; losing it loses time, no result.

Any number of processes may read and write it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from profiling.errors import ConfigError

BUSY_S = 60.0  # wait for another process that writes
_ASK = 500  # keys in one query; SQLite's smallest limit on variables is 999


class Span(NamedTuple):
    """Which samples of which content, mixed how (``audio.channel``)."""

    audio_sha256: str
    start_sample: int
    end_sample: int
    channel: str


class ContentTable:
    """One table in one file.

    Args:
        file: made when something is written.
        create: SQL that makes the table where it is not.
        loss: what removing the file would cost, for the error message.
    """

    def __init__(self, file: Path, create: str, loss: str) -> None:
        self._file, self._create, self._loss = file, create, loss

    def __bool__(self) -> bool:
        """Whether there is a file."""
        return self._file.exists()

    def select(self, query: str, keys: Sequence[str], *before: object) -> list[tuple[Any, ...]]:
        """Rows of every key.

        Args:
            query: SQL that ends with ``IN``; the keys' marks follow it.
            keys: as many as wanted.
            before: values of marks that stand before the keys'.

        Raises:
            ConfigError: the file is no database.
        """
        with self._opened() as database:
            return list(in_chunks(database, query, keys, *before))

    def insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Writes rows in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"paths.cache: {self._file.parent}: {error.strerror}") from None
        with self._opened() as database, database:
            database.executemany(statement, rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=BUSY_S)) as database:
                database.execute(self._create)
                yield database
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{self._file}: {error}; remove it, {self._loss} (paths.cache)") from None


def in_chunks(
    database: sqlite3.Connection, query: str, keys: Sequence[str], *before: object
) -> Iterator[tuple[Any, ...]]:
    """Rows of every key, a few hundred keys a query; arguments as :meth:`ContentTable.select`."""
    for first in range(0, len(keys), _ASK):
        asked = keys[first : first + _ASK]
        yield from database.execute(f"{query} ({','.join('?' * len(asked))})", (*before, *asked))
