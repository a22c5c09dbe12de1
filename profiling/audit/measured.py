"""Measures kept from audit to audit, by content: a second audit of the same recordings opens no audio.

One SQLite table in ``paths.cache``, beside the remembered hashes that say which content a file holds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from profiling.audit.signal import Measures
from profiling.errors import ConfigError
from profiling.provenance import canonical_json

_FILE = "audit.sqlite"
_VERSION = 1  # raised whenever a measure is defined anew
_TABLE = f"measures_{_VERSION}"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_TABLE} (key TEXT PRIMARY KEY, measures TEXT) WITHOUT ROWID"
_INSERT = f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)"  # noqa: S608 - a name of ours
_BUSY_S = 60.0  # wait for another process that writes
_ASK = 500  # keys in one query; SQLite's smallest limit on variables is 999


class Span(NamedTuple):
    """Which samples of which content, mixed how."""

    audio_sha256: str
    start_sample: int
    end_sample: int
    channel: str


class MeasureCache:
    """Span -> measures, on disk. Any number of processes may read and write it.

    Args:
        folder: ``paths.cache``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = Path(folder) / _FILE

    def read(self, spans: Iterable[Span]) -> dict[Span, Measures]:
        """What is known of the spans.

        Raises:
            ConfigError: the file is no database; removing it loses nothing but time.
        """
        if not self._file.exists():
            return {}
        by_key = {canonical_json(span): span for span in spans}
        keys = list(by_key)
        found: dict[Span, Measures] = {}
        with self._open() as database:
            for start in range(0, len(keys), _ASK):
                asked = keys[start : start + _ASK]
                marks = ",".join("?" * len(asked))
                query = f"SELECT key, measures FROM {_TABLE} WHERE key IN ({marks})"  # noqa: S608 - question marks
                for key, text in self._run(database, query, asked):
                    found[by_key[key]] = Measures(**json.loads(text))
        return found

    def write(self, measured: dict[Span, Measures]) -> None:
        """Keeps measures, in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"paths.cache: {self._file.parent}: {error.strerror}") from None
        rows = [(canonical_json(span), canonical_json(asdict(found))) for span, found in measured.items()]
        with self._open() as database, database:
            try:
                database.executemany(_INSERT, rows)
            except sqlite3.DatabaseError as error:
                raise self._unusable(error) from None

    def _open(self) -> closing[sqlite3.Connection]:
        try:
            database = sqlite3.connect(self._file, timeout=_BUSY_S)
            database.execute(_CREATE)
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from None
        return closing(database)

    def _run(self, database: sqlite3.Connection, query: str, values: list[str]) -> list[tuple[str, str]]:
        try:
            return list(database.execute(query, values))
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: sqlite3.DatabaseError) -> ConfigError:
        return ConfigError(f"{self._file}: {error}; remove it, it only saves measuring again (paths.cache)")
