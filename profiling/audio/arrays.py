"""Samples that are in memory already, such as ``torchaudio.load`` gives them, under the rules of files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from profiling.audio.decode import Decoded, Samples
from profiling.audio.loader import Audio, as_audio
from profiling.errors import AudioError

#: More channels than any recording has: the axes are the wrong way round.
_MOST_CHANNELS = 64
#: Lowest and highest rate, in Hz, that is no slip of the unit (16 for 16 kHz) or of an argument.
_RATES_HZ = (1_000, 768_000)
#: A peak above this, full scale being 1, is an integer recording that was not scaled: 40 dB over full scale.
_UNSCALED_PEAK = 100.0


def audio_from_array(array: Any, rate_hz: float, channel: str = "mix", name: str = "array") -> Audio:
    """Checks and prepares samples as ``load_audio`` does a file's.

    Args:
        array: (samples,) or (channels, samples); NumPy, PyTorch or a list. Floats have full scale 1, 16 and
            32 bit integers their own.
        rate_hz: samples per second.
        channel: ``mix``, ``0``, ``1``, ...
        name: what errors call it.

    Raises:
        AudioError: stage ``check``: shape, type, rate, channel, not finite, silent, no samples.
    """
    rate = _checked_rate(rate_hz, name)
    samples = _frames_first(_as_floats(array, name), name)
    if samples.size and np.abs(samples).max() > _UNSCALED_PEAK:  # NaN compares false and is refused below
        raise AudioError(
            "check", f"{name}: peak {np.abs(samples).max():g}, full scale is 1: divide integers by their own"
        )
    return as_audio(Decoded(samples, len(samples), rate), Path(name), channel, "")


def _checked_rate(rate_hz: float, name: str) -> int:
    low, high = _RATES_HZ
    try:
        rate = float(rate_hz)
    except (TypeError, ValueError):
        rate = math.nan
    if not (low <= rate <= high) or rate != int(rate):
        raise AudioError("check", f"{name}: rate_hz={rate_hz}: a whole number from {low} to {high} Hz")
    return int(rate)


def _as_floats(array: Any, name: str) -> Samples:
    if hasattr(array, "detach"):  # a PyTorch tensor, on whatever device
        array = array.detach().cpu()
    try:
        values = np.asarray(array)
    except ValueError as error:
        raise AudioError("check", f"{name}: not an array of samples: {error}") from None
    if values.dtype in (np.int16, np.int32):
        return (values.astype(np.float64) / (np.iinfo(values.dtype).max + 1)).astype(np.float32)
    if values.dtype.kind != "f":
        raise AudioError("check", f"{name}: samples of type {values.dtype}; give floats, int16 or int32")
    return values.astype(np.float32)


def _frames_first(values: Samples, name: str) -> Samples:
    """(samples,) or (channels, samples) -> (samples, channels)."""
    shape = values.shape
    if len(shape) == 1:
        return values[:, None]
    if len(shape) != 2:
        raise AudioError("check", f"{name}: shape {shape}; give (samples,) or (channels, samples)")
    if shape[0] == 0:
        raise AudioError("check", f"{name}: 0 channels")
    if shape[0] > _MOST_CHANNELS:
        raise AudioError(
            "check", f"{name}: shape {shape} would be {shape[0]} channels; transpose (samples, channels)"
        )
    return values.T
