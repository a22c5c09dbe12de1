"""Levels of frames, and what follows from them alone: an estimate of the signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiling.audio.loader import SAMPLE_RATE_HZ, Waveform

FRAME_SAMPLES = 320  # 20 ms
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
_FLOOR = 1e-10  # mean square, -100 dBFS: half a step of 16 bits is -96 dBFS
#: Shares of the frames, in percent, that are taken for noise alone and for speech in full voice.
NOISE_PERCENTILE, SPEECH_PERCENTILE = 5.0, 95.0
_FEWEST_FRAMES = 25  # half a second: below, percentiles of frames say nothing

Levels = NDArray[np.float32]  # (frames,) mean square of each frame in dB relative to full scale


class LevelMeter:
    """Frame levels of a recording that comes block by block."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._found: list[Levels] = []

    def add(self, block: Waveform) -> None:
        """Takes the next samples."""
        samples = np.concatenate([self._rest, block]) if len(self._rest) else block
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        frames = samples[:whole].reshape(-1, FRAME_SAMPLES)
        power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / FRAME_SAMPLES
        self._found.append((10 * np.log10(power + _FLOOR)).astype(np.float32))
        self._rest = samples[whole:].copy()

    def levels(self) -> Levels:
        """(frames,) of everything that came; samples beyond the last whole frame are left out."""
        return np.concatenate(self._found) if self._found else np.zeros(0, np.float32)


def snr_db(levels: Levels) -> float | None:
    """Estimates the signal-to-noise ratio as the distance between loud and quiet frames.

    It needs pauses: speech without any looks noisier than it is, and steady noise with pauses cleaner. Both
    ends are percentiles, so that neither a click nor a stretch of digital silence decides.

    Returns:
        dB; None below half a second.
    """
    if len(levels) < _FEWEST_FRAMES:
        return None
    quiet, loud = np.percentile(levels, [NOISE_PERCENTILE, SPEECH_PERCENTILE])
    return float(loud - quiet)


def waveform_snr_db(waveform: Waveform) -> float | None:
    """:func:`snr_db` of a waveform at 16 kHz, rounded to a tenth; None below half a second.

    >>> waveform_snr_db(np.repeat(np.float32([0.01, 1.0]), 8000)), waveform_snr_db(np.ones(100, np.float32))
    (40.0, None)
    """
    meter = LevelMeter()
    meter.add(waveform)
    found = snr_db(meter.levels())
    return None if found is None else round(found, 1)
