"""Extraction against the model card's own loop: the same recordings, the same network, side by side.

    python benchmarks/extraction.py ../shared/speech/emodb/manifest.csv --rounds 9
    python benchmarks/extraction.py ../shared/speech/emodb/manifest.csv --only full --rounds 3

The card's loop reads a recording, calls the TorchScript network on it with the card's own remedy
(``torch.jit.optimized_execution(False)``) and keeps the result. The extraction hashes, decodes, computes and
commits checked rows to a fresh store. Both are warm and on two threads; slices of recordings alternate, so
that a busy machine disturbs both alike; a ratio is taken within each round, and the median is printed with
the quartiles. CPU seconds of the process are printed beside the wall clock: other people's load moves them less.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import torch

from profiling.backbones.build import build_backbone
from profiling.backbones.calibration import untrained
from profiling.backbones.export import export_torchscript
from profiling.backbones.frontend import LogSpectrogram
from profiling.backbones.protocol import ECAPA2_LAYERS, Backbone
from profiling.config import BackboneConfig, NativeConfig, RunConfig
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up

THREADS = 2
#: name -> (recordings in a slice, allowed ratio): full width costs 5 to 10 s per second of audio.
CASES = {"full": (2, 1.02), "native_mini": (16, 0.7), "spectral_stats": (48, 0.5)}

Loop = Callable[[Sequence[Path]], object]


@dataclass(frozen=True)
class Case:
    """One comparison: both do the same recordings.

    Attributes:
        ours: extraction into a fresh store.
        card: the loop that people write.
    """

    name: str
    ours: Loop
    card: Loop


def pipeline(backbone: Backbone, folder: Path) -> Loop:
    """The extraction of all layers, store included."""
    config = RunConfig()
    config.trainer.progress = False
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")

    def run(paths: Sequence[Path]) -> object:
        shutil.rmtree(folder, ignore_errors=True)
        setup = set_up(backbone, list(backbone.layers), config)
        done = run_extraction(setup, plan_extraction(setup, [Utterance(str(p), p) for p in paths]))
        if done.computed != len(paths):
            raise SystemExit(f"{done.computed} of {len(paths)} computed: {done.quarantined}")
        return done

    return run


def card_loop(file: Path) -> Loop:
    """As on the card, recording by recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ecapa2 = torch.jit.load(str(file), map_location="cpu")
    label = "|".join(ECAPA2_LAYERS)

    def run(paths: Sequence[Path]) -> object:
        rows = []
        for path in paths:
            audio = torch.from_numpy(sf.read(path, dtype="float32", always_2d=True)[0].T)  # (1, samples)
            with torch.jit.optimized_execution(False):
                rows.append(ecapa2(audio, label=label).numpy())
        return rows

    return run


def naive_spectrum(paths: Sequence[Path]) -> object:
    """Mean and variance of the same spectrogram, recording by recording."""
    spectrogram, rows = LogSpectrogram(centre=False), []
    for path in paths:
        audio = torch.from_numpy(sf.read(path, dtype="float32", always_2d=True)[0].T)
        with torch.inference_mode():
            logs = spectrogram(audio)[0][0, 0]  # (256, frames)
            rows.append(torch.cat([logs.mean(1), logs.var(1, unbiased=False)]).numpy())
    return rows


def build(name: str, folder: Path) -> Case:
    """The two sides of a case; ``folder`` takes the exported network and the store."""
    if name == "spectral_stats":
        backbone = build_backbone(BackboneConfig(name=name, device="cpu"), folder)
        return Case(name, pipeline(backbone, folder / name), naive_spectrum)
    file = folder / f"{name}.pt"
    if name == "full":
        export_torchscript(untrained(NativeConfig()), file)
        same = build_backbone(BackboneConfig(path=str(file), device="cpu"), folder)
        return Case(name, pipeline(same, folder / name), card_loop(file))
    from profiling.backbones.checkpoint import load_weights
    from profiling.backbones.native import MINI_WEIGHTS

    export_torchscript(load_weights(MINI_WEIGHTS), file, "mini")
    backbone = build_backbone(BackboneConfig(name=name, device="cpu"), folder)
    return Case(name, pipeline(backbone, folder / name), card_loop(file))


def timed(loop: Loop, paths: Sequence[Path]) -> tuple[float, float]:
    """Wall and CPU seconds of one slice."""
    wall, cpu = time.perf_counter(), time.process_time()
    loop(paths)
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(case: Case, slices: Sequence[Sequence[Path]]) -> np.ndarray:
    """(rounds, 2, 2): ours and the card's; wall and CPU seconds. The first slice warms both and is dropped."""
    rounds = []
    for number, paths in enumerate(slices):
        sides = [case.ours, case.card] if number % 2 else [case.card, case.ours]
        found = {id(side): timed(side, paths) for side in sides}
        rounds.append([found[id(case.ours)], found[id(case.card)]])
    return np.array(rounds[1:])


def line(name: str, seconds: np.ndarray, audio_s: float) -> str:
    """A row of the table."""
    ratio = seconds[:, 0] / seconds[:, 1]
    low, middle, high = np.quantile(ratio[:, 0], [0.25, 0.5, 0.75])
    cells = [
        name,
        str(len(ratio)),
        f"{middle:.3f} ({low:.3f} to {high:.3f})",
        f"{np.median(ratio[:, 1]):.3f}",
        f"{CASES[name][1]}",
        f"{audio_s / seconds[:, 0, 0].sum():.1f}",
        f"{audio_s / seconds[:, 1, 0].sum():.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=list(CASES), action="append")
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    paths = [asked.manifest.parent / path for path in pd.read_csv(asked.manifest, dtype=str)["path"]]
    seconds = {path: sf.info(path).duration for path in paths}
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"torch {torch.__version__}, {THREADS} threads, {os.cpu_count()} cores, load {load}\n")
    print("| backbone | rounds | wall, ours / loop (quartiles) | CPU | allowed | x real time | loop's |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.only or CASES:
        size = CASES[name][0]
        chosen = sorted(paths, key=seconds.__getitem__) if name == "full" else paths
        slices = [
            [chosen[(i * size + j) % len(chosen)] for j in range(size)] for i in range(asked.rounds + 1)
        ]
        with tempfile.TemporaryDirectory() as folder:
            found = compare(build(name, Path(folder)), slices)
        print(line(name, found, sum(seconds[p] for part in slices[1:] for p in part)), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of the process {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
