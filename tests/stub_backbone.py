"""A backbone that costs nothing, and the door to extraction: for tests of everything around the network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from profiling.backbones.protocol import Batching, Features, Training, Waveform
from profiling.config import RunConfig
from profiling.features.decode import Utterance
from profiling.features.extract import Extraction, plan_extraction, run_extraction, set_up
from tests.recordings import Samples, speechlike, write

LAYERS = {"gfe_1": 6, "pool": 4, "embedding": 2}
ALL = list(LAYERS)


def vector(waveform: Waveform, layer: str) -> NDArray[np.float32]:
    """The one true feature: (dim,) moments of the samples, the layer's first one its mean."""
    samples = waveform.astype(np.float64)
    moments = [np.mean(samples), np.std(samples), *(np.mean(np.abs(samples) ** k) for k in range(1, 5))]
    return (np.array(moments[: LAYERS[layer]]) * (1 + ALL.index(layer))).astype(np.float32)


@dataclass
class StubBackbone:
    """Moments of the samples.

    Attributes:
        batching: what it claims.
        call_s: how long a call takes at least, in seconds.
        log: a file that gets the length of every computed waveform; children append to it too.
        before: called with the number of the call, from 1.
        scale: of the features.
        batches: lengths of the waveforms of every call.
    """

    batching: Batching = "masked"
    call_s: float = 0.0
    log: Path | None = None
    before: Callable[[int], None] = lambda call: None
    scale: float = 1.0
    batches: list[list[int]] = field(default_factory=list)

    name = "stub"
    layers: Mapping[str, int] = field(default_factory=lambda: LAYERS)
    min_samples = 400
    training: Training = "untrained"
    device = "cpu"
    precision = "fp32"

    def identity(self) -> dict[str, str | int]:
        return {"weights_sha256": "5b" * 32}

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        assert all(len(waveform) >= self.min_samples for waveform in waveforms)
        self.batches.append([len(waveform) for waveform in waveforms])
        self.before(len(self.batches))
        time.sleep(self.call_s)
        if self.log is not None:
            self._note(waveforms)
        return {
            layer: np.stack([self.scale * vector(w, layer) for w in waveforms]).astype(np.float32)
            for layer in layers
        }

    def _note(self, waveforms: Sequence[Waveform]) -> None:
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # type: ignore[arg-type]
        os.write(descriptor, "".join(f"{len(waveform)}\n" for waveform in waveforms).encode())
        os.close(descriptor)


def settings(folder: Path) -> RunConfig:
    """The defaults, everything below ``folder``, no progress shown, one call after the other: tests count them."""
    config = RunConfig()
    config.extract.streams = 1
    config.paths.features, config.paths.cache = str(folder / "features"), str(folder / "cache")
    config.trainer.progress = False
    return config


def extract(
    paths: Sequence[Path | Utterance],
    config: RunConfig,
    backbone: StubBackbone | None = None,
    layers: Sequence[str] = ALL,
) -> Extraction:
    """Plans and runs; paths become utterances of whole files."""
    asked = [p if isinstance(p, Utterance) else Utterance(p.stem, p) for p in paths]
    setup = set_up(backbone or StubBackbone(), layers, config)
    return run_extraction(setup, plan_extraction(setup, asked))


def rows(done: Extraction, layer: str = "gfe_1") -> NDArray[np.float32]:
    """(utterances, dim) what is stored, every checksum recomputed."""
    keys = [key for key in done.keys if key is not None]
    assert len(keys) == len(done.keys), done.quarantined
    return done.store.read(keys, [layer], verify="all")[layer]


def recording(path: Path, samples: Samples) -> Path:
    """A 16 bit file that is old enough for its hash to be remembered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return aged(write(path, samples))


def recordings(folder: Path, count: int, first_samples: int = 1000) -> list[Path]:
    """Distinct recordings; each is one sample longer than the one before, so a length tells which it is."""
    return [
        recording(folder / f"{i:03}.wav", speechlike((first_samples + i) / 16_000, seed=i))
        for i in range(count)
    ]


def aged(path: Path, seconds: float = 10.0) -> Path:
    """Sets a file's time back: hashes of files younger than a clock tick are not remembered."""
    then = path.stat().st_mtime_ns - int(seconds * 1e9)
    os.utime(path, ns=(then, then))
    return path
