"""Finding rows by key among millions, without a Python object per row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiling.features.key import KeyArray

# Odd 64-bit constants spread the span over the word; the sha256 is uniform by itself.
_START_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_END_FACTOR = np.uint64(0xC2B2AE3D27D4EB4F)


def key_hashes(words: KeyArray) -> NDArray[np.uint64]:
    """(rows,) one word per key; equal keys give equal words, different ones nearly always different ones."""
    hashes: NDArray[np.uint64] = words[:, 0] ^ (words[:, 4] * _START_FACTOR) ^ (words[:, 5] * _END_FACTOR)
    return hashes


class RowIndex:
    """Positions of keys in a list of rows. The whole key is compared, so a hash collision costs time only.

    Args:
        words: (rows, 6) keys, repeats allowed.
    """

    def __init__(self, words: KeyArray) -> None:
        hashes = key_hashes(words)
        self._words = words
        self._order = np.argsort(hashes, kind="stable")  # equal keys stay in row order
        self._hashes = hashes[self._order]

    def find(self, wanted: KeyArray) -> NDArray[np.int64]:
        """(n,) the first row that has each key, -1 where none has it."""
        hashes = key_hashes(wanted)
        at = np.searchsorted(self._hashes, hashes)  # the first row with this hash, if there is one
        found = np.full(len(wanted), -1, dtype=np.int64)
        pending = np.arange(len(wanted))
        while pending.size:
            pending = pending[at[pending] < len(self._hashes)]
            pending = pending[self._hashes[at[pending]] == hashes[pending]]
            rows = self._order[at[pending]]
            equal = (self._words[rows] == wanted[pending]).all(axis=1)
            found[pending[equal]] = rows[equal]
            pending = pending[~equal]
            at[pending] += 1  # another key with the same hash: look at the next row
        return found

    def first_rows(self) -> NDArray[np.int64]:
        """Rows whose key occurs in no earlier row, ascending."""
        first = np.ones(len(self._words), dtype=np.bool_)
        same_hash = np.flatnonzero(self._hashes[1:] == self._hashes[:-1]) + 1
        suspects = self._order[same_hash]  # all others are the first row with their hash
        first[suspects] = self.find(self._words[suspects]) == suspects
        return np.flatnonzero(first)
