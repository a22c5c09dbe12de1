"""Two short generated signals to ask a network with: something like a voice, and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiling.backbones.protocol import SAMPLE_RATE_HZ

_F0_HZ = 140.0
_FORMANTS_HZ = (500.0, 1500.0, 2500.0)  # of a neutral vocal tract of 17 cm
_FORMANT_WIDTH_HZ = 150.0
_SYLLABLES_HZ = 4.0


def voice(num_samples: int) -> NDArray[np.float32]:
    """Harmonics of a gliding pitch, weighted by three formants, in syllables, over a room's noise.

    Without the noise the gaps between harmonics are silent, and their logarithms so ill-conditioned that two
    runs of the full-width network differ by 1e-4 where real speech gives 1e-5.

    Returns:
        (num_samples,), peak about 0.5.
    """
    time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    pitch_hz = _F0_HZ * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    harmonics = np.arange(1, int(4000 / _F0_HZ))
    distance = (
        harmonics[:, None] * _F0_HZ - np.array(_FORMANTS_HZ)
    ) / _FORMANT_WIDTH_HZ  # (harmonics, formants)
    weights = (1 / (1 + distance**2)).sum(axis=1) / np.sqrt(harmonics)
    signal = weights @ np.sin(harmonics[:, None] * phase)
    signal *= 0.55 + 0.45 * np.sin(2 * np.pi * _SYLLABLES_HZ * time_s)
    signal *= 0.5 / np.abs(signal).max()
    return np.asarray(signal + 0.05 * noise(num_samples), dtype=np.float32)


def noise(num_samples: int) -> NDArray[np.float32]:
    """White noise, the same each time; (num_samples,), standard deviation 0.1."""
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
