"""What the network is asked to tell about a clean crop besides its speaker: how it is said, frame by frame.

Speaker labels reward forgetting how something is said; these targets, computed from the signal itself, reward
keeping it. Each is a contour over the network's own frames, so that means and variances over time, which is
what the layers hand out, are the statistics that emotion research uses (compare eGeMAPS, Eyben et al. 2016).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from profiling.backbones.frontend import HOP_SAMPLES
from profiling.pretraining.voice import Voice, measure

_LIMIT = 3.0  # standard deviations; a contour is clipped there
_LEAST_FRAMES = 3  # below, a statistic is unknown

#: Contours -> (centre, scale) over the frames where they mean something, in clean crops of speechocean762's
#: training split at three speeds (for pitch narrower, because of octave errors); and the frames: voiced, active, all.
CONTOURS: dict[str, tuple[float, float, str]] = {
    "log_f0": (5.3, 0.3, "voiced"),  # F0 in Hz
    "log_f0_change": (0.06, 0.12, "voiced"),  # absolute, to the neighbouring voiced frames half a step away
    "harmonicity": (0.9, 0.11, "voiced"),  # normalised autocorrelation
    "alpha": (-16.6, 9, "voiced"),  # dB, see voice.py, as the next two
    "hammarberg": (28.2, 10.5, "voiced"),
    "low_share": (-3.4, 3.9, "voiced"),
    "level": (0.0, 9, "active"),  # dB against the crop's mean over active frames
    "level_change": (2.9, 2.9, "active"),  # dB, absolute
    "level_rise": (1.4, 2.6, "active"),  # dB, falling counts as 0
    "flux": (4, 2.4, "active"),  # dB, mean absolute change of 16 bands
    "cepstrum_1": (6.8, 4.2, "active"),  # cosine transform of the levels of 16 bands of 500 Hz, dB
    "cepstrum_2": (1.4, 2.3, "active"),
    "cepstrum_3": (2.6, 1.6, "active"),
    "cepstrum_4": (1.1, 1.4, "active"),
    "voiced": (0.5, 0.5, "all"),
    "active": (0.5, 0.5, "all"),
}


class Prosody(NamedTuple):
    """Targets of a batch of clean crops.

    Attributes:
        contours: (batch, contours, frames) standardised, clipped to 3 standard deviations, 0 where a contour
            means nothing (pitch where nothing is voiced).
        statistics: (batch, 2 * contours) mean and standard deviation over the frames where it means
            something; NaN where a crop has fewer than three of them.
    """

    contours: Tensor
    statistics: Tensor


def prosody_targets(waveforms: Tensor, time_stride: int) -> Prosody:
    """Targets of clean crops, a frame for each the network has.

    Args:
        waveforms: (batch, samples), 16 kHz, at least 0.5 s.
        time_stride: of the network; its frames are centred on every ``160 * time_stride``-th sample.
    """
    values, chosen = raw_contours(waveforms, time_stride)
    centre, scale = torch.tensor([row[:2] for row in CONTOURS.values()]).T[:, :, None]
    standard = ((values - centre) / scale).clamp(-_LIMIT, _LIMIT) * chosen
    return Prosody(standard, torch.cat(_mean_std(standard, chosen), dim=1))


def raw_contours(waveforms: Tensor, time_stride: int) -> tuple[Tensor, Tensor]:
    """Contours in their own units and the frames where each means something, (batch, contours, frames)."""
    half = HOP_SAMPLES * time_stride // 2
    frames_of_network = (waveforms.size(1) - 1) // HOP_SAMPLES // time_stride + 1
    voice = measure(waveforms, half)
    values = _contours(voice)
    frames = {"voiced": voice.voiced, "active": voice.active, "all": torch.ones_like(voice.active)}
    chosen = torch.stack([frames[row[2]] for row in CONTOURS.values()], dim=1)
    kept = slice(0, 2 * frames_of_network, 2)
    return values[..., kept], chosen[..., kept].float()


def _contours(voice: Voice) -> Tensor:
    """(batch, contours, frames) at twice the network's rate."""
    count = voice.active.sum(1, keepdim=True).clamp(min=1)
    level = voice.level - (voice.level * voice.active).sum(1, keepdim=True) / count
    columns = [
        voice.log_f0, _change(voice.log_f0[:, None], voice.voiced), voice.harmonicity,
        voice.alpha, voice.hammarberg, voice.low_share,
        level, _change(level[:, None], voice.active), _rise(level, voice.active),
        _change(voice.bands.transpose(1, 2), voice.active), *_cepstrum(voice.bands).unbind(2),
        voice.voiced.float(), voice.active.float(),
    ]  # fmt: skip
    return torch.stack(columns, dim=1)


def _change(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean absolute step from each frame to its chosen neighbours; (batch, rows, frames) to (batch, frames)."""
    both = (chosen[:, 1:] & chosen[:, :-1]).float()
    step = values.diff(dim=2).abs().mean(1) * both
    return _around(step) / _around(both).clamp(min=1)


def _rise(level: Tensor, chosen: Tensor) -> Tensor:
    both = (chosen[:, 1:] & chosen[:, :-1]).float()
    return _around(level.diff(dim=1).clamp(min=0) * both) / _around(both).clamp(min=1)


def _around(steps: Tensor) -> Tensor:
    """Sum of the step before and the step after each frame; (batch, frames - 1) to (batch, frames)."""
    return torch.nn.functional.pad(steps, (1, 0)) + torch.nn.functional.pad(steps, (0, 1))


def _cepstrum(bands: Tensor) -> Tensor:
    """Cosine transform 1 to 4 of levels in dB; (batch, frames, bands) to (batch, frames, 4)."""
    size = bands.size(2)
    angle = torch.outer(torch.arange(size) + 0.5, torch.arange(1, 5)) * (math.pi / size)
    return bands @ torch.cos(angle) / size


def _mean_std(values: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Over the chosen frames, (batch, contours) each; NaN below three of them."""
    count = chosen.sum(2)
    known = torch.where(count >= _LEAST_FRAMES, count, torch.full_like(count, float("nan")))
    mean = (values * chosen).sum(2) / known
    variance = ((values - mean[..., None]).square() * chosen).sum(2) / known
    return mean, variance.sqrt()
