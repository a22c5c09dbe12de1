"""Remembered signal-to-noise ratios, by content and span: scores by SNR need no audio once features are there.

One SQLite table in ``paths.cache``, beside the remembered hashes. What is not in it was not measured, such as
recordings whose features were computed before there was this table; nothing is put in its place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from profiling.errors import ConfigError

_FILE = "snr.sqlite"
#: The number is raised whenever the estimate is defined anew (``audio/levels.py``).
_TABLE = "snr_1"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (audio_sha256 TEXT, start_sample INTEGER, end_sample INTEGER, "
    "channel TEXT, snr_db REAL, PRIMARY KEY (audio_sha256, start_sample, end_sample, channel)) WITHOUT ROWID"
)
_INSERT = f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - a name of ours
_SELECT = f"SELECT * FROM {_TABLE} WHERE channel = ? AND audio_sha256 IN "  # noqa: S608 - a name of ours
_BUSY_S = 60.0  # wait for another process that writes
_ASK = 500  # hashes in one query; SQLite's smallest limit on variables is 999
_WRITE = 5_000  # rows kept in memory before they are written by themselves


class SpanOf(NamedTuple):
    """Which samples of which content, mixed how (``audio.channel``)."""

    audio_sha256: str
    start_sample: int
    end_sample: int
    channel: str


class SnrIndex:
    """Span -> dB, on disk. Any number of processes may read and write it.

    Args:
        folder: ``paths.cache``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = Path(folder) / _FILE
        self._waiting: dict[SpanOf, float] = {}

    def keep(self, span: SpanOf, snr_db: float | None) -> None:
        """Keeps an estimate; None (too short to have one) is not kept. Written by :meth:`commit`."""
        if snr_db is None:
            return
        self._waiting[span] = snr_db
        if len(self._waiting) >= _WRITE:
            self.commit()

    def lookup(self, spans: Iterable[SpanOf]) -> dict[SpanOf, float]:
        """What was measured of the spans.

        Raises:
            ConfigError: the file is no database; removing it loses nothing but these measurements.
        """
        asked = set(spans)
        found = {span: self._waiting[span] for span in asked & self._waiting.keys()}
        if not self._file.exists():
            return found
        by_channel: dict[str, set[str]] = {}
        for span in asked - found.keys():
            by_channel.setdefault(span.channel, set()).add(span.audio_sha256)
        with self._open() as database:
            for channel, hashes in by_channel.items():
                for sha256, start, end, mixed, snr_db in self._rows(database, channel, sorted(hashes)):
                    if (span := SpanOf(sha256, start, end, mixed)) in asked:
                        found[span] = snr_db
        return found

    def commit(self) -> None:
        """Writes what was kept, in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        if not self._waiting:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"paths.cache: {self._file.parent}: {error.strerror}") from None
        with self._open() as database, database:
            try:
                database.executemany(_INSERT, [(*span, snr) for span, snr in self._waiting.items()])
            except sqlite3.DatabaseError as error:
                raise self._unusable(error) from None
        self._waiting.clear()

    def _rows(
        self, database: sqlite3.Connection, channel: str, hashes: list[str]
    ) -> list[tuple[str, int, int, str, float]]:
        rows: list[tuple[str, int, int, str, float]] = []
        for start in range(0, len(hashes), _ASK):
            asked = hashes[start : start + _ASK]
            try:
                rows += database.execute(f"{_SELECT}({','.join('?' * len(asked))})", (channel, *asked))
            except sqlite3.DatabaseError as error:
                raise self._unusable(error) from None
        return rows

    def _open(self) -> closing[sqlite3.Connection]:
        try:
            database = sqlite3.connect(self._file, timeout=_BUSY_S)
            database.execute(_CREATE)
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from None
        return closing(database)

    def _unusable(self, error: sqlite3.DatabaseError) -> ConfigError:
        return ConfigError(
            f"{self._file}: {error}; remove it, only scores by signal-to-noise ratio need it (paths.cache)"
        )
