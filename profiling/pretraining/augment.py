"""Distortions of a whole batch of crops at once: (batch, samples) in, the same shape out.

Every function takes a ``torch.Generator`` and draws from nothing else, so a batch is a function of its seed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from profiling.audio.perturb import torchaudio_functional
from profiling.backbones.protocol import SAMPLE_RATE_HZ
from profiling.pretraining.config import AugmentConfig

_TINY = 1e-6  # amplitude, far below 16 bits
_TELEPHONE_HZ = (300.0, 3400.0)
_MU_LAW_LEVELS = 256
_NOISE_SNR_DB = (3.0, 25.0)
_BABBLE_SNR_DB = (8.0, 20.0)
_BABBLE_VOICES = 3
_RT60_S = (0.1, 0.7)  # time to fall by 60 dB: a living room to a hall
_DIRECT_TO_REVERB_DB = (-3.0, 12.0)
_COLOUR = (0.0, 2.0)  # exponent of 1 / f^a: white to brown
_LEAST_SHARE = 0.5  # of the first speaker in an overlap


class Mixture(NamedTuple):
    """Who is heard in each crop.

    Attributes:
        waveforms: (batch, samples).
        partner: (batch,) row of the second speaker; a row's own index where there is none.
        share: (batch,) of the first speaker, 0.5 to 1; 1 where there is no second.
    """

    waveforms: Tensor
    partner: Tensor
    share: Tensor


def functionals() -> Any:
    """``torchaudio.functional``, imported when first needed."""
    return torchaudio_functional("pretraining")


def distort(waveforms: Tensor, config: AugmentConfig, generator: torch.Generator) -> Mixture:
    """Applies every distortion to its share of the crops, in the order a recording meets them."""
    mixture = overlap(waveforms, config.overlap, generator)
    x = mixture.waveforms
    x = _some(x, reverberate, config.reverb, generator)
    x = _some(x, add_babble, config.babble, generator)
    x = _some(x, add_noise, config.noise, generator)
    x = _some(x, equalise, config.filter, generator)
    x = _some(x, telephone, config.telephone, generator)
    gain = uniform(len(x), -config.gain_db, config.gain_db, generator)
    chosen = torch.rand(len(x), generator=generator) < config.gain
    x = x * db_to_amplitude(torch.where(chosen, gain, torch.zeros_like(gain)))[:, None]
    return mixture._replace(waveforms=x.clamp(-1, 1))


def _some(x: Tensor, function: Any, share: float, generator: torch.Generator) -> Tensor:
    rows = torch.nonzero(torch.rand(len(x), generator=generator) < share).squeeze(1)
    if len(rows) == 0:
        return x
    changed: Tensor = function(x[rows], x, generator)
    return x.index_copy(0, rows, changed)


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(count,) draws from [low, high)."""
    return low + (high - low) * torch.rand(count, generator=generator)


def db_to_amplitude(level_db: Tensor) -> Tensor:
    """20 dB is a factor of 10."""
    return torch.pow(10.0, level_db / 20)


def at_snr(speech: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Adds ``noise`` (batch, samples) so that the power ratio is ``snr_db`` (batch,).

    >>> x, n = torch.ones(1, 8), 5 * torch.ones(1, 8)
    >>> round(float(at_snr(x, n, torch.tensor([20.0]))[0, 0]), 3)
    1.1
    """
    level = speech.square().mean(1).sqrt() / noise.square().mean(1).sqrt().clamp(min=_TINY)
    return speech + noise * (level / db_to_amplitude(snr_db))[:, None]


def overlap(waveforms: Tensor, share: float, generator: torch.Generator) -> Mixture:
    """Adds a second speaker to ``share`` of the rows, as margin-mixup does (arXiv 2204.03421).

    The amplitudes' ratio is that of the shares, after both rows were brought to the same level.
    """
    count = len(waveforms)
    own = torch.arange(count)
    chosen = torch.rand(count, generator=generator) < share
    partner = torch.where(chosen, torch.roll(own, 1), own)
    part = torch.where(chosen, uniform(count, _LEAST_SHARE, 1.0, generator), torch.ones(count))
    level = waveforms.square().mean(1, keepdim=True).sqrt().clamp(min=_TINY)
    other = waveforms[partner] / level[partner] * level
    mixed = part[:, None] * waveforms + (1 - part[:, None]) * other
    return Mixture(mixed, partner, part)


def coloured(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Noise whose power falls as 1 / f^a, a drawn for each row between white and brown."""
    spectrum = torch.fft.rfft(torch.randn(shape, generator=generator))
    bins = torch.arange(spectrum.size(1)).clamp(min=1)
    slope = uniform(shape[0], *_COLOUR, generator)
    noise: Tensor = torch.fft.irfft(spectrum * bins.float().pow(-slope[:, None] / 2), n=shape[1])
    return noise


def add_noise(x: Tensor, _batch: Tensor, generator: torch.Generator) -> Tensor:
    """Coloured noise at 3 to 25 dB."""
    noise = coloured((x.size(0), x.size(1)), generator)
    return at_snr(x, noise, uniform(len(x), *_NOISE_SNR_DB, generator))


def add_babble(x: Tensor, batch: Tensor, generator: torch.Generator) -> Tensor:
    """Three other crops of the batch at 8 to 20 dB."""
    rows = torch.randint(len(batch), (len(x), _BABBLE_VOICES), generator=generator)
    return at_snr(x, batch[rows].sum(1), uniform(len(x), *_BABBLE_SNR_DB, generator))


def room(count: int, generator: torch.Generator) -> Tensor:
    """(count, taps) impulse responses: a direct sound, then noise that falls by 60 dB in its RT60."""
    rt60 = uniform(count, *_RT60_S, generator)
    seconds = torch.arange(int(_RT60_S[1] * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    decay = torch.pow(10.0, -3 * seconds[None, :] / rt60[:, None])
    tail = torch.randn(decay.shape, generator=generator) * decay
    ratio = db_to_amplitude(uniform(count, *_DIRECT_TO_REVERB_DB, generator))
    tail = tail / (tail.square().sum(1).sqrt() * ratio)[:, None]
    tail[:, 0] = 1.0
    return tail


def reverberate(x: Tensor, _batch: Tensor, generator: torch.Generator) -> Tensor:
    """Convolves with a generated room and keeps length and level."""
    wet: Tensor = functionals().fftconvolve(x, room(len(x), generator))[:, : x.size(1)]
    return wet * (x.square().mean(1) / wet.square().mean(1).clamp(min=_TINY**2)).sqrt()[:, None]


def equalise(x: Tensor, _batch: Tensor, generator: torch.Generator) -> Tensor:
    """One filter for all rows given: a low-pass, a high-pass, or a peak or dip of up to 10 dB."""
    kind = int(torch.randint(3, (1,), generator=generator))
    place = float(torch.rand(1, generator=generator))
    if kind == 0:
        return Tensor(functionals().lowpass_biquad(x, SAMPLE_RATE_HZ, 2500 + 4500 * place))
    if kind == 1:
        return Tensor(functionals().highpass_biquad(x, SAMPLE_RATE_HZ, 60 + 340 * place))
    gain_db = float(uniform(1, -10.0, 10.0, generator))
    return Tensor(functionals().equalizer_biquad(x, SAMPLE_RATE_HZ, 300 + 3500 * place, gain_db))


def telephone(x: Tensor, _batch: Tensor, _generator: torch.Generator) -> Tensor:
    """300 to 3400 Hz, full scale, mu-law with 8 bits, level restored."""
    low, high = _TELEPHONE_HZ
    spectrum = torch.fft.rfft(x)
    frequency = torch.linspace(0, SAMPLE_RATE_HZ / 2, spectrum.size(1))
    band: Tensor = torch.fft.irfft(spectrum * ((frequency >= low) & (frequency <= high)), n=x.size(1))
    peak = band.abs().amax(1, keepdim=True).clamp(min=_TINY)
    codes = functionals().mu_law_encoding(band / peak, _MU_LAW_LEVELS)
    heard: Tensor = functionals().mu_law_decoding(codes, _MU_LAW_LEVELS)
    return heard * peak
