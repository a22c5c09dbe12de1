"""What the mouth does: syllables to tracks of voicing, friction and formants, every 10 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiling.corpora.voices import Delivery, Vector

FRAME_S = 0.010
_EDGE_S = 0.10  # of silence before and after

#: Mean formants F1 to F4 in Hz, Hillenbrand et al. 1995, table V (heed, head, hod, hawed, who'd, hud).
_VOWELS_HZ = {
    "male": {
        "i": (342, 2322, 3000, 3657),
        "e": (580, 1799, 2605, 3677),
        "a": (768, 1333, 2522, 3687),
        "o": (652, 997, 2538, 3486),
        "u": (378, 997, 2343, 3357),
        "y": (623, 1200, 2550, 3557),
    },
    "female": {
        "i": (437, 2761, 3372, 4352),
        "e": (731, 2058, 2979, 4294),
        "a": (936, 1551, 2815, 4299),
        "o": (781, 1136, 2824, 3923),
        "u": (459, 1105, 2735, 4115),
        "y": (753, 1426, 2933, 4092),
    },
}


@dataclass(frozen=True)
class _Consonant:
    """Amplitudes while a consonant lasts, and where its noise and its formants are."""

    voicing: float
    frication: float = 0.0
    centre_hz: float = 4000.0
    width_hz: float = 1200.0
    formants: tuple[float, float, float, float] = (0.6, 1.0, 1.0, 1.0)  # of the following vowel's


_CONSONANTS = {
    "s": _Consonant(0.0, 0.30, 6000.0, 1000.0),
    "x": _Consonant(0.0, 0.25, 3200.0, 900.0),  # as in "she"
    "f": _Consonant(0.0, 0.08, 4500.0, 3000.0),
    "t": _Consonant(0.0, 0.0, 4500.0, 1500.0),  # a closure; its burst is the noise at its end
    "d": _Consonant(0.12),
    "m": _Consonant(0.35, formants=(0.45, 0.8, 0.95, 1.0)),
    "l": _Consonant(0.55, formants=(0.6, 0.85, 1.05, 1.0)),
    "r": _Consonant(0.60, formants=(0.75, 0.8, 0.7, 1.0)),
}
_CONSONANT_SHARE = 0.35  # of a syllable
_BURST_FRAMES = 2


@dataclass
class Tracks:
    """What moves, every 10 ms.

    Attributes:
        syllable: (frames,) position in syllables; 2.5 is the middle of the third.
        voicing: (frames,) amplitude of voice and breath, 0 to 1.
        frication: (frames,) amplitude of the noise made in the mouth.
        centre_hz: (frames,) of that noise.
        width_hz: (frames,) of that noise, one standard deviation.
        formants_hz: (frames, 4) F1 to F4.
    """

    syllable: Vector
    voicing: Vector
    frication: Vector
    centre_hz: Vector
    width_hz: Vector
    formants_hz: Vector


def articulate(syllables: list[str], delivery: Delivery) -> Tracks:
    """Lays out the syllables in time, evenly, with 0.1 s of silence before and after."""
    frames = round(len(syllables) / delivery.syllables_per_s / FRAME_S)
    edge = round(_EDGE_S / FRAME_S)
    position = (np.arange(-edge, frames + edge) + 0.5) / frames * len(syllables)
    which = np.clip(np.floor(position).astype(int), 0, len(syllables) - 1)
    within = position - which
    spoken = (position >= 0) & (position < len(syllables))
    consonant = spoken & (within < _CONSONANT_SHARE) & np.array([len(s) == 2 for s in syllables])[which]
    table = [_CONSONANTS[s[0]] if len(s) == 2 else _Consonant(1.0) for s in syllables]
    values = np.array([(c.voicing, c.frication, c.centre_hz, c.width_hz) for c in table])[which]
    vowels = np.array([_VOWELS_HZ[delivery.gender][s[-1]] for s in syllables]) * delivery.formant_scale
    ratios = np.array([c.formants for c in table])
    formants = vowels[which] * np.where(consonant[:, None], ratios[which], 1.0)
    burst = _bursts(consonant, np.array([s[0] == "t" for s in syllables])[which])
    return Tracks(
        syllable=position,
        voicing=smooth(np.where(consonant, values[:, 0], 1.0) * spoken, 3),
        frication=smooth(np.where(consonant, values[:, 1], 0.0), 3) + 0.25 * burst,
        centre_hz=values[:, 2],
        width_hz=values[:, 3],
        formants_hz=np.stack([smooth(track, 5) for track in formants.T], axis=1),
    )


def _bursts(consonant: NDArray[np.bool_], stop: NDArray[np.bool_]) -> Vector:
    """1 in the first frames after a stop's closure."""
    closed = (consonant & stop).astype(np.float64)
    released = np.maximum(0.0, -np.diff(closed, prepend=0.0))
    return np.convolve(released, np.ones(_BURST_FRAMES))[: len(closed)]


def smooth(track: Vector, frames: int) -> Vector:
    """Moving Hann average that keeps the ends' values."""
    window = np.hanning(frames + 2)[1:-1]
    padded = np.pad(track, frames // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), "valid")
