"""Adding rows to a store: kept in memory for at most a shard or a minute, then committed whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.commit import Rows, write_shard
from profiling.features.key import FeatureKey, KeyArray, RowKey, describe_keys, pack_keys
from profiling.features.shard import FLAG_SEPARATOR, Values, row_checksum


class _Row(NamedTuple):
    words: KeyArray  # (1, 6)
    values: list[Values]  # (dim,) per layer
    checksums: list[int]
    flags: str
    duration_s: float


class ShardWriter:
    """Collects rows and commits them as shards. Any number of writers may share a store, on any machines.

    Leaving the ``with`` block commits what is complete, also on Ctrl-C and on any other exception.

    Args:
        folder: of the store.
        key: of the store.
        dims: label -> dim; every row brings exactly these layers.
        shard_bytes: commit when this much is waiting, in bytes,
        commit_every_s: or when the oldest waiting row is this old, in seconds.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        folder: Path,
        key: FeatureKey,
        dims: Mapping[str, int],
        *,
        shard_bytes: int,
        commit_every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._key = key
        self._dims = dict(dims)
        self._shard_bytes = shard_bytes
        self._commit_every_s = commit_every_s
        self._clock = clock
        self._rows: list[_Row] = []
        self._oldest_s = 0.0
        self._failed = False
        self._row_bytes = sum(self._dims.values()) * np.dtype(key.dtype).itemsize
        self.committed = 0  # rows

    def add(
        self,
        key: RowKey,
        features: Mapping[str, NDArray[np.float32]],
        flags: Sequence[str] = (),
        duration_s: float = 0.0,
    ) -> None:
        """Takes one row, and commits if it is time.

        Args:
            key: what the row belongs to.
            features: label -> (dim,) float32, exactly the writer's layers.
            flags: facts about the row, such as ``windowed``.
            duration_s: of the audio, in seconds.

        Raises:
            StoreError: another set of layers, another dim, a value that is not finite or does not fit
                the stored type, or a disk that refuses.
        """
        row = self._row(key, features, flags, duration_s)
        if not self._rows:
            self._oldest_s = self._clock()
        self._rows.append(row)  # one step: Ctrl-C never leaves half a row behind
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commits if a shard is full or the oldest row has waited long enough; for loops that add seldom."""
        full = len(self._rows) * self._row_bytes >= self._shard_bytes
        if full or (self._rows and self._clock() - self._oldest_s >= self._commit_every_s):
            self.commit()

    def commit(self) -> Path | None:
        """Makes every waiting row durable now, as one shard.

        Returns:
            The shard; None if nothing was waiting.

        Raises:
            StoreError: the disk is full or refuses; no half shard is left behind.
        """
        if not self._rows:
            return None
        try:
            path = write_shard(self._folder, _stack(self._rows, list(self._dims)), self._key.sha256)
        except StoreError:
            self._failed = True
            raise
        self.committed += len(self._rows)
        self._rows = []
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._failed:
            self.commit()

    def _row(
        self,
        key: RowKey,
        features: Mapping[str, NDArray[np.float32]],
        flags: Sequence[str],
        duration_s: float,
    ) -> _Row:
        if set(features) != set(self._dims):
            raise StoreError(
                f"row {describe_keys([key])} brings layers {'|'.join(sorted(features))}, "
                f"this writer stores {'|'.join(sorted(self._dims))}"
            )
        for flag in flags:
            if FLAG_SEPARATOR in flag:
                raise StoreError(f"row {describe_keys([key])}: flag {flag!r} contains {FLAG_SEPARATOR!r}")
        words = pack_keys([key])
        values = [self._stored(key, label, features[label]) for label in self._dims]
        key_bytes = words.tobytes()
        checksums = [row_checksum(label, key_bytes, v) for label, v in zip(self._dims, values, strict=True)]
        return _Row(words, values, checksums, FLAG_SEPARATOR.join(sorted(set(flags))), float(duration_s))

    def _stored(self, key: RowKey, label: str, vector: NDArray[np.float32]) -> Values:
        """A copy of the vector in the stored type.

        Raises:
            StoreError: see :meth:`add`.
        """
        where = f"row {describe_keys([key])}, layer {label}"
        if vector.shape != (self._dims[label],):
            raise StoreError(f"{where}: shape {vector.shape}, expected ({self._dims[label]},)")
        if not np.isfinite(vector).all():
            raise StoreError(f"{where}: {np.count_nonzero(~np.isfinite(vector))} values are not finite")
        with np.errstate(over="ignore"):
            stored = np.array(vector, dtype=self._key.dtype, order="C")
        if not np.isfinite(stored).all():
            largest = float(np.abs(vector).max())
            raise StoreError(f"{where}: {largest:g} does not fit float16 (65504); use store.dtype=float32")
        return stored


def _stack(rows: Sequence[_Row], labels: Sequence[str]) -> Rows:
    return Rows(
        words=np.concatenate([row.words for row in rows]),
        layers={label: np.stack([row.values[i] for row in rows]) for i, label in enumerate(labels)},
        checksums={
            label: np.array([row.checksums[i] for row in rows], np.uint32) for i, label in enumerate(labels)
        },
        flags=[row.flags for row in rows],
        durations_s=np.array([row.duration_s for row in rows], np.float64),
    )
