"""Rows for the tests of the store: a stand-in for a backbone whose numbers follow from the key alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from profiling.features.store import FeatureKey, FeatureStore, RowKey

DIMS = {"gfe_1": 8, "gfe_2": 8, "pool": 12, "attention": 12, "embedding": 4}


def feature_key(**changes: object) -> FeatureKey:
    fields: dict[str, object] = {
        "backbone": {"name": "stub", "weights_sha256": "1f" * 32},
        "front_end": {
            "sample_rate_hz": 16000,
            "resampler": "soxr_hq",
            "channel": "mix",
            "max_duration_s": 30.0,
        },
        "precision": "fp32",
        "dtype": "float32",
    }
    return FeatureKey(**{**fields, **changes})  # type: ignore[arg-type]


def row_keys(count: int, prefix: str = "") -> list[RowKey]:
    return [RowKey(hashlib.sha256(f"{prefix}{i}".encode()).hexdigest()) for i in range(count)]


def features(
    key: RowKey, layers: Sequence[str], dims: Mapping[str, int] = DIMS
) -> dict[str, NDArray[np.float32]]:
    """The one true value of a row: standard normal numbers seeded by key and layer."""
    rows = {}
    for layer in layers:
        seed = int.from_bytes(hashlib.sha256(f"{key}{layer}".encode()).digest()[:8], "little")
        rows[layer] = np.random.default_rng(seed).standard_normal(dims[layer]).astype(np.float32)
    return rows


def expected(keys: Sequence[RowKey], layer: str) -> NDArray[np.float32]:
    return np.stack([features(key, [layer])[layer] for key in keys])


def open_store(root: Path, **changes: object) -> FeatureStore:
    return FeatureStore.open(root, feature_key(**changes), DIMS, create=True)


def fill(
    store: FeatureStore, keys: Sequence[RowKey], layers: Sequence[str] = tuple(DIMS), rows_per_shard: int = 10
) -> None:
    row_bytes = sum(DIMS[layer] for layer in layers) * np.dtype(store.key.dtype).itemsize
    with store.writer(layers, shard_bytes=rows_per_shard * row_bytes, commit_every_s=60.0) as writer:
        for key in keys:
            writer.add(key, features(key, layers), duration_s=1.5)


def shard_paths(store: FeatureStore) -> list[Path]:
    return sorted(store.folder.glob("*.arrow"))
