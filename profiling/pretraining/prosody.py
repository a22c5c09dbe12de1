"""What the network is asked to tell about a clean crop besides its speaker: pitch, loudness, spectrum.

Speaker labels reward forgetting how something is said; these targets, computed from the signal itself,
reward keeping it. All are statistics over one crop.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from profiling.backbones.protocol import SAMPLE_RATE_HZ

_WINDOW = 640  # samples, 40 ms: two periods at 50 Hz
_HOP = 320  # samples, 20 ms
_FFT = 1024
_LAGS = (SAMPLE_RATE_HZ // 500, SAMPLE_RATE_HZ // 65)  # samples: 500 Hz down to 65 Hz
_BANDS = 16  # of 500 Hz
_LAG_COST = 0.02  # per octave: of two equal peaks the shorter period wins
_VOICED_ABOVE = 0.6  # normalised autocorrelation
_ACTIVE_DB = 35.0  # below the loudest frame
_POWER_FLOOR = 1e-9
_DB = 10 / math.log(10)  # natural logarithm of a power to dB

#: Target -> (centre, scale) over clean crops of speechocean762's training split at three speeds.
TARGETS: dict[str, tuple[float, float]] = {
    "log_f0_mean": (5.25, 0.26),  # of the voiced frames, F0 in Hz
    "log_f0_std": (0.273, 0.12),
    "log_f0_change": (0.124, 0.093),  # mean absolute change between neighbouring voiced frames
    "voiced_share": (0.698, 0.17),  # of the active frames
    "level_std": (8.63, 2),  # dB, of the active frames
    "level_change": (2.91, 0.76),  # dB, mean absolute change between neighbouring active frames
    "harmonicity_mean": (0.898, 0.05),  # normalised autocorrelation of the voiced frames
    "harmonicity_std": (0.095, 0.022),
    "alpha_mean": (-16.6, 5.4),  # dB, 1 to 5 kHz against 50 Hz to 1 kHz, voiced frames
    "alpha_std": (6.55, 1.9),
    "hammarberg_mean": (28, 6.5),  # dB, strongest bin below 2 kHz against that of 2 to 5 kHz
    "hammarberg_std": (7.71, 2),
    "low_share_mean": (-3.51, 2.5),  # dB, below 400 Hz against below 1 kHz
    "low_share_std": (2.66, 1.5),
    "flux": (3.99, 0.82),  # dB, mean absolute change of the log spectrum between neighbouring active frames
    "active_share": (0.894, 0.14),  # of all frames
}


def prosody_targets(waveforms: Tensor) -> Tensor:
    """Standardised targets of clean crops.

    Args:
        waveforms: (batch, samples), 16 kHz, at least 0.5 s.

    Returns:
        (batch, 16) in the order of :data:`TARGETS`; NaN where a crop has too few frames to tell.
    """
    centre, scale = torch.tensor(list(TARGETS.values())).T
    standardised: Tensor = (prosody_statistics(waveforms) - centre) / scale
    return standardised


def prosody_statistics(waveforms: Tensor) -> Tensor:
    """As :func:`prosody_targets` before standardisation, in the units named there."""
    frames = waveforms.unfold(1, _WINDOW, _HOP)  # (batch, frames, 640)
    window = torch.hann_window(_WINDOW)
    power = torch.fft.rfft((frames - frames.mean(2, keepdim=True)) * window, n=_FFT).abs().square()
    level = power.sum(2).clamp(min=_POWER_FLOOR).log() * _DB
    active = level > level.amax(1, keepdim=True) - _ACTIVE_DB
    lag, strength = _period(power, window)
    voiced = active & (strength > _VOICED_ABOVE)
    pitch = torch.log(SAMPLE_RATE_HZ / lag)
    alpha = _ratio_db(power, (1000, 5000), (50, 1000))
    hammarberg = _peak_db(power, 0, 2000) - _peak_db(power, 2000, 5000)
    low = _ratio_db(power, (50, 400), (50, 1000))
    spectrum = _bands_db(power)
    columns = [
        *_mean_std(pitch, voiced), _change(pitch, voiced), _share(voiced, active),
        _mean_std(level, active)[1], _change(level, active), *_mean_std(strength, voiced),
        *_mean_std(alpha, voiced), *_mean_std(hammarberg, voiced), *_mean_std(low, voiced),
        _change(spectrum, active), active.float().mean(1),
    ]  # fmt: skip
    return torch.stack(columns, dim=1)


def _period(power: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Lag of the strongest autocorrelation in samples and its normalised height, (batch, frames) each."""
    first, last = _LAGS
    shape = torch.fft.irfft(torch.fft.rfft(window, n=_FFT).abs().square())[: last + 1]
    correlation = torch.fft.irfft(power)[..., : last + 1]
    correlation = correlation / correlation[..., :1].clamp(min=_POWER_FLOOR) / (shape / shape[0])
    lags = torch.arange(first, last + 1)
    best = (correlation[..., first:] - _LAG_COST * torch.log2(lags / first)).argmax(-1, keepdim=True)
    strength = correlation[..., first:].gather(-1, best).squeeze(-1)
    return lags[best.squeeze(-1)].float(), strength.clamp(max=1.0)


def _bin(frequency_hz: float) -> int:
    return round(frequency_hz * _FFT / SAMPLE_RATE_HZ)


def _ratio_db(power: Tensor, above: tuple[int, int], below: tuple[int, int]) -> Tensor:
    high, low = (power[..., _bin(first) : _bin(end)].sum(-1) for first, end in (above, below))
    return torch.log(high.clamp(min=_POWER_FLOOR) / low.clamp(min=_POWER_FLOOR)) * _DB


def _peak_db(power: Tensor, low_hz: int, high_hz: int) -> Tensor:
    return power[..., _bin(low_hz) : _bin(high_hz)].amax(-1).clamp(min=_POWER_FLOOR).log() * _DB


def _bands_db(power: Tensor) -> Tensor:
    """(batch, frames, 16) levels of bands of 500 Hz."""
    batch, frames, _ = power.shape
    bands = power[..., : _FFT // 2].reshape(batch, frames, _BANDS, -1).sum(-1)
    return bands.clamp(min=_POWER_FLOOR).log() * _DB


def _mean_std(values: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the chosen frames; NaN below three of them."""
    count = chosen.sum(1)
    count = torch.where(count >= 3, count, torch.full_like(count, 0)).float()
    mean = (values * chosen).sum(1) / count
    variance = ((values - mean[:, None]).square() * chosen).sum(1) / count
    return _nan_for_inf(mean), _nan_for_inf(variance.sqrt())


def _change(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring frames that are both chosen; NaN without any."""
    both = chosen[:, 1:] & chosen[:, :-1]
    step = (values[:, 1:] - values[:, :-1]).abs()
    step = step.mean(-1) if step.dim() == 3 else step
    return _nan_for_inf((step * both).sum(1) / both.sum(1))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part.sum(1) / whole.sum(1).clamp(min=1)


def _nan_for_inf(x: Tensor) -> Tensor:
    return torch.where(torch.isfinite(x), x, torch.full_like(x, float("nan")))
