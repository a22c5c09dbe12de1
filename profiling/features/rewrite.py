"""Writing rows anew into other shards, by key: what ``compact`` and ``prune`` have in common.

The order makes it safe beside readers and writers: new shards are durable before the first old one goes, and
only shards that were read here go. Readers that have them mapped keep them; a reader between the two steps
sees rows twice, which is harmless; after a kill between them the next ``compact`` drops the repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.catalog import Catalog
from profiling.features.commit import Rows, write_shard
from profiling.features.index import RowIndex
from profiling.features.key import KeyArray
from profiling.features.shard import DamagedShardError, Shard, Values, row_checksum
from profiling.features.spec import Spec
from profiling.features.view import Located
from profiling.provenance import fsync_folder


def rewrite(
    folder: Path, spec: Spec, shards: Sequence[Shard], *, shard_bytes: int, keep: KeyArray | None = None
) -> list[Path]:
    """Replaces shards by as few as possible with the same rows, layers merged by key, each key once.

    Args:
        folder: of the store.
        spec: of the store.
        shards: to replace.
        shard_bytes: a new shard holds at most this much, which is also the memory needed, in bytes.
        keep: (n, 6) the keys to keep; None keeps all.

    Returns:
        The new shards.

    Raises:
        DamagedShardError: a row that does not fit its checksum; nothing is replaced.
        StoreError: the disk is full; nothing is replaced.
    """
    written: list[Path] = []
    try:
        for rows in _merged(
            Catalog(folder, spec, {shard.path.name: shard for shard in shards}), shard_bytes, keep
        ):
            written.append(write_shard(folder, rows, spec.key.sha256))
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    _remove(folder, shards)
    return written


def _remove(folder: Path, shards: Sequence[Shard]) -> None:
    try:
        for shard in shards:
            shard.path.unlink(missing_ok=True)  # another compaction may have been faster
        fsync_folder(folder)
    except OSError as error:  # such as another user's files in a shared folder
        raise StoreError(
            f"{folder}: the merged shards are written, the old ones cannot be removed: {error.strerror}; "
            "their rows are there twice, which is harmless"
        ) from error


def _merged(catalog: Catalog, shard_bytes: int, keep: KeyArray | None) -> Iterator[Rows]:
    words = np.concatenate([shard.words for shard in catalog.shards])
    words = words[RowIndex(words).first_rows()]
    if keep is not None:
        words = words[RowIndex(keep).find(words) >= 0]
    dims = {label: values.shape[1] for shard in catalog.shards for label, values in shard.layers.items()}
    located = catalog.locate(words, sorted(dims))
    has = np.stack([found.row >= 0 for found in located.values()], axis=1)  # (rows, layers)
    for pattern in np.unique(has, axis=0):
        labels = [label for label, there in zip(located, pattern.tolist(), strict=True) if there]
        rows = np.flatnonzero((has == pattern).all(axis=1))
        row_bytes = sum(dims[label] for label in labels) * np.dtype(catalog.spec.key.dtype).itemsize
        parts = -(-len(rows) * row_bytes // shard_bytes)
        for part in np.array_split(rows, min(parts, len(rows))):
            yield _rows(catalog, words[part], {label: _at(located[label], part) for label in labels})


def _at(found: Located, rows: NDArray[np.int64]) -> Located:
    return Located(found.shards, found.shard[rows], found.row[rows])


def _rows(catalog: Catalog, words: KeyArray, located: dict[str, Located]) -> Rows:
    facts = catalog.facts(words)
    gathered = {label: _gather(label, words, found) for label, found in located.items()}
    return Rows(
        words=words,
        layers={label: values for label, (values, _) in gathered.items()},
        checksums={label: checksums for label, (_, checksums) in gathered.items()},
        flags=[fact.flags for fact in facts if fact],
        durations_s=np.array([fact.duration_s for fact in facts if fact], np.float64),
    )


def _gather(label: str, words: KeyArray, found: Located) -> tuple[Values, NDArray[np.uint32]]:
    """Copies a layer's rows; their checksums are carried over and so date from the first commit."""
    first = found.shards[int(found.shard[0])].layers[label]
    values = np.empty((len(words), first.shape[1]), first.dtype)
    checksums = np.empty(len(words), np.uint32)
    for number in np.unique(found.shard).tolist():
        shard, here = found.shards[number], np.flatnonzero(found.shard == number)
        values[here] = shard.layers[label][found.row[here]]
        checksums[here] = shard.checksums[label][found.row[here]]
        for i in here.tolist():
            if row_checksum(label, words[i].tobytes(), values[i]) != checksums[i]:
                raise DamagedShardError(shard.path, f"a row of {label} does not fit its checksum")
    return values, checksums
