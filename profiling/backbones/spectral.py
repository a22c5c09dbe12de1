"""No network: statistics of the log power spectrogram, the baseline every network has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from profiling.backbones.batches import check_request
from profiling.backbones.frontend import (
    BINS,
    EDGE_SAMPLES,
    FFT_SAMPLES,
    HOP_SAMPLES,
    MIN_SAMPLES,
    POWER_FLOOR,
    WINDOW_SAMPLES,
    LogSpectrogram,
)
from profiling.backbones.masking import mean_and_variance
from profiling.backbones.protocol import Batching, Features, Training, Waveform
from profiling.provenance import signature

#: Raised whenever the numbers change for the same constants.
_VERSION = 1


class SpectralStats:
    """Mean and variance over time of ECAPA2's 256-bin log power spectrogram, before its mean is removed.

    One layer, ``embedding`` of 512 dims: 256 means in nat, then 256 population variances in nat squared.
    Always on the CPU, where it is thousands of times faster than real time.
    """

    name = "spectral_stats"
    layers: Mapping[str, int] = {"embedding": 2 * BINS}
    min_samples: int = MIN_SAMPLES
    batching: Batching = "masked"
    training: Training = "signal"
    device = "cpu"
    precision = "fp32"

    def __init__(self) -> None:
        self._spectrogram = LogSpectrogram(centre=False)

    def identity(self) -> dict[str, str | int]:
        """sha256 of the constants: they are all that decides the numbers."""
        constants = [_VERSION, FFT_SAMPLES, WINDOW_SAMPLES, HOP_SAMPLES, EDGE_SAMPLES, POWER_FLOOR]
        return {"weights_sha256": signature([self.name, *constants]), "family": self.name}

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        """Computes the one layer; see ``Backbone.extract``.

        Raises:
            ValueError: another layer, no waveform, or a waveform below 400 samples.
        """
        check_request(waveforms, layers, self.layers, self.min_samples)
        with torch.inference_mode():
            rows = [self._statistics(torch.as_tensor(waveform)) for waveform in waveforms]
        return {"embedding": torch.stack(rows).numpy()}

    def _statistics(self, waveform: Tensor) -> Tensor:
        """(samples,) to (512,). One by one: the spectra of a batch leave the cache and cost twice as much."""
        logs, _ = self._spectrogram(waveform[None])
        mean, variance = mean_and_variance(logs.squeeze(1), None)  # (1, 256, 1) each
        return torch.cat([mean, variance], dim=1).flatten()
