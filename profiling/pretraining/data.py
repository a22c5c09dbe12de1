"""Batches of random crops: batch ``k`` is a function of (seed, k) and of nothing that happened before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from profiling.backbones.protocol import SAMPLE_RATE_HZ
from profiling.pretraining.augment import distort
from profiling.pretraining.config import PretrainConfig
from profiling.pretraining.prosody import Prosody, prosody_targets
from profiling.pretraining.recordings import Recordings

_FULL_SCALE = 32768.0  # int16


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        waveforms: (batch, samples) float32, 16 kHz, distorted.
        identity: (batch,) class of the first speaker: speaker index * speeds + speed index.
        second: (batch,) class of the second speaker, equal to ``identity`` where there is none.
        share: (batch,) of the first speaker, 0.5 to 1.
        sex: (batch,) 1 male, 0 female.
        age: (batch,) 1 adult, 0 child.
        prosody: contours and statistics of the clean crop.
    """

    waveforms: Tensor
    identity: Tensor
    second: Tensor
    share: Tensor
    sex: Tensor
    age: Tensor
    prosody: Prosody


class CropStream(IterableDataset[Batch]):
    """Batches ``start, start + 1, ...`` without end; several workers take turns.

    Attributes:
        start: the first batch that iterating gives; set it to resume.
    """

    def __init__(self, recordings: Recordings, config: PretrainConfig) -> None:
        self.recordings = recordings
        self.speech = config.speech
        self.augment = config.augment
        self.seed = config.seed
        self.time_stride = config.network.time_stride
        self.start = 0
        self._labels = recordings.labels()

    def __iter__(self) -> Iterator[Batch]:
        """Yields batches in order."""
        worker = get_worker_info()
        first, every = (0, 1) if worker is None else (worker.id, worker.num_workers)
        step = self.start + first
        while True:
            yield self.batch(step)
            step += every

    def batch(self, step: int) -> Batch:
        """Draws batch ``step``."""
        rng = np.random.default_rng([self.seed, step])
        odds = np.array(self.speech.crop_share)
        crop_s = float(rng.choice(self.speech.crop_s, p=odds / odds.sum()))
        rows = rng.permutation(len(self.recordings.utterances))[: int(self.speech.batch_s / crop_s)]
        speeds = rng.integers(len(self.speech.speeds), size=len(rows))
        length = int(crop_s * SAMPLE_RATE_HZ)
        crops = [self._crop(row, speed, length, rng) for row, speed in zip(rows, speeds, strict=True)]
        return self._label(torch.from_numpy(np.stack(crops)), rows, speeds, int(rng.integers(2**62)))

    def _crop(self, row: int, speed: int, length: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(length,) float32 from a random place; what is too short is repeated."""
        first, end = self.recordings.spans[row, speed]
        spare = int(end - first) - length
        if spare >= 0:
            place = int(first) + int(rng.integers(spare + 1))
            crop = self.recordings.samples[place : place + length]
        else:
            crop = np.resize(self.recordings.samples[first:end], length)
        return crop.astype(np.float32) / np.float32(_FULL_SCALE)

    def _label(self, clean: Tensor, rows: NDArray[np.int64], speeds: NDArray[np.int64], seed: int) -> Batch:
        mixture = distort(clean, self.augment, torch.Generator().manual_seed(seed))
        identity = torch.from_numpy(self._labels["speaker"][rows] * len(self.speech.speeds) + speeds)
        return Batch(
            waveforms=mixture.waveforms,
            identity=identity,
            second=identity[mixture.partner],
            share=mixture.share,
            sex=torch.from_numpy(self._labels["sex"][rows]),
            age=torch.from_numpy(self._labels["age"][rows]),
            prosody=prosody_targets(clean, self.time_stride),
        )

    @property
    def identities(self) -> int:
        """Number of classes: speakers times speeds."""
        return len(self.recordings.speakers) * len(self.speech.speeds)


def loader(stream: CropStream) -> DataLoader[Batch]:
    """Wraps the stream; its batches are complete, so the loader collates nothing."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=stream.speech.workers,
        persistent_workers=stream.speech.workers > 0,
        generator=torch.Generator().manual_seed(stream.seed),  # else it draws from the global random state
    )
