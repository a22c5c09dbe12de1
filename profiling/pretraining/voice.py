"""What can be measured in each frame of a voice without a network: level, pitch, periodicity, spectrum."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from profiling.backbones.protocol import SAMPLE_RATE_HZ

_WINDOW = 640  # samples, 40 ms: two periods at 50 Hz
_FFT = 1024
_LAGS = (SAMPLE_RATE_HZ // 500, SAMPLE_RATE_HZ // 65)  # samples: 500 Hz down to 65 Hz
_BANDS = 16  # of 500 Hz
_LAG_COST = 0.02  # per octave: of two equal peaks the shorter period wins
_VOICED_ABOVE = 0.6  # normalised autocorrelation
_ACTIVE_DB = 35.0  # below the loudest frame
_POWER_FLOOR = 1e-9
_DB = 10 / math.log(10)  # natural logarithm of a power to dB


class Voice(NamedTuple):
    """Measures of frames of 40 ms, (batch, frames) each unless said otherwise.

    Attributes:
        level: dB.
        active: bool, less than 35 dB below the loudest frame.
        voiced: bool, active and periodic.
        log_f0: natural logarithm of F0 in Hz; means something where voiced.
        harmonicity: normalised autocorrelation at that period, up to 1.
        alpha: dB, 1 to 5 kHz against 50 Hz to 1 kHz.
        hammarberg: dB, strongest bin below 2 kHz against that of 2 to 5 kHz.
        low_share: dB, below 400 Hz against below 1 kHz.
        bands: (batch, frames, 16) dB, of 500 Hz each.
    """

    level: Tensor
    active: Tensor
    voiced: Tensor
    log_f0: Tensor
    harmonicity: Tensor
    alpha: Tensor
    hammarberg: Tensor
    low_share: Tensor
    bands: Tensor


def measure(waveforms: Tensor, hop: int) -> Voice:
    """Measures frames centred on samples 0, ``hop``, 2 ``hop`` ... up to the end.

    Args:
        waveforms: (batch, samples), 16 kHz, at least 40 ms.
        hop: samples between frames.
    """
    padded = F.pad(waveforms[:, None], (_WINDOW // 2, _WINDOW // 2), mode="reflect")[:, 0]
    frames = padded.unfold(1, _WINDOW, hop)  # (batch, frames, 640)
    window = torch.hann_window(_WINDOW)
    power = torch.fft.rfft((frames - frames.mean(2, keepdim=True)) * window, n=_FFT).abs().square()
    level = _db(power.sum(2))
    active = level > level.amax(1, keepdim=True) - _ACTIVE_DB
    lag, harmonicity = _period(power, window)
    return Voice(
        level=level,
        active=active,
        voiced=active & (harmonicity > _VOICED_ABOVE),
        log_f0=torch.log(SAMPLE_RATE_HZ / lag),
        harmonicity=harmonicity,
        alpha=_sum_db(power, 1000, 5000) - _sum_db(power, 50, 1000),
        hammarberg=_peak_db(power, 0, 2000) - _peak_db(power, 2000, 5000),
        low_share=_sum_db(power, 50, 400) - _sum_db(power, 50, 1000),
        bands=_db(power[..., : _FFT // 2].unflatten(2, (_BANDS, -1)).sum(-1)),
    )


def _period(power: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Lag of the strongest autocorrelation in samples and its normalised height, (batch, frames) each."""
    first, last = _LAGS
    shape = torch.fft.irfft(torch.fft.rfft(window, n=_FFT).abs().square())[: last + 1]
    correlation = torch.fft.irfft(power)[..., : last + 1]
    correlation = correlation / correlation[..., :1].clamp(min=_POWER_FLOOR) / (shape / shape[0])
    lags = torch.arange(first, last + 1)
    best = (correlation[..., first:] - _LAG_COST * torch.log2(lags / first)).argmax(-1, keepdim=True)
    height = correlation[..., first:].gather(-1, best).squeeze(-1)
    return lags[best.squeeze(-1)].float(), height.clamp(max=1.0)


def _db(power: Tensor) -> Tensor:
    return power.clamp(min=_POWER_FLOOR).log() * _DB


def _bin(frequency_hz: float) -> int:
    return round(frequency_hz * _FFT / SAMPLE_RATE_HZ)


def _sum_db(power: Tensor, low_hz: int, high_hz: int) -> Tensor:
    return _db(power[..., _bin(low_hz) : _bin(high_hz)].sum(-1))


def _peak_db(power: Tensor, low_hz: int, high_hz: int) -> Tensor:
    return _db(power[..., _bin(low_hz) : _bin(high_hz)].amax(-1))
