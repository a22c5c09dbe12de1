"""Voice pitch of a recording: F0 of its voiced frames, by normalised autocorrelation.

Boersma, Accurate short-term analysis of the fundamental frequency, IFA Proceedings 17, 1993: the
autocorrelation of a windowed frame over that of the window. No path search: the median over a speaker's
frames is what is wanted, and single octave errors do not move it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from profiling.audio import SAMPLE_RATE_HZ

Vector = NDArray[np.float64]

F0_RANGE_HZ = (60.0, 500.0)  # creaky men to screaming children
FRAME_S = 0.045  # 2.7 periods of the lowest voice
HOP_S = 0.020
_VOICED = 0.60  # normalised autocorrelation at the period; Praat's default is 0.45, we want sure frames only
_OCTAVE_COST = 0.06  # per octave of period: of equal peaks the shorter period is meant (Praat: 0.01)
#: Harmonics above say nothing new, and between samples their peaks are missed: full weight, and none, in Hz.
_LOW_PASS_HZ = (1000.0, 2000.0)
_QUIET = 0.05  # of the loud frames' level: below, a frame is background
_LOUD_QUANTILE = 0.95
_BLOCK_FRAMES = 2000  # transformed at once, to bound memory

_FRAME = round(FRAME_S * SAMPLE_RATE_HZ)
_SHORTEST, _LONGEST = (int(SAMPLE_RATE_HZ / hz) for hz in F0_RANGE_HZ[::-1])
_TRANSFORM = 1 << (_FRAME + _LONGEST).bit_length()


def voiced_f0(waveform: NDArray[np.float32]) -> Vector:
    """F0 in Hz of every clearly voiced frame.

    Args:
        waveform: (samples,) at 16 kHz.

    Returns:
        (voiced,) Hz, in order of time; empty for what is too short or has no voice.

    >>> hum = np.sin(2 * np.pi * 150 * np.arange(8000) / 16_000).astype(np.float32)
    >>> round(float(np.median(voiced_f0(hum))))
    150
    """
    if len(waveform) < _FRAME:
        return np.empty(0)
    hop = round(HOP_S * SAMPLE_RATE_HZ)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, _FRAME)[::hop]
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = frames[level > _QUIET * np.quantile(level, _LOUD_QUANTILE)]
    blocks = [_f0(loud[start : start + _BLOCK_FRAMES]) for start in range(0, len(loud), _BLOCK_FRAMES)]
    return np.concatenate(blocks) if blocks else np.empty(0)


def _f0(frames: NDArray[np.float32]) -> Vector:
    window, reference, weight = _tables()
    spectrum = np.fft.rfft((frames - frames.mean(1, keepdims=True)) * window, _TRANSFORM)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)) * weight
    correlation = np.fft.irfft(power, _TRANSFORM)[:, : _LONGEST + 2]
    strength = correlation / np.maximum(correlation[:, :1], 1e-12) / reference  # (frames, lags)
    here = strength[:, _SHORTEST:-1]
    peaks = (here >= strength[:, _SHORTEST - 1 : -2]) & (here > strength[:, _SHORTEST + 1 :])
    lags = np.arange(_SHORTEST, _SHORTEST + here.shape[1])
    score = np.where(peaks, here - _OCTAVE_COST * np.log2(lags / _SHORTEST), -np.inf)
    best = score.argmax(1)
    row = np.arange(len(best))
    voiced = peaks[row, best] & (here[row, best] > _VOICED)
    return _refined(strength[voiced], best[voiced] + _SHORTEST)


def _refined(strength: NDArray[np.float32], lag: NDArray[np.int64]) -> Vector:
    """Parabola through the peak and its neighbours: 16 kHz alone is a step of 3 % at 500 Hz."""
    row = np.arange(len(lag))
    left, middle, right = (strength[row, lag + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    f0: Vector = SAMPLE_RATE_HZ / (lag + shift.astype(np.float64))
    return f0


@cache
def _tables() -> tuple[NDArray[np.float32], ...]:
    """The Hann window, its own normalised autocorrelation over the lags, the low-pass over the bins."""
    window = np.hanning(_FRAME)
    own = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, _TRANSFORM))), _TRANSFORM)[: _LONGEST + 2]
    hz = np.fft.rfftfreq(_TRANSFORM, 1 / SAMPLE_RATE_HZ)
    place = np.clip((hz - _LOW_PASS_HZ[0]) / (_LOW_PASS_HZ[1] - _LOW_PASS_HZ[0]), 0, 1)
    return tuple(table.astype(np.float32) for table in (window, own / own[0], np.cos(place * np.pi / 2) ** 2))
