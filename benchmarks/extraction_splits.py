"""Processes, streams or PyTorch's own threads: which split of two cores extracts fastest, on real files.

    python benchmarks/extraction_splits.py ../shared/speech/speechocean762/manifest.csv --backbone native_mini

Every way fills a fresh store with the same recordings, start-up included: a process imports PyTorch and loads a
backbone of its own. What a way needs for four recordings is printed as its start-up. The ways take turns; the
median of the rounds is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import torch

from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import Backbone
from profiling.config import RunConfig
from profiling.features.blocks import build_configured
from profiling.features.decode import Utterance
from profiling.features.extract import compute_here, plan_extraction, run_extraction, set_up
from profiling.features.processes import run_in_processes

CORES = 2
#: name -> (extract.processes, extract.streams)
WAYS = {
    "1 process, 1 stream, 2 threads": (1, 1),
    "1 process, 2 streams of 1 thread": (1, 2),
    "2 processes of 1 thread": (2, 1),
}
FEW = 4  # recordings that show the start-up


def settings(folder: Path, backbone: str, way: str) -> RunConfig:
    """The defaults, below ``folder``, split in this way."""
    config = RunConfig()
    config.trainer.progress = False
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")
    config.backbone.name, config.backbone.device = backbone, "cpu"
    config.extract.processes, config.extract.streams = WAYS[way]
    return config


def processor_s() -> float:
    """Seconds of the processor so far, of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def seconds(folder: Path, backbone: Backbone, way: str, paths: list[Path]) -> tuple[float, float]:
    """Wall and processor seconds of one extraction into a fresh store."""
    shutil.rmtree(folder, ignore_errors=True)
    config = settings(folder, backbone.name, way)
    engine = partial(run_in_processes, build=build_configured) if WAYS[way][0] > 1 else compute_here
    wall, busy = time.perf_counter(), processor_s()
    setup = set_up(backbone, list(backbone.layers), config)
    done = run_extraction(setup, plan_extraction(setup, [Utterance(str(p), p) for p in paths]), engine)
    if done.computed + done.shared != len(paths):
        raise SystemExit(f"{done.computed} of {len(paths)} computed: {done.quarantined}")
    return time.perf_counter() - wall, processor_s() - busy


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument("--backbone", default="native_mini", choices=["native_mini", "spectral_stats"])
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(CORES)
    table = pd.read_csv(asked.manifest, dtype=str)["path"]
    paths = [asked.manifest.parent / path for path in table[:: max(1, len(table) // asked.files)]][
        : asked.files
    ]
    audio_s = sum(sf.info(path).duration for path in paths)
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"{asked.backbone}, {len(paths)} files, {audio_s:.0f} s of audio, {CORES} cores, load {load}\n")
    print("| split | wall s | x real time | processor s | start-up s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backbone = build_backbone(settings(folder, asked.backbone, next(iter(WAYS))).backbone, folder)
        starts = {way: seconds(folder / "store", backbone, way, paths[:FEW])[0] for way in WAYS}
        rounds = [
            [seconds(folder / "store", backbone, way, paths) for way in WAYS] for _ in range(asked.rounds)
        ]
    for way, (wall, busy) in zip(WAYS, np.median(rounds, axis=0), strict=True):
        print(f"| {way} | {wall:.1f} | {audio_s / wall:.0f} | {busy:.1f} | {starts[way]:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
