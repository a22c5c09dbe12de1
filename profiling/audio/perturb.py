"""Perturbed copies: what noise, a telephone, a room, another speed or level make of a recording.

A pure function of the waveform, the steps and the recording's hash. Random numbers follow from the hash, the
span, the step's name and its seed, not from its level: noise at 20 dB is the noise at 10 dB, softer, so that
levels are compared on the same draws.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.audio.loader import SAMPLE_RATE_HZ, Waveform
from profiling.errors import ConfigError
from profiling.perturbations import Perturbation, parse_perturbations

#: ITU-T G.712's band of a telephone channel, sampled and coded as by ITU-T G.711 (8 bits, mu-law).
_TELEPHONE_HZ = (300.0, 3400.0)
_TELEPHONE_RATE_HZ = 8_000
_TELEPHONE_TAPS = 401  # at 8 kHz: 60 dB down 50 Hz beyond the band
_MU_LAW_LEVELS = 256
#: A room's first reflections come after this time, in seconds: a detour of under a metre.
_FIRST_REFLECTION_S = 0.0025
_LOWEST_PINK_HZ = 20.0  # below, the spectrum is flat: nothing there is heard
_SPEED_RATE_HZ = 1_000  # speeds are thousandths: the ratio of two small whole rates keeps the kernel small
_SINC_ZEROS = 32  # of torchaudio's resampling kernel; its default of 6 lets 4.5 kHz through at 8 kHz

Random = np.random.Generator


def perturbed(
    waveform: Waveform,
    spec: Sequence[str] | Sequence[Perturbation],
    audio_sha256: str,
    start_sample: int = 0,
    end_sample: int = -1,
) -> Waveform:
    """A perturbed copy.

    Args:
        waveform: (samples,) float32 mono 16 kHz.
        spec: steps in order, as in ``audio.perturb``: ``["telephone", "noise:10"]``.
        audio_sha256: of the recording's bytes: what the random numbers follow from.
        start_sample: of the span, at the file's own rate; spans of one file hear different noise.
        end_sample: of the span.

    Returns:
        (samples,) float32; ``speed`` and ``truncate`` change the length, nothing clips but ``telephone``.

    Raises:
        ConfigError: a step that cannot be read, or torchaudio is missing.
    """
    steps = [s if isinstance(s, Perturbation) else parse_perturbations([s])[0] for s in spec]
    heard = waveform
    for number, step in enumerate(steps):
        seed = f"{audio_sha256}:{start_sample}:{end_sample}:{number}:{step.name}:{step.values.get('seed', 0)}"
        digest = hashlib.sha256(seed.encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:16], "little"))
        heard = _FUNCTIONS[step.name](heard, step, random)
    return np.ascontiguousarray(heard, dtype=np.float32)


def torchaudio_functional(needed_by: str) -> Any:
    """``torchaudio.functional``, imported when first needed.

    Raises:
        ConfigError: torchaudio cannot be imported; says what needs it.
    """
    try:
        return importlib.import_module("torchaudio.functional")
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"{needed_by} needs torchaudio, of the same version as torch ({error}); pip install torchaudio"
        ) from error


def _functional() -> Any:
    return torchaudio_functional("audio.perturb")


def _torch(samples: Any) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))


def _noise(x: Waveform, step: Perturbation, random: Random) -> Waveform:
    """Adds noise; the ratio is that of the mean powers over the whole span, pauses included."""
    noise = _coloured(x, str(step.values["colour"]), random)
    ratio = _torch([step.number("snr_db")])
    noisy: Waveform = _functional().add_noise(_torch(x)[None], _torch(noise)[None], ratio)[0].numpy()
    return noisy


def _coloured(x: Waveform, colour: str, random: Random) -> NDArray[np.float64]:
    """(samples,) noise: white, pink (power as 1/f), or with the long-term spectrum of the speech itself."""
    white = random.standard_normal(len(x))
    if colour == "white":
        return white
    spectrum = np.fft.rfft(white)
    if colour == "pink":
        frequency = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
        spectrum /= np.sqrt(np.maximum(frequency, _LOWEST_PINK_HZ))
    else:  # random phases under the speech's own magnitudes
        spectrum *= np.abs(np.fft.rfft(x)) / np.maximum(np.abs(spectrum), np.finfo(np.float64).tiny)
    shaped: NDArray[np.float64] = np.fft.irfft(spectrum, n=len(x))
    return shaped


def _telephone(x: Waveform, _step: Perturbation, _random: Random) -> Waveform:
    """300 to 3400 Hz at 8 kHz through mu-law's 256 levels at full scale 1, and back to 16 kHz."""
    from scipy.signal import firwin

    F = _functional()
    narrow = _resampled(_torch(x)[None], SAMPLE_RATE_HZ, _TELEPHONE_RATE_HZ)  # (1, samples / 2)
    taps = firwin(_TELEPHONE_TAPS, _TELEPHONE_HZ, pass_zero=False, fs=_TELEPHONE_RATE_HZ)
    delay = _TELEPHONE_TAPS // 2
    band = F.fftconvolve(narrow, _torch(taps)[None])[:, delay : delay + narrow.shape[1]]
    coded = F.mu_law_encoding(band.clamp(-1, 1), _MU_LAW_LEVELS)
    heard = _resampled(F.mu_law_decoding(coded, _MU_LAW_LEVELS), _TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)
    wide: Waveform = heard[0, : len(x)].numpy()
    return wide


def _speed(x: Waveform, step: Perturbation, _random: Random) -> Waveform:
    """Plays faster or slower: tempo and pitch change together, as on a tape."""
    rate_hz = round(step.number("factor") * _SPEED_RATE_HZ)  # torchaudio's own speed() rounds 0.57 down
    played: Waveform = _resampled(_torch(x)[None], rate_hz, _SPEED_RATE_HZ)[0].numpy()
    return played


def _resampled(x: Any, from_hz: int, to_hz: int) -> Any:
    """(1, samples) to (1, samples * to / from), rounded up."""
    return _functional().resample(x, from_hz, to_hz, lowpass_filter_width=_SINC_ZEROS)


def _gain(x: Waveform, step: Perturbation, _random: Random) -> Waveform:
    louder: Waveform = _functional().gain(_torch(x), step.number("db")).numpy()
    return louder


def _reverb(x: Waveform, step: Perturbation, random: Random) -> Waveform:
    """Convolves with a generated room; length, delay and mean power stay."""
    room = impulse_response(step.number("rt60_s"), step.number("direct_db"), random)
    wet: NDArray[np.float32] = _functional().fftconvolve(_torch(x), _torch(room))[: len(x)].numpy()
    before, after = float(np.mean(np.square(x))), float(np.mean(np.square(wet)))
    return wet * np.float32(math.sqrt(before / after)) if after else wet


def impulse_response(rt60_s: float, direct_db: float, random: Random) -> NDArray[np.float64]:
    """A room: the direct sound, then noise that falls by 60 dB in ``rt60_s`` (Polack's model of diffuse sound).

    Args:
        rt60_s: reverberation time.
        direct_db: energy of the direct sound over that of the rest.
        random: draws the reflections.

    Returns:
        (taps,) at 16 kHz.
    """
    seconds = np.arange(round(rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = random.standard_normal(len(seconds)) * np.power(10.0, -3 * seconds / rt60_s)
    tail[seconds < _FIRST_REFLECTION_S] = 0
    tail /= math.sqrt(float(np.sum(np.square(tail))) * 10 ** (direct_db / 10))
    tail[0] = 1.0
    return tail


def _truncate(x: Waveform, step: Perturbation, random: Random) -> Waveform:
    """Keeps so many seconds; what is shorter stays whole."""
    kept = min(len(x), max(1, round(step.number("seconds") * SAMPLE_RATE_HZ)))
    spare = len(x) - kept
    starts = {"start": 0, "middle": spare // 2, "end": spare}
    at = str(step.values["at"])
    start = int(random.integers(spare + 1)) if at == "random" else starts[at]
    return x[start : start + kept]


_FUNCTIONS: Mapping[str, Callable[[Waveform, Perturbation, Random], Waveform]] = {
    "noise": _noise,
    "telephone": _telephone,
    "speed": _speed,
    "gain": _gain,
    "reverb": _reverb,
    "truncate": _truncate,
}
