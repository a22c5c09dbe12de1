"""Untrained networks that still pass signal: seeded weights, BatchNorm statistics from generated voices.

With PyTorch's own initial statistics (mean 0, variance 1) twenty blocks shrink every voice to the same
output. Here each BatchNorm takes its statistics from what reaches it when the network hears generated
signals, in one forward pass, and the biases of the 2-D convolutions keep most ReLUs open: twenty blocks of
half-closed ones are chaotic, so that outputs reach 1e5 and rounding errors 1e-2.

The numbers differ in their last bits over machines and thread counts, so an untrained network is identified
by its recipe (architecture, seed, calibration version), never by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from profiling.backbones.network import NativeNet, architecture
from profiling.backbones.protocol import SAMPLE_RATE_HZ
from profiling.config import NativeConfig
from profiling.provenance import signature

#: Raised whenever signals or procedure change: it is part of an untrained network's identity.
CALIBRATION_VERSION = 1

_SIGNALS = 12
_DURATION_S = 0.2  # together 2.4 s: 315 GMAC at the released widths, a few seconds on two cores
_SEED = 511  # of the signals; any fixed number
_VARIANCE_SHARE = 0.05  # of a layer's mean variance: a unit silent here must not explode elsewhere
_CONV_BIAS = 0.5  # about one standard deviation of what these convolutions compute
_FORMANTS_HZ = np.array([[500, 1500, 2500], [300, 2300, 3000], [700, 1100, 2600]], dtype=np.float64)
_BANDWIDTH_HZ = 120.0

Signals = NDArray[np.float32]
Float64 = NDArray[np.float64]


def untrained(config: NativeConfig) -> NativeNet:
    """Builds a seeded, calibrated network in eval mode.

    Raises:
        ConfigError: widths and strides that do not fit each other.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = NativeNet(config)
    _open_relus(net)
    calibrate(net)
    return net.eval()


def recipe_sha256(config: NativeConfig) -> str:
    """Identity of :func:`untrained`: architecture, seed and calibration version, not the numbers."""
    return signature(
        {"native": architecture(config), "seed": config.seed, "calibration": CALIBRATION_VERSION}
    )


def calibrate(net: NativeNet) -> None:
    """Sets every BatchNorm's statistics to those of one pass over :func:`calibration_signals`."""
    norms = list(_norms(net))
    momenta = [norm.momentum for norm in norms]
    was_training = net.training
    net.train()
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        net(torch.from_numpy(calibration_signals()))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            _floor_variance(norm)
    net.train(was_training)


def _open_relus(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.constant_(module.bias, _CONV_BIAS)


def _norms(net: nn.Module) -> Iterator[nn.BatchNorm1d | nn.BatchNorm2d]:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            yield module


def _floor_variance(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    variance = norm.running_var
    if variance is not None:
        variance.clamp_(min=float(variance.mean()) * _VARIANCE_SHARE)


def calibration_signals() -> Signals:
    """A gliding vowel, a fricative and room noise each, at levels from -40 to -10 dB.

    Returns:
        (12, 3200) float32 in [-1, 1], the same everywhere but for the last bits of sine and cosine.
    """
    random = np.random.Generator(np.random.PCG64(_SEED))
    time_s = np.arange(round(_DURATION_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    rows = [_signal(random, time_s, index) for index in range(_SIGNALS)]
    return np.stack(rows).astype(np.float32)


def _signal(random: np.random.Generator, time_s: Float64, index: int) -> Float64:
    """A vowel and a fricative over room noise, with the pauses that give speech its dynamics."""
    start_hz, end_hz = random.uniform(80, 320, size=2)
    formants_hz = _FORMANTS_HZ[index % len(_FORMANTS_HZ)] * random.uniform(0.85, 1.25)
    vowel = _voice(time_s, float(start_hz), float(end_hz), formants_hz)
    noise, hiss = random.standard_normal((2, len(time_s)))
    wave = vowel / np.abs(vowel).max() * _bump(time_s, random.uniform(0.2, 0.5))
    wave += 0.1 * np.diff(hiss, prepend=0.0) * _bump(time_s, random.uniform(0.5, 0.8))
    wave += 10 ** random.uniform(-4, -2.5) * noise
    level = 10 ** (random.uniform(-40, -10) / 20)
    return np.asarray(level * wave / np.sqrt(np.mean(wave**2))).clip(-1, 1)


def _bump(time_s: Float64, centre: float) -> Float64:
    """Loudness of a sound in the middle of silence: a Gaussian around a share of the duration."""
    return np.asarray(np.exp(-0.5 * ((time_s / time_s[-1] - centre) / 0.08) ** 2))


def _voice(time_s: Float64, start_hz: float, end_hz: float, formants_hz: Float64) -> Float64:
    """Harmonics of a gliding pitch below 7 kHz, weighted by resonances and a slope of -6 dB an octave."""
    duration_s = time_s[-1]
    cycles = start_hz * time_s + (end_hz - start_hz) * time_s**2 / (2 * duration_s)
    pitch_hz = start_hz + (end_hz - start_hz) * time_s / duration_s
    wave = np.zeros_like(time_s)
    for harmonic in range(1, int(7000 / max(start_hz, end_hz)) + 1):
        distance = (harmonic * pitch_hz[:, None] - formants_hz) / _BANDWIDTH_HZ
        envelope = (1 / (1 + distance**2)).sum(axis=1) + 0.01
        wave += envelope / harmonic**0.5 * np.sin(2 * np.pi * harmonic * cycles)
    return wave
