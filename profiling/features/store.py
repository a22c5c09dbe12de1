"""The feature store: one folder per feature key, rows found by audio content and span, never by position.

A folder holds ``spec.json`` (the full key) and immutable shards. Writers add shards without locks; readers
see whole shards only. A layer computed later is another shard with the same keys; reading joins by key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError, did_you_mean
from profiling.features.catalog import Catalog
from profiling.features.key import SCHEMA_VERSION, FeatureKey, RowKey, describe_keys, pack_keys, unpack_keys
from profiling.features.shard import FLAG_SEPARATOR
from profiling.features.spec import FILE_NAME, Spec, check_spec, read_spec, write_spec
from profiling.features.view import SAMPLE_ROWS, FeatureView
from profiling.features.writer import ShardWriter

__all__ = ["SCHEMA_VERSION", "FeatureKey", "FeatureStore", "FeatureView", "RowKey", "ShardWriter", "Verify"]

#: Row checksums recomputed on reading: some rows spread over those asked, every row, none.
Verify = Literal["sample", "all", "none"]


class FeatureStore:
    """The rows of one feature key. Make one with :meth:`open` or :meth:`load`.

    Attributes:
        folder: where the shards are.
        spec: what ``spec.json`` says.
    """

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.folder = folder
        self.spec = spec
        self._catalog = Catalog(folder, spec)

    @classmethod
    def open(
        cls,
        root: Path,
        key: FeatureKey,
        layers: Mapping[str, int],
        create: bool,
        *,
        training: str = "unknown",
    ) -> FeatureStore:
        """Opens the store of a key.

        Args:
            root: folder of all stores (``paths.features``).
            key: what the numbers depend on.
            layers: label -> dim, of the backbone.
            create: make the folder where there is none.
            training: ``Backbone.training``, kept for people to read.

        Raises:
            StoreError: absent and not to be created, or its ``spec.json`` says something else.
        """
        folder = root / key.folder_name
        if not (folder / FILE_NAME).exists():
            if not create:
                raise StoreError(
                    f"no features of this backbone and front end in {root}; run `profiling extract`"
                )
            write_spec(folder, key, layers, training)
        return cls(folder, check_spec(folder, key, layers))

    @classmethod
    def load(cls, folder: Path) -> FeatureStore:
        """Opens a store by its folder, for the key that its own ``spec.json`` gives.

        Raises:
            StoreError: no store, or its ``spec.json`` was edited.
        """
        return cls(folder, read_spec(folder))

    @property
    def key(self) -> FeatureKey:
        """What the numbers depend on."""
        return self.spec.key

    def refresh(self) -> Catalog:
        """The rows as they are on disk now; cheap when no shard came or went.

        Raises:
            StoreError: a damaged shard, by name.
        """
        self._catalog = self._catalog.refreshed()
        return self._catalog

    def writer(
        self,
        layers: Sequence[str],
        *,
        shard_bytes: int,
        commit_every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> ShardWriter:
        """A writer of rows that bring exactly these layers; see :class:`ShardWriter`."""
        return ShardWriter(
            self.folder,
            self.key,
            self._dims(layers),
            shard_bytes=shard_bytes,
            commit_every_s=commit_every_s,
            clock=clock,
        )

    def missing(self, keys: Sequence[RowKey], layers: Sequence[str]) -> list[RowKey]:
        """Those of ``keys`` that lack one of ``layers``: each once, in the order asked."""
        dims = self._dims(layers)
        unique = list(dict.fromkeys(keys))
        present = self.refresh().has(pack_keys(unique), list(dims))
        return [unique[i] for i in np.flatnonzero(~present).tolist()]

    def present(self, layers: Sequence[str]) -> set[RowKey]:
        """Keys of the rows that have all of ``layers``, in whatever shards."""
        return set(unpack_keys(self.refresh().rows_with(list(self._dims(layers)))))

    def count(self, layers: Sequence[str]) -> int:
        """The number of rows that have all of ``layers``."""
        return len(self.refresh().rows_with(list(self._dims(layers))))

    def view(
        self,
        keys: Sequence[RowKey],
        layers: Sequence[str],
        *,
        verify: Verify = "sample",
        as_stored: bool = False,
    ) -> FeatureView:
        """Resolves keys once, for many batches.

        Args:
            keys: rows, in the order of the view; repeats allowed.
            layers: labels, in the order of the columns.
            verify: which row checksums are recomputed now.
            as_stored: batches in the stored type instead of float32.

        Raises:
            StoreError: rows that are not there, or a damaged shard.
        """
        dims = self._dims(layers)
        located = self.refresh().locate(pack_keys(keys), list(dims))
        lost = np.any([found.row < 0 for found in located.values()], axis=0)
        if lost.any():
            raise self._lost([keys[i] for i in np.flatnonzero(lost).tolist()], len(keys), list(dims))
        dtype = self.key.dtype if as_stored else "float32"
        view = FeatureView(located, dims, self.key.dtype, dtype)
        view.verify(_positions(len(keys), verify))
        return view

    def read(
        self, keys: Sequence[RowKey], layers: Sequence[str], *, verify: Verify = "sample"
    ) -> dict[str, NDArray[Any]]:
        """Reads rows into memory: label -> (n, dim) float32, in the order of ``keys``.

        Raises:
            StoreError: rows that are not there, or a damaged shard.
        """
        view = self.view(keys, layers, verify=verify)
        return {label: view.layer(label) for label in view.dims}

    def flags(self, keys: Sequence[RowKey]) -> dict[RowKey, tuple[str, ...]]:
        """What was noted about each row when it was computed, such as ``windowed`` or ``upsampled``.

        Raises:
            StoreError: rows that are not there.
        """
        facts = self.refresh().facts(pack_keys(keys))
        if lost := [key for key, fact in zip(keys, facts, strict=True) if fact is None]:
            raise self._lost(lost, len(keys), [])
        found = {key: fact.flags for key, fact in zip(keys, facts, strict=True) if fact}
        return {key: tuple(flags.split(FLAG_SEPARATOR)) if flags else () for key, flags in found.items()}

    def _dims(self, layers: Sequence[str]) -> dict[str, int]:
        if not layers:
            raise StoreError("no layer is asked for; name at least one")
        for label in layers:
            if label not in self.spec.layers:
                raise StoreError(
                    f"{self.folder}: no layer {label!r}; {did_you_mean(label, self.spec.layers)}"
                )
        return {label: self.spec.layers[label] for label in layers}

    def _lost(self, lost: list[RowKey], asked: int, layers: list[str]) -> StoreError:
        of_layers = f" with layers {'|'.join(layers)}" if layers else ""
        return StoreError(
            f"{self.folder} lacks {len(lost)} of {asked} rows{of_layers}: {describe_keys(lost)}; "
            "run `profiling extract` for their corpora"
        )


def _positions(rows: int, verify: Verify) -> NDArray[np.int64]:
    if verify == "none":
        return np.empty(0, np.int64)
    if verify == "all" or rows <= SAMPLE_ROWS:
        return np.arange(rows)
    return np.linspace(0, rows - 1, SAMPLE_ROWS).astype(np.int64)
