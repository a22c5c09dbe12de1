"""Remembered signal-to-noise ratios, by content and span: scores by SNR need no audio once features are there.

One SQLite table in ``paths.cache``, beside the remembered hashes. What is not in it was not measured, such as
recordings whose features were computed before there was this table; nothing is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from profiling.content_table import ContentTable, Span

_FILE = "snr.sqlite"
#: The number is raised whenever the estimate is defined anew (``audio/levels.py``).
_TABLE = "snr_1"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (audio_sha256 TEXT, start_sample INTEGER, end_sample INTEGER, "
    "channel TEXT, snr_db REAL, PRIMARY KEY (audio_sha256, start_sample, end_sample, channel)) WITHOUT ROWID"
)
_INSERT = f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - a name of ours
_SELECT = f"SELECT * FROM {_TABLE} WHERE channel = ? AND audio_sha256 IN"  # noqa: S608 - a name of ours
_WRITE = 5_000  # rows kept in memory before they are written by themselves


class SnrIndex:
    """Span -> dB, on disk. Any number of processes may read and write it.

    Args:
        folder: ``paths.cache``; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        loss = "only scores by signal-to-noise ratio need it"
        self._table = ContentTable(Path(folder) / _FILE, _CREATE, loss)
        self._waiting: dict[Span, float] = {}

    def keep(self, span: Span, snr_db: float | None) -> None:
        """Keeps an estimate; None (too short to have one) is not kept. Written by :meth:`commit`."""
        if snr_db is None:
            return
        self._waiting[span] = snr_db
        if len(self._waiting) >= _WRITE:
            self.commit()

    def lookup(self, spans: Iterable[Span]) -> dict[Span, float]:
        """What was measured of the spans.

        Raises:
            ConfigError: the file is no database; removing it loses nothing but these measurements.
        """
        asked = set(spans)
        found = {span: self._waiting[span] for span in asked & self._waiting.keys()}
        if not self._table:
            return found
        by_channel: dict[str, set[str]] = {}
        for span in asked - found.keys():
            by_channel.setdefault(span.channel, set()).add(span.audio_sha256)
        for channel, hashes in by_channel.items():
            for *place, snr_db in self._table.select(_SELECT, sorted(hashes), channel):
                if (span := Span(*place)) in asked:
                    found[span] = snr_db
        return found

    def commit(self) -> None:
        """Writes what was kept, in one transaction.

        Raises:
            ConfigError: ``paths.cache`` cannot be written.
        """
        if not self._waiting:
            return
        self._table.insert(_INSERT, [(*span, snr) for span, snr in self._waiting.items()])
        self._waiting.clear()
