"""Start-up and throughput of prediction, beside one-file-at-a-time calls in the style of the peers.

``python benchmarks/predict.py FOLDER [--files 60] [--rounds 3]``: medians of interleaved rounds in one process, both
warm; the default profilers (native_mini, age and gender). Peers' style: a loaded model, asked file by file for each
task by itself, one waveform a call.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from profiling.audio import load_audio
from profiling.predict import Panel, PanelOptions, Profiler, default_bundles, load_profilers


def seconds(work: Callable[[], object]) -> float:
    """Wall time."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_by_one(profilers: list[Profiler], paths: list[Path]) -> None:
    """As the peers' examples do: nothing shared between tasks or files."""
    for path in paths:
        for profiler in profilers:
            waveform = load_audio(path).waveform
            features = profiler.backbone.extract([waveform], profiler.layers)
            profiler.answers([{layer: rows[0] for layer, rows in features.items()}])


def started(*arguments: str) -> float:
    """Wall time of a command in a process of its own."""
    command = [sys.executable, "-m", "profiling", *arguments]
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def main() -> None:
    """Prints medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    paths = sorted(path for path in asked.folder.rglob("*") if path.is_file())[: asked.files]
    profilers = load_profilers(default_bundles())
    print(f"--help {statistics.median(started('--help') for _ in range(3)):.2f} s")
    print(f"first answer {statistics.median(started('predict', str(paths[0])) for _ in range(3)):.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], object]] = {
            "one file, one task at a time": lambda: one_by_one(profilers, paths),
            "panel": lambda: list(Panel(profilers, PanelOptions(cache="off")).profiles(paths)),
            "panel, features seen before": lambda: list(
                Panel(profilers, PanelOptions(cache="write", features=Path(folder))).profiles(paths)
            ),
        }
        for work in ways.values():
            work()
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(asked.rounds):
            for name, work in ways.items():
                taken[name].append(seconds(work))
    first = statistics.median(taken["one file, one task at a time"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name}: {len(paths) / middle:.1f} files/s, {first / middle:.2f} x")


if __name__ == "__main__":
    main()
