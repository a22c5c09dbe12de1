"""Whether memory follows the number of files: peak of a fresh process that extracts 1,000 and 5,000 recordings.

    python benchmarks/memory.py

Also how long a warm start takes: 100,000 rows that are cached, from the plan to the first training batch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from profiling.audio_index import Remembered
from profiling.backbones.spectral import SpectralStats
from profiling.config import RunConfig
from profiling.features.commit import Rows, write_shard
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up
from profiling.features.key import pack_keys
from profiling.features.shard import row_checksum
from profiling.features.store import RowKey
from profiling.provenance import sha256_bytes

LAYERS = ["embedding"]
BATCH = 64


def settings(folder: Path) -> RunConfig:
    """The defaults, below ``folder``."""
    config = RunConfig()
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")
    config.trainer.progress = False
    return config


def utterances(folder: Path, count: int) -> list[Utterance]:
    """Names of recordings."""
    return [Utterance(f"{i}", folder / f"{i}.wav") for i in range(count)]


def record(folder: Path, count: int, shortest_s: float, longest_s: float) -> None:
    """Writes noise, each file its own, of uniformly spread durations."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for asked, seconds in zip(
        utterances(folder, count), random.uniform(shortest_s, longest_s, count), strict=True
    ):
        sf.write(asked.path, 0.1 * random.standard_normal(int(16_000 * seconds), np.float32), 16_000)


def extract_and_report(folder: Path, count: int) -> None:
    """In a fresh process: MiB at the peak."""
    setup = set_up(SpectralStats(), LAYERS, settings(folder / f"run{count}"))
    done = run_extraction(setup, plan_extraction(setup, utterances(folder / "audio", count)))
    assert done.computed == count
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would be the parent's
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def peak_mib(folder: Path, count: int) -> float:
    """Of a fresh process."""
    command = [sys.executable, __file__, "--peak", str(folder), "--files", str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compare_peaks(folder: Path, count: int, seconds: list[float]) -> None:
    """Prints the peak for a fifth of the recordings, for all of them, and their ratio."""
    record(folder / "audio", count, *seconds)
    few, many = peak_mib(folder, count // 5), peak_mib(folder, count)
    print(f"peak memory, files of {seconds[0]:g} to {seconds[1]:g} s: ", end="")
    print(f"{few:.0f} MiB for {count // 5}, {many:.0f} MiB for {count}, ratio {many / few:.2f}")


def fill(folder: Path, count: int) -> list[Utterance]:
    """A store and remembered hashes of ``count`` empty files, without computing anything."""
    setup, asked = set_up(SpectralStats(), LAYERS, settings(folder)), utterances(folder / "audio", count)
    (folder / "audio").mkdir(parents=True)
    keys, random = [RowKey(sha256_bytes(u.utt_id.encode())) for u in asked], np.random.default_rng(0)
    for u, key in zip(asked, keys, strict=True):
        u.path.touch()
        setup.index.keep(u.path, Remembered(0, u.path.stat().st_mtime_ns, key.audio_sha256, 8000, 16_000, 1))
    setup.index.commit()
    values = random.standard_normal((count, setup.store.spec.layers["embedding"])).astype(np.float32)
    for first in range(0, count, 1600):
        words, some = pack_keys(keys[first : first + 1600]), values[first : first + 1600]
        sums = [row_checksum("embedding", words[i].tobytes(), some[i]) for i in range(len(words))]
        rows = Rows(
            words,
            {"embedding": some},
            {"embedding": np.array(sums, np.uint32)},
            [""] * len(words),
            np.full(len(words), 0.5),
        )
        write_shard(setup.store.folder, rows, setup.store.key.sha256)
    return asked


def warm_start_s(folder: Path, asked: list[Utterance]) -> tuple[float, float]:
    """Seconds, and seconds of the processor, from nothing open to the first batch."""
    begin, busy = time.perf_counter(), time.process_time()
    setup = set_up(SpectralStats(), LAYERS, settings(folder))
    done = run_extraction(setup, plan_extraction(setup, asked))
    assert done.cached == len(asked)
    view = done.store.view([key for key in done.keys if key], LAYERS)
    view.take(np.random.default_rng(0).permutation(len(asked))[:BATCH])
    return round(time.perf_counter() - begin, 2), round(time.process_time() - busy, 2)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=5000, help="0 leaves the peaks out")
    parser.add_argument("--seconds", type=float, nargs=2, default=[2.0, 8.0], help="shortest and longest")
    parser.add_argument("--rows", type=int, default=100_000, help="0 leaves the warm start out")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        extract_and_report(asked.peak, asked.files)
        return
    with tempfile.TemporaryDirectory() as name:
        if asked.rows:
            warm = fill(Path(name) / "warm", asked.rows)
            seconds = sorted(warm_start_s(Path(name) / "warm", warm) for _ in range(3))
            print(f"warm start over {asked.rows} rows to the first batch, (s, s of processor): {seconds}")
        if asked.files:
            compare_peaks(Path(name), asked.files, asked.seconds)


if __name__ == "__main__":
    main()
