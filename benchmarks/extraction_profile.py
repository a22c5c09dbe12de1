"""Where the time of an extraction goes, on one thread: CPU seconds of each stage for a second of audio.

    python benchmarks/extraction_profile.py ../shared/speech/emodb/manifest.csv --backbone native_mini

CPU time of this thread, not wall clock: other people's load moves it little. Stages are the pipeline's own
functions, run one after the other on the same recordings; the network's parts are timed by hooks on its modules.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from profiling.audio import Recording, hash_file, hear_span
from profiling.backbones.build import build_backbone
from profiling.backbones.native import NativeBackbone
from profiling.backbones.protocol import Backbone
from profiling.config import AudioConfig, BackboneConfig, RunConfig
from profiling.features.batching import Batcher, Piece
from profiling.features.extract import set_up
from profiling.features.key import RowKey

#: Stage of a native network by the name of its child module; the rest of the forward pass is pooling and masks.
_STAGES = {
    "frontend": "front end (STFT, log)",
    "blocks": "2-D convolutions",
    "gfe_1": "1-D convolutions",
    "gfe_2": "1-D convolutions",
    "pool": "1-D convolutions",
    "attention": "attentive pooling",
}


class Clock:
    """CPU seconds of this thread by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the block under ``name``."""
        started = time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.thread_time() - started

    def watch(self, module: nn.Module, name: str) -> None:
        """Counts every call of a module under ``name``."""
        starts: list[float] = []
        module.register_forward_pre_hook(lambda *_: starts.append(time.thread_time()))
        module.register_forward_hook(lambda *_: self._add(name, time.thread_time() - starts.pop()))

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] += seconds


def watch(clock: Clock, backbone: Backbone) -> None:
    """Hooks on the parts of a native network; other backbones are one stage."""
    if not isinstance(backbone, NativeBackbone):
        return
    for child, name in _STAGES.items():
        module: Any = getattr(backbone._net, child)
        for part in module if isinstance(module, nn.ModuleList) else [module]:
            clock.watch(part, name)


def profile(paths: list[Path], backbone: Backbone, clock: Clock, folder: Path) -> float:
    """Runs the stages one after the other; returns seconds of audio."""
    config = RunConfig()
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")
    setup = set_up(backbone, list(backbone.layers), config)
    keys: list[RowKey] = []
    pieces: list[Piece] = []
    for number, path in enumerate(paths):
        with clock.stage("sha256 (part of reading)"):
            hash_file(path)
        with clock.stage("read, sha256, decode, resample"):
            audio = hear_span(Recording(path), AudioConfig(), 0, -1)
        keys.append(RowKey(audio.audio_sha256))
        pieces.append(Piece(number, 0, audio.waveform))
    batcher = Batcher(backbone.batching, config.extract.batch_size)
    batches = [batch for piece in pieces for batch in batcher.add(piece)] + list(batcher.flush())
    writing = config.store
    opened = setup.store.writer(
        setup.layers, shard_bytes=writing.shard_bytes, commit_every_s=writing.commit_every_s
    )
    _compute(batches, backbone, clock, opened, keys)
    return sum(piece.duration_s for piece in pieces)


def _compute(
    batches: list[list[Piece]], backbone: Backbone, clock: Clock, opened: Any, keys: list[RowKey]
) -> None:
    with opened as writer:
        for batch in batches:
            with clock.stage("backbone"):
                found = backbone.extract([piece.waveform for piece in batch], list(backbone.layers))
            with clock.stage("store"):
                for row, piece in enumerate(batch):
                    features = {layer: found[layer][row] for layer in found}
                    writer.add(keys[piece.utterance], features, (), piece.duration_s)


def forward_alone(backbone: Backbone, seconds: float) -> Callable[[], object]:
    """A call to warm the backbone with."""
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)
    return lambda: backbone.extract([noise], list(backbone.layers))


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument(
        "--backbone", default="native_mini", choices=["native_mini", "native", "spectral_stats"]
    )
    parser.add_argument("--files", type=int, default=64)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    paths = [asked.manifest.parent / path for path in pd.read_csv(asked.manifest, dtype=str)["path"]]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        backbone = build_backbone(BackboneConfig(name=asked.backbone, device="cpu"), Path(folder))
        forward_alone(backbone, 1.0)()
        watch(clock, backbone)
        audio_s = profile(paths[: asked.files], backbone, clock, Path(folder))
    print(f"{asked.backbone}, {asked.files} recordings, {audio_s:.0f} s of audio, one thread\n")
    print("| stage | CPU ms for a second of audio |\n|---|---|")
    for name, seconds in clock.seconds.items():
        print(f"| {name} | {1000 * seconds / audio_s:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
