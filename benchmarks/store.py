"""How fast the feature store is: a shuffled epoch against a raw memmap and .pt files; opening a million rows.

    python benchmarks/store.py --rows 50000 --dtype float16

Everything is in the page cache (it has just been written): the numbers are those of the second epoch on.
Each time is the best of ``--repeats`` epochs, the ways taking turns, in seconds of the processor: one thread that
waits for nothing, so that what else runs on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.features.commit import Rows, write_shard
from profiling.features.compact import compact
from profiling.features.key import KeyArray, unpack_keys
from profiling.features.shard import row_checksum
from profiling.features.store import FeatureKey, FeatureStore, FeatureView

LAYERS = ("gfe_1", "pool", "embedding")
DIMS = {layer: ECAPA2_LAYERS[layer] for layer in LAYERS}
PT_FILES = 1000  # of .pt measured; 50,000 of them take minutes to write
SHARD_BYTES = 64 * 2**20  # the default of StoreConfig
MILLION_DIM = 8


def random_keys(rows: int) -> KeyArray:
    """(rows, 6) whole files with random hashes."""
    words = np.random.default_rng(0).integers(0, 2**64, (rows, 6), dtype=np.uint64)
    words[:, 4:] = np.array([0, 2**64 - 1], np.uint64)
    return words


def store_of(folder: Path, dims: dict[str, int], dtype: str) -> FeatureStore:
    """An empty store, or the one that is there."""
    key = FeatureKey({"name": "benchmark"}, {}, "fp32", dtype)  # type: ignore[arg-type]
    return FeatureStore.open(folder, key, dims, create=True)


def fill(store: FeatureStore, words: KeyArray, shard_rows: int) -> Iterator[dict[str, NDArray[np.float16]]]:
    """Writes random rows, a shard at a time; yields what it wrote."""
    generator = np.random.default_rng(1)
    for start in range(0, len(words), shard_rows):
        keys = words[start : start + shard_rows]
        layers = {
            label: generator.standard_normal((len(keys), dim), np.float32).astype(store.key.dtype)
            for label, dim in store.spec.layers.items()
        }
        checksums = {
            label: np.array(
                [row_checksum(label, keys[i].tobytes(), values[i]) for i in range(len(keys))], np.uint32
            )
            for label, values in layers.items()
        }
        rows = Rows(keys, layers, checksums, [""] * len(keys), np.full(len(keys), 4.0))
        write_shard(store.folder, rows, store.key.sha256)
        yield layers


def epoch(take: Callable[[NDArray[np.int64]], object], order: NDArray[np.int64], batch: int) -> float:
    """Seconds of the processor for one pass in the given order."""
    begin = time.process_time()
    for start in range(0, len(order), batch):
        take(order[start : start + batch])
    return time.process_time() - begin


def compare(folder: Path, rows: int, dtype: str, batches: list[int], repeats: int) -> None:
    """Prints a shuffled epoch's seconds for each way of keeping ``gfe_1|pool|embedding``."""
    words, width = random_keys(rows), sum(DIMS.values())
    store = store_of(folder / "stores", DIMS, dtype)
    raw = np.memmap(folder / "raw.bin", dtype=dtype, mode="w+", shape=(rows, width))
    filled = 0
    for layers in fill(store, words, SHARD_BYTES // (width * np.dtype(dtype).itemsize)):
        count = len(layers["pool"])
        raw[filled : filled + count] = np.concatenate([layers[label] for label in LAYERS], axis=1)
        filled += count
    raw.flush()
    keys = unpack_keys(words)
    views = {"store": store.view(keys, LAYERS, as_stored=True)}
    shards = len(store.refresh().shards)
    compact(store)
    views["store, compacted"] = store.view(keys, LAYERS, as_stored=True)
    print(f"{rows} rows of {'|'.join(LAYERS)} in {dtype}, {raw.nbytes / 2**20:.0f} MiB, {shards} shards,")
    print(
        f"{len(store.refresh().shards)} after compaction; shuffled epoch, processor seconds (in raw memmaps)"
    )
    check(views, raw)
    if dtype != "float32":
        views["store, as float32"] = store.view(keys, LAYERS)
    pt = pt_seconds(folder / "pt", raw, rows)
    for batch in batches:
        best = race(
            {"raw memmap": raw.__getitem__} | {name: v.take for name, v in views.items()},
            rows,
            batch,
            repeats,
        )
        for name, seconds in best.items():
            print(f"  batch {batch:5d}  {name:22s} {seconds:8.3f}  ({seconds / best['raw memmap']:.2f} x)")
    print(f"  one .pt file a row, extrapolated from {min(PT_FILES, rows)}: {pt:.1f} s")


def check(views: dict[str, FeatureView], raw: NDArray[np.float16]) -> None:
    """The ways must agree before their speed means anything."""
    some = np.random.default_rng(2).integers(0, len(raw), 100)
    for view in views.values():
        np.testing.assert_array_equal(view.take(some), raw[some])


def race(
    ways: dict[str, Callable[[NDArray[np.int64]], object]], rows: int, batch: int, repeats: int
) -> dict[str, float]:
    """Best seconds of the processor of each way; they take turns so that a busy machine slows all of them."""
    best = dict.fromkeys(ways, float("inf"))
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(rows)
        for name, take in ways.items():
            best[name] = min(best[name], epoch(take, order, batch))
    return best


def pt_seconds(folder: Path, raw: NDArray[np.float16], rows: int) -> float:
    """Seconds to load every row from a .pt file of its own, extrapolated from a thousand."""
    folder.mkdir()
    count = min(PT_FILES, rows)
    for i in range(count):
        torch.save(torch.from_numpy(np.array(raw[i])), folder / f"{i}.pt")
    order = np.random.default_rng(3).permutation(count)
    begin = time.process_time()
    for i in order.tolist():
        torch.load(folder / f"{i}.pt", weights_only=True)
    return (time.process_time() - begin) / count * rows


def million(folder: Path, rows: int, shard_rows: int) -> None:
    """Prints what it takes to open a store of a million rows and look all of them up, in a fresh process."""
    for _ in fill(store_of(folder, {"embedding": MILLION_DIM}, "float16"), random_keys(rows), shard_rows):
        pass
    command = [sys.executable, __file__, "--open", str(folder), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    print(f"{rows} rows in {-(-rows // shard_rows)} shards of {MILLION_DIM} dims, in a fresh process:")
    for name, value in measured.items():
        print(f"  {name:40s} {value:8.2f}")


def open_and_look_up(folder: Path, rows: int) -> None:
    """The measured part of :func:`million`, as JSON."""
    before_mib = anonymous_mib()
    begin, busy = time.perf_counter(), time.process_time()
    store = store_of(folder, {"embedding": MILLION_DIM}, "float16")
    assert store.count(["embedding"]) == rows
    measured = {
        "open, index and count, s": time.perf_counter() - begin,
        "the same, s of the processor": time.process_time() - busy,
        "memory for that, MiB": anonymous_mib() - before_mib,
    }
    keys = unpack_keys(random_keys(rows))
    begin = time.perf_counter()
    assert store.missing(keys, ["embedding"]) == []
    measured["missing() of as many keys, s"] = time.perf_counter() - begin
    begin = time.perf_counter()
    store.view(keys, ["embedding"])
    measured["view() of as many keys, s"] = time.perf_counter() - begin
    print(json.dumps(measured))


def anonymous_mib() -> float:
    """Memory of this process that is not a mapped file, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where to write a few GB; default: the system's temporary folder"
    )
    parser.add_argument("--million-rows", type=int, default=1_000_000, help="0 leaves that part out")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open:
        open_and_look_up(asked.open, asked.rows)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        compare(Path(name), asked.rows, asked.dtype, asked.batches, asked.repeats)
        if asked.million_rows:
            million(Path(name) / "million", asked.million_rows, shard_rows=1600)


if __name__ == "__main__":
    main()
