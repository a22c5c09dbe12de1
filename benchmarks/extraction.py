"""Extraction against the model card's own loop: the same recordings, the same network, side by side.

    python benchmarks/extraction.py ../shared/speech/speechocean762/manifest.csv --rounds 5
    python benchmarks/extraction.py ../shared/speech/emodb/manifest.csv --only full --rounds 3

The card's loop reads a recording, calls the TorchScript network on it with the card's own remedy
(``torch.jit.optimized_execution(False)``) and keeps the result. The extraction hashes, decodes, computes and
commits checked rows to a fresh store. The forward pass alone computes the same batches in the same streams, of
audio that is in memory already. All are warm and have two threads; slices of recordings alternate, so
that a busy machine disturbs all alike; a ratio is taken within each round, and the median is printed with
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

from profiling.audio import load_audio
from profiling.backbones.build import build_backbone
from profiling.backbones.calibration import untrained
from profiling.backbones.checkpoint import load_weights
from profiling.backbones.export import export_torchscript
from profiling.backbones.frontend import (
    EDGE_SAMPLES,
    FFT_SAMPLES,
    HOP_SAMPLES,
    POWER_FLOOR,
    WINDOW_SAMPLES,
)
from profiling.backbones.native import MINI_WEIGHTS
from profiling.backbones.protocol import ECAPA2_LAYERS, Backbone
from profiling.config import BackboneConfig, NativeConfig, RunConfig
from profiling.features.batching import Batcher, Piece
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up
from profiling.features.streams import batch_seconds, compute_batches, stream_count

THREADS = 2
#: name -> (recordings in a slice, allowed ratio): full width costs 5 to 10 s per second of audio.
CASES = {"full": (4, 1.02), "native_mini": (96, 0.7), "spectral_stats": (400, 0.5)}

Loop = Callable[[Sequence[Path]], object]


@dataclass(frozen=True)
class Case:
    """One comparison: all sides do the same recordings.

    Attributes:
        ours: extraction into a fresh store.
        card: the loop that people write.
        forward: the backbone alone, as the extraction calls it; decoded before the clock starts.
    """

    name: str
    ours: Loop
    card: Loop
    forward: Forward


def settings(folder: Path, asked: argparse.Namespace) -> RunConfig:
    """The defaults, below ``folder``, and what the command line asks for."""
    config = RunConfig()
    config.trainer.progress = False
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")
    config.extract.streams, config.extract.batch_size = asked.streams, asked.batch_size
    return config


def pipeline(backbone: Backbone, folder: Path, config: RunConfig) -> Loop:
    """The extraction of all layers, store included."""

    def run(paths: Sequence[Path]) -> object:
        shutil.rmtree(folder, ignore_errors=True)
        setup = set_up(backbone, list(backbone.layers), config)
        done = run_extraction(setup, plan_extraction(setup, [Utterance(str(p), p) for p in paths]))
        if done.computed != len(paths):
            raise SystemExit(f"{done.computed} of {len(paths)} computed: {done.quarantined}")
        return done

    return run


class Forward:
    """The backbone on decoded audio, in the extraction's batches and streams."""

    def __init__(self, backbone: Backbone, config: RunConfig) -> None:
        self._backbone, self._size = backbone, config.extract.batch_size
        self._streams = stream_count(config.extract.streams, backbone)
        self._heard: dict[Path, np.ndarray] = {}

    def hear(self, paths: Sequence[Path]) -> None:
        """Decodes, before the clock starts."""
        self._heard = {path: load_audio(path).waveform for path in paths}

    def __call__(self, paths: Sequence[Path]) -> object:
        """Computes what was heard."""
        batcher = Batcher(
            self._backbone.batching, self._size, max_batch_s=batch_seconds(self._backbone, self._streams)
        )
        pieces = [Piece(number, 0, self._heard[path]) for number, path in enumerate(paths)]
        batches = [batch for piece in pieces for batch in batcher.add(piece)] + list(batcher.flush())
        return list(compute_batches(self._backbone, list(self._backbone.layers), batches, self._streams))


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
    """Mean and variance of the same spectrogram as one writes it with PyTorch alone, recording by recording."""
    window, rows = torch.hamming_window(WINDOW_SAMPLES), []
    for path in paths:
        audio = torch.from_numpy(sf.read(path, dtype="float32", always_2d=True)[0].T)  # (1, samples)
        with torch.inference_mode():
            padded = torch.nn.functional.pad(audio, [EDGE_SAMPLES, EDGE_SAMPLES], mode="reflect")
            spectrum = torch.stft(
                padded, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, window, center=False, return_complex=True
            )
            logs = torch.log(spectrum[0].abs().square() + POWER_FLOOR)  # (256, frames)
            rows.append(torch.cat([logs.mean(1), logs.var(1, unbiased=False)]).numpy())
    return rows


def build(name: str, folder: Path, asked: argparse.Namespace) -> Case:
    """The sides of a case; ``folder`` takes the exported network and the store."""
    file, config = folder / f"{name}.pt", settings(folder / name, asked)
    if name == "spectral_stats":
        backbone, card = build_backbone(BackboneConfig(name=name, device="cpu"), folder), naive_spectrum
    elif name == "full":
        export_torchscript(untrained(NativeConfig()), file)
        backbone, card = build_backbone(BackboneConfig(path=str(file), device="cpu"), folder), card_loop(file)
    else:
        export_torchscript(load_weights(MINI_WEIGHTS), file, "mini")
        backbone, card = build_backbone(BackboneConfig(name=name, device="cpu"), folder), card_loop(file)
    return Case(name, pipeline(backbone, folder / name, config), card, Forward(backbone, config))


def timed(loop: Loop, paths: Sequence[Path]) -> tuple[float, float]:
    """Wall and CPU seconds of one slice."""
    wall, cpu = time.perf_counter(), time.process_time()
    loop(paths)
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(case: Case, slices: Sequence[Sequence[Path]]) -> np.ndarray:
    """(rounds, 3, 2): ours, the card's, forward; wall and CPU seconds. The first slice warms all and is dropped."""
    rounds, sides = [], [case.ours, case.card, case.forward]
    for number, paths in enumerate(slices):
        case.forward.hear(paths)
        turn = sides[number % 3 :] + sides[: number % 3]
        found = {id(side): timed(side, paths) for side in turn}
        rounds.append([found[id(side)] for side in sides])
    return np.array(rounds[1:])


def line(name: str, seconds: np.ndarray, audio_s: float) -> str:
    """A row of the table."""
    ratio = seconds[:, 0] / seconds[:, 1]
    low, middle, high = np.quantile(ratio[:, 0], [0.25, 0.5, 0.75])
    speeds = audio_s / seconds[:, :, 0].sum(axis=0)  # (3,) seconds of audio per second
    cells = [
        name,
        f"{len(ratio)} of {CASES[name][0]}",
        f"{middle:.3f} ({low:.3f} to {high:.3f})",
        f"{np.median(ratio[:, 1]):.3f}",
        f"{CASES[name][1]}",
        f"{np.median(seconds[:, 0, 0] / seconds[:, 2, 0]) - 1:+.1%}",
        *(f"{speed:.3g}" for speed in speeds),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=list(CASES), action="append")
    parser.add_argument("--streams", type=int, default=RunConfig().extract.streams)
    parser.add_argument("--batch-size", type=int, default=RunConfig().extract.batch_size)
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    paths = [asked.manifest.parent / path for path in pd.read_csv(asked.manifest, dtype=str)["path"]]
    seconds = {path: sf.info(path).duration for path in paths}
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"torch {torch.__version__}, {THREADS} threads, {os.cpu_count()} cores, load {load}\n")
    print("| backbone | rounds | wall, ours / loop (quartiles) | CPU | allowed | over forward alone ", end="")
    print("| x real time | loop's | forward's |\n|---|---|---|---|---|---|---|---|---|")
    for name in asked.only or CASES:
        size = CASES[name][0]
        chosen = sorted(paths, key=seconds.__getitem__) if name == "full" else paths
        slices = [
            [chosen[(i * size + j) % len(chosen)] for j in range(size)] for i in range(asked.rounds + 1)
        ]
        with tempfile.TemporaryDirectory() as folder:
            found = compare(build(name, Path(folder), asked), slices)
        print(line(name, found, sum(seconds[p] for part in slices[1:] for p in part)), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of the process {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
