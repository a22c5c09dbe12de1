"""Whether torch.compile pays for the native network on a CPU: time to compile, then speed over bucketed lengths.

    python benchmarks/compiled.py ../shared/speech/emodb/manifest.csv

One thread and its own processor time, which other people's load moves little. Batches are the extraction's; for the
compiled network lengths are also rounded up to whole seconds, so that it meets few shapes. ``dynamic`` compiles once
for all shapes, ``static`` once for each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from profiling.audio import load_audio
from profiling.backbones.batches import stack
from profiling.backbones.build import build_backbone
from profiling.backbones.native import NativeBackbone
from profiling.backbones.probe import relative_l2
from profiling.backbones.protocol import SAMPLE_RATE_HZ, Waveform
from profiling.config import BackboneConfig

BUCKET = SAMPLE_RATE_HZ  # samples: lengths are rounded up to whole seconds
Network = Callable[[Tensor, Tensor], dict[str, Tensor]]
Batch = tuple[Tensor, Tensor]


def batches(waveforms: Sequence[Waveform], size: int) -> list[Batch]:
    """(size, samples) and (size,) lengths, padded to a whole bucket; only full batches, so that shapes are few."""
    ordered, found = sorted(waveforms, key=len), []
    for first in range(0, len(ordered) - size + 1, size):
        part = ordered[first : first + size]
        padded, _ = stack([*part, np.zeros(-(-len(part[-1]) // BUCKET) * BUCKET, np.float32)])
        found.append((padded[:size], torch.tensor([len(waveform) for waveform in part])))
    return found


def passed(network: Network, given: Sequence[Batch]) -> tuple[float, float, list[Tensor]]:
    """Wall seconds, this thread's processor seconds, and the embeddings of one pass."""
    wall, busy, rows = time.perf_counter(), time.thread_time(), []
    with torch.inference_mode():
        rows = [network(waveforms, lengths)["embedding"].clone() for waveforms, lengths in given]
    return time.perf_counter() - wall, time.thread_time() - busy, rows


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    paths = [asked.manifest.parent / path for path in pd.read_csv(asked.manifest, dtype=str)["path"]]
    waveforms = [load_audio(path).waveform for path in paths[: asked.files]]
    given = batches(waveforms, asked.batch_size)
    audio_s = sum(int(lengths.sum()) for _, lengths in given) / SAMPLE_RATE_HZ
    shapes = len({tuple(waves.shape) for waves, _ in given})
    backbone = build_backbone(BackboneConfig(name="native_mini", device="cpu"), Path())
    assert isinstance(backbone, NativeBackbone)
    networks: dict[str, Network] = {
        "eager": backbone.net,
        "compiled, dynamic": torch.compile(backbone.net, dynamic=True),
        "compiled, static": torch.compile(backbone.net, dynamic=False),
    }
    print(
        f"torch {torch.__version__}, one thread, {len(given)} batches of {asked.batch_size}, {shapes} shapes\n"
    )
    print(
        "| network | first pass, s | ms for a second of audio | embedding, relative L2 |\n|---|---|---|---|"
    )
    first = {name: passed(network, given) for name, network in networks.items()}
    best = dict.fromkeys(networks, float("inf"))
    for _ in range(asked.rounds):
        for name, network in networks.items():
            best[name] = min(best[name], passed(network, given)[1])
    expected = torch.cat(first["eager"][2]).numpy()
    for name in networks:
        distance = relative_l2(torch.cat(first[name][2]).numpy(), expected)
        print(f"| {name} | {first[name][0]:.1f} | {1000 * best[name] / audio_s:.2f} | {distance:.1e} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
