"""Adding rows to a store: kept in memory for at most a shard or a minute, then committed whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.commit import Rows, write_shard
from profiling.features.key import FeatureKey, KeyArray, RowKey, describe_keys, pack_keys
from profiling.features.shard import FLAG_SEPARATOR, Values, row_checksum


class _Waiting:
    """Room for the rows of one shard, filled from the front; memory is touched only where a row is.

    Rows go straight to where the shard is written from: neither a copy of all of them at each commit, nor
    thousands of small arrays between which the heap falls to pieces.

    Args:
        rows: that there is room for.
        dims: label -> dim.
        dtype: as stored.
    """

    def __init__(self, rows: int, dims: Mapping[str, int], dtype: str) -> None:
        self._words: KeyArray = np.empty((rows, 6), np.uint64)
        self._layers = {label: np.empty((rows, dim), dtype) for label, dim in dims.items()}
        self._checksums = {label: np.empty(rows, np.uint32) for label in dims}
        self._durations_s = np.empty(rows, np.float64)
        self._flags: list[str] = []

    def __len__(self) -> int:
        return len(self._flags)

    def add(self, words: KeyArray, values: Mapping[str, Values], flags: str, duration_s: float) -> None:
        """Takes one row: (1, 6) its key, and label -> (dim,) as stored."""
        at, key_bytes = len(self), words.tobytes()
        self._words[at], self._durations_s[at] = words[0], duration_s
        for label, vector in values.items():
            self._layers[label][at] = vector
            self._checksums[label][at] = row_checksum(label, key_bytes, vector)
        self._flags.append(flags)  # counts the row, in one step: Ctrl-C never leaves half a row behind

    def rows(self) -> Rows:
        """Everything that waits; valid until :meth:`clear`."""
        end = len(self)
        return Rows(
            words=self._words[:end],
            layers={label: values[:end] for label, values in self._layers.items()},
            checksums={label: sums[:end] for label, sums in self._checksums.items()},
            flags=list(self._flags),
            durations_s=self._durations_s[:end],
        )

    def clear(self) -> None:
        """Forgets every row; their room is used again."""
        self._flags.clear()


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

    Raises:
        StoreError: no memory for a shard of that size.
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
        self._commit_every_s = commit_every_s
        self._clock = clock
        row_bytes = sum(self._dims.values()) * np.dtype(key.dtype).itemsize
        self._shard_rows = max(1, -(-shard_bytes // row_bytes))
        try:
            self._waiting = _Waiting(self._shard_rows, self._dims, key.dtype)
        except MemoryError as error:
            raise StoreError(f"store.shard_bytes={shard_bytes}: {error}; use a smaller one") from error
        self._oldest_s = 0.0
        self._failed = False
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
        self._check(key, features, flags)
        values = {label: self._stored(key, label, features[label]) for label in self._dims}
        if not len(self._waiting):
            self._oldest_s = self._clock()
        self._waiting.add(pack_keys([key]), values, FLAG_SEPARATOR.join(sorted(set(flags))), duration_s)
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commits if a shard is full or the oldest row has waited long enough; for loops that add seldom."""
        waiting = len(self._waiting)
        if waiting >= self._shard_rows or (
            waiting and self._clock() - self._oldest_s >= self._commit_every_s
        ):
            self.commit()

    def commit(self) -> Path | None:
        """Makes every waiting row durable now, as one shard.

        Returns:
            The shard; None if nothing was waiting.

        Raises:
            StoreError: the disk is full or refuses; no half shard is left behind.
        """
        if not len(self._waiting):
            return None
        try:
            path = write_shard(self._folder, self._waiting.rows(), self._key.sha256)
        except StoreError:
            self._failed = True
            raise
        self.committed += len(self._waiting)
        self._waiting.clear()
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._failed:
            self.commit()

    def _check(self, key: RowKey, features: Mapping[str, NDArray[np.float32]], flags: Sequence[str]) -> None:
        if set(features) != set(self._dims):
            raise StoreError(
                f"row {describe_keys([key])} brings layers {'|'.join(sorted(features))}, "
                f"this writer stores {'|'.join(sorted(self._dims))}"
            )
        for flag in flags:
            if FLAG_SEPARATOR in flag:
                raise StoreError(f"row {describe_keys([key])}: flag {flag!r} contains {FLAG_SEPARATOR!r}")

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
