"""Features of a fixed list of rows, by position: keys are resolved once, then batches are plain gathers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import getitem
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from profiling.features.shard import DamagedShardError, Shard, Values

#: Rows that ``verify="sample"`` looks at, spread over the view; at 41 KB a row some 10 MB.
SAMPLE_ROWS = 256


@dataclass(frozen=True)
class Located:
    """Where a layer of each row is.

    Attributes:
        shards: the store's shards.
        shard: (rows,) position in ``shards``.
        row: (rows,) row within that shard.
    """

    shards: Sequence[Shard]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]


class FeatureView:
    """Rows of a store, layers side by side in the order asked.

    Rows are joined by key when the view is made (``FeatureStore.view``); position i is the i-th key asked.
    The mapped shards stay readable while the view lives, whatever ``compact`` does.

    Attributes:
        dims: label -> dim, in column order.
        slices: label -> its columns.
        dtype: of what :meth:`take` returns.
    """

    def __init__(
        self, located: Mapping[str, Located], dims: Mapping[str, int], stored: DTypeLike, dtype: DTypeLike
    ) -> None:
        self.dims = dict(dims)
        ends = np.cumsum(list(self.dims.values())).tolist()
        self.slices = {
            label: slice(end - dim, end) for (label, dim), end in zip(self.dims.items(), ends, strict=True)
        }
        self.dtype = np.dtype(dtype)
        self._stored = np.dtype(stored)
        self._located = dict(located)
        # label -> its array in each shard; None is never indexed, a located row is in a shard with the layer
        self._arrays: dict[str, list[Any]] = {
            label: [shard.layers.get(label) for shard in found.shards] for label, found in located.items()
        }

    def __len__(self) -> int:
        return len(next(iter(self._located.values())).row)

    def take(self, indices: ArrayLike) -> NDArray[Any]:
        """Gathers rows by position.

        Args:
            indices: (n,) positions, or (rows,) booleans.

        Returns:
            (n, sum of dims), writable, of ``dtype``.
        """
        rows = self._rows(list(self.dims), np.asarray(indices))
        return self._join(chain.from_iterable(zip(*rows, strict=True)), sum(self.dims.values()))

    def load(self) -> NDArray[Any]:
        """Everything in memory: (rows, sum of dims)."""
        return self.take(np.arange(len(self)))

    def layer(self, label: str) -> NDArray[Any]:
        """One layer of every row in memory: (rows, dim)."""
        return self._join(self._rows([label], np.arange(len(self)))[0], self.dims[label])

    def _rows(self, labels: Sequence[str], indices: NDArray[Any]) -> list[Iterator[Values]]:
        """(layers, n) mapped vectors, one after the other; without Python's own loop a tenth quicker."""
        if not indices.size:
            indices = indices.astype(np.int64)  # an empty list is made of floats
        places: dict[
            int, tuple[list[int], list[int]]
        ] = {}  # worked out once for layers that lie side by side
        rows: list[Iterator[Values]] = []
        for label in labels:
            found, arrays = self._located[label], self._arrays[label]
            if id(found) not in places:
                places[id(found)] = found.shard[indices].tolist(), found.row[indices].tolist()
            shards, within = places[id(found)]
            rows.append(map(getitem, map(arrays.__getitem__, shards), within))
        return rows

    def _join(self, rows: Any, width: int) -> NDArray[Any]:
        # Rows of a shuffled batch lie in many shards. Joining buffers is what a row costs anyway; indexing
        # shard by shard takes about twice as long at batches of 64.
        joined = np.frombuffer(bytearray().join(rows), dtype=self._stored).reshape(-1, width)
        return joined if self.dtype == self._stored else _widened(joined)

    def verify(self, positions: NDArray[np.int64]) -> None:
        """Recomputes the checksums of some rows.

        Raises:
            DamagedShardError: names the shard of the first altered row.
        """
        for label, found in self._located.items():
            for number in np.unique(found.shard[positions]).tolist():
                shard = found.shards[number]
                rows = found.row[positions[found.shard[positions] == number]]
                if altered := shard.altered_rows(label, rows.tolist()):
                    raise DamagedShardError(
                        shard.path, f"{len(altered)} of {len(rows)} rows of {label} checked are altered"
                    )


def _widened(halves: NDArray[Any]) -> NDArray[np.float32]:
    """float16 to float32; PyTorch uses the processor's instruction for it, NumPy takes four times as long."""
    import torch

    widened: NDArray[np.float32] = torch.from_numpy(halves).float().numpy()
    return widened
