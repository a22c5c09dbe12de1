"""Measures kept from audit to audit, by content: a second audit of the same recordings opens no audio.

One SQLite table in ``paths.cache``, beside the remembered hashes that say which content a file holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from profiling.audit.signal import Measures
from profiling.content_table import ContentTable, Span
from profiling.provenance import canonical_json

_FILE = "audit.sqlite"
_VERSION = 1  # raised whenever a measure is defined anew
_TABLE = f"measures_{_VERSION}"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_TABLE} (key TEXT PRIMARY KEY, measures TEXT) WITHOUT ROWID"
_INSERT = f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)"  # noqa: S608 - a name of ours
_SELECT = f"SELECT key, measures FROM {_TABLE} WHERE key IN"  # noqa: S608 - a name of ours


class MeasureCache:
    """Span -> measures, on disk. Any number of processes may read and write it.

    Args:
        folder: ``paths.cache``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._table = ContentTable(Path(folder) / _FILE, _CREATE, "it only saves measuring again")

    def read(self, spans: Iterable[Span]) -> dict[Span, Measures]:
        """What is known of the spans.

        Raises:
            ConfigError: the file is no database; removing it loses nothing but time.
        """
        if not self._table:
            return {}
        by_key = {canonical_json(span): span for span in spans}
        found = self._table.select(_SELECT, list(by_key))
        return {by_key[key]: Measures(**json.loads(text)) for key, text in found}

    def write(self, measured: dict[Span, Measures]) -> None:
        """Keeps measures, in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        rows = [(canonical_json(span), canonical_json(asdict(found))) for span, found in measured.items()]
        self._table.insert(_INSERT, rows)
