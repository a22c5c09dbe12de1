"""Few large shards instead of many small ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiling.features.index import RowIndex
from profiling.features.rewrite import rewrite
from profiling.features.shard import Shard
from profiling.features.store import FeatureStore

#: Large enough that a million rows (41 GB) are 80 files, small enough to be put together in memory.
COMPACT_SHARD_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Compaction:
    """What ``compact`` did.

    Attributes:
        shards_before, shards_after: files of the store.
        bytes_before, bytes_after: their sizes.
        merged: how many of the files before were replaced.
    """

    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int
    merged: int


def compact(store: FeatureStore, *, shard_bytes: int = COMPACT_SHARD_BYTES) -> Compaction:
    """Merges small shards and layers that were computed apart, and drops rows written twice.

    Safe beside readers and writers on a local file system (see :mod:`profiling.features.rewrite`); needs free
    disk space for what is merged. A second call right after the first finds nothing to do.

    Raises:
        StoreError: a damaged shard, or no room; the store is then as it was.
    """
    before = store.refresh().shards
    chosen = _to_merge(before, shard_bytes)
    if chosen:
        rewrite(store.folder, store.spec, chosen, shard_bytes=shard_bytes)
    after = store.refresh().shards
    return Compaction(
        len(before),
        len(after),
        sum(shard.num_bytes for shard in before),
        sum(shard.num_bytes for shard in after),
        len(chosen),
    )


def _to_merge(shards: Sequence[Shard], shard_bytes: int) -> list[Shard]:
    """Shards that share a key with another or repeat one, and small ones that have a small sibling."""
    overlapping = _overlapping(shards)
    small = [
        i for i, shard in enumerate(shards) if 2 * shard.feature_bytes < shard_bytes and i not in overlapping
    ]
    siblings = Counter(frozenset(shards[i].layers) for i in small)
    grouped = {i for i in small if siblings[frozenset(shards[i].layers)] > 1}
    return [shards[i] for i in sorted(overlapping | grouped)]


def _overlapping(shards: Sequence[Shard]) -> set[int]:
    if not shards:
        return set()
    words = np.concatenate([shard.words for shard in shards])
    shard_of = np.repeat(np.arange(len(shards)), [len(shard) for shard in shards])
    first = RowIndex(words).find(words)
    repeats = np.flatnonzero(first != np.arange(len(words)))
    return {*shard_of[repeats].tolist(), *shard_of[first[repeats]].tolist()}
