"""A source-filter synthesiser: glottal cycles and noise through a moving vocal tract, in numpy.

    syllables -> tracks every 10 ms -> source (glottal cycles, aspiration) -> filter of each frame -> sum

The source is KLGLOTT88 (Klatt and Klatt 1990); the vocal tract is a cascade of resonances (Klatt 1980),
applied as one transfer function to each windowed frame, so that an utterance is a few array operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from profiling.audio import SAMPLE_RATE_HZ
from profiling.corpora.articulation import FRAME_S, Tracks, articulate, smooth
from profiling.corpora.voices import Delivery, Vector

Waveform = NDArray[np.float32]

_HOP = round(FRAME_S * SAMPLE_RATE_HZ)
_WINDOW = 2 * _HOP
_FFT = 640  # leaves 20 ms for a resonance to ring off
_OPEN_QUOTIENT = 0.6  # share of a glottal cycle in which air flows
_TILT_AT_HZ = 3000.0
_BANDWIDTHS_HZ = np.array([70.0, 90.0, 140.0, 220.0, 300.0, 400.0, 500.0])
_UPPER = np.array([1.28, 1.56, 1.84])  # F5 to F7 as multiples of F4: the tract's next resonances
_FRICATION = 0.15  # full frication relative to the throat's noise
_INAUDIBLE = 1e-3
_PEAK = 0.9  # of full scale: louder utterances are turned down to it


def synthesise(syllables: list[str], delivery: Delivery, rng: np.random.Generator) -> Waveform:
    """Speaks.

    Args:
        syllables: each a consonant of ``sxftdmlr`` and a vowel of ``ieaouy``, or the vowel alone.
        delivery: how.
        rng: for everything irregular.

    Returns:
        (samples,) float32 at 16 kHz, 0.1 s of room noise before and after.
    """
    tracks = articulate(syllables, delivery)
    num_frames = len(tracks.voicing)
    num_samples = (num_frames + 1) * _HOP
    f0_hz = _pitch(tracks.syllable, len(syllables), delivery, rng)
    throat = _source(f0_hz, num_samples, delivery, rng)
    speech = _filter(throat, rng.standard_normal(num_samples), tracks)
    return _levelled(speech, tracks.voicing, delivery, rng)


def _pitch(position: Vector, count: int, delivery: Delivery, rng: np.random.Generator) -> Vector:
    """(frames,) F0 in Hz: a slope, an accent on about every second syllable, and drift."""
    accents = rng.normal(0, 0.6, count) + np.where((np.arange(count) + rng.integers(2)) % 2 == 0, 0.8, -0.8)
    accents = (accents - accents.mean()) / max(accents.std(), 1e-9) if count > 1 else accents * 0
    contour = np.interp(position, np.arange(count) + 0.6, accents)
    slope = delivery.slope_semitones * (np.clip(position / count, 0, 1) - 0.5)
    drift = 0.2 * smooth(rng.standard_normal(len(position)), 5)
    semitones = slope + delivery.range_semitones * smooth(contour, 7) + drift
    f0_hz: Vector = delivery.f0_hz * 2 ** (semitones / 12)
    return f0_hz


def _source(f0_hz: Vector, num_samples: int, delivery: Delivery, rng: np.random.Generator) -> Vector:
    """(samples,) derivative of the glottal flow, cycle by cycle, with aspiration that follows the flow."""
    at = np.arange(num_samples)
    frames_at = (np.arange(len(f0_hz)) + 1) * _HOP  # the middle of each frame
    phase = np.cumsum(np.interp(at, frames_at, f0_hz)) / SAMPLE_RATE_HZ
    cycles = np.arange(int(phase[-1]) + 2)
    # Displacing every closure by s makes neighbouring lengths vary by sqrt(2) s
    shaken = cycles + delivery.jitter / np.sqrt(2) * np.clip(rng.standard_normal(len(cycles)), -3, 3)
    phase = np.interp(phase, shaken, cycles)
    cycle = phase.astype(int)
    # A cycle begins with the closure, its strongest moment: 0 while closed, then 0 to 1 while open
    within = np.maximum(0.0, (phase - cycle - 1) / _OPEN_QUOTIENT + 1)
    amplitude = 1 + delivery.shimmer * np.clip(rng.standard_normal(len(cycles)), -3, 3)
    derivative = amplitude[cycle] * (2 * within - 3 * within**2)
    flow = within**2 * (1 - within)
    noise = rng.standard_normal(num_samples) * (0.3 + 0.7 * flow / (4 / 27))
    breath = 10 ** (delivery.breath_db / 20) * np.std(derivative) / np.std(noise) * noise
    source: Vector = _tilted(derivative - derivative.mean(), delivery.tilt_db) + breath
    return source


def _filter(throat: Vector, noise: Vector, tracks: Tracks) -> Vector:
    """Overlap-add of frames, each through its own vocal tract, and noise through its own consonant."""
    gain, inverse = _tract(tracks.formants_hz)
    spectrum = _spectra(throat) * (tracks.voicing[:, None] * gain[:, None]) / inverse
    noisy = np.flatnonzero(tracks.frication > _INAUDIBLE)
    hz = np.arange(_FFT // 2 + 1) * (SAMPLE_RATE_HZ / _FFT)
    bump = np.exp(-0.5 * ((hz - tracks.centre_hz[noisy, None]) / tracks.width_hz[noisy, None]) ** 2)
    spectrum[noisy] += _FRICATION * tracks.frication[noisy, None] * bump * _spectra(noise)[noisy]
    return _overlap_add(fft.irfft(spectrum, _FFT))


def _spectra(samples: Vector) -> NDArray[np.complex128]:
    """(frames, bins) of windows that add up to 1 where they overlap."""
    window = np.hanning(_WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    spectra: NDArray[np.complex128] = fft.rfft(frames * window, _FFT)
    return spectra


def _tract(formants_hz: Vector) -> tuple[Vector, NDArray[np.complex128]]:
    """Seven resonances in cascade, of gain 1 at 0 Hz (Klatt 1980).

    Returns:
        (frames,) numerator and (frames, bins) denominator of the transfer function.
    """
    all_hz = np.concatenate([formants_hz, formants_hz[:, 3:] * _UPPER], axis=1)
    radius = np.exp(-np.pi * _BANDWIDTHS_HZ / SAMPLE_RATE_HZ)
    first = -2 * radius * np.cos(2 * np.pi * np.minimum(all_hz / SAMPLE_RATE_HZ, 0.49))
    second = radius**2
    taps = np.zeros((len(all_hz), 1 + 2 * len(radius)))
    taps[:, 0] = 1.0
    for k in range(len(radius)):  # times 1 + first z^-1 + second z^-2
        taps[:, 2:] += first[:, k, None] * taps[:, 1:-1] + second[k] * taps[:, :-2]
        taps[:, 1] += first[:, k]
    return taps.sum(axis=1), fft.rfft(taps, _FFT)


def _tilted(source: Vector, tilt_db: float) -> Vector:
    """One pole of gain 1 at 0 Hz that lies ``tilt_db`` down at 3 kHz."""
    gain = 10 ** (-tilt_db / 10)
    half = (1 - gain * np.cos(2 * np.pi * _TILT_AT_HZ / SAMPLE_RATE_HZ)) / max(1 - gain, 1e-9)
    pole = half - np.sqrt(half**2 - 1)
    tilted: Vector = signal.lfilter([1 - pole], [1, -pole], source)
    return tilted


def _overlap_add(frames: Vector) -> Vector:
    parts = -(-_FFT // _HOP)
    blocks = np.pad(frames, ((0, 0), (0, parts * _HOP - _FFT))).reshape(len(frames), parts, _HOP)
    out: Vector = np.zeros((len(frames) + parts - 1, _HOP))
    for part in range(parts):
        out[part : part + len(frames)] += blocks[:, part]
    return out.ravel()[: (len(frames) + 1) * _HOP]


def _levelled(speech: Vector, voicing: Vector, delivery: Delivery, rng: np.random.Generator) -> Waveform:
    active = np.repeat(voicing > 0.5, _HOP)
    rms = np.sqrt(np.mean(speech[: len(active)][active] ** 2))
    gain = 10 ** (delivery.level_dbfs / 20) / rms
    gain = min(gain, _PEAK / np.abs(speech).max())
    noise = 10 ** (delivery.noise_dbfs / 20) * rng.standard_normal(len(speech))
    waveform: Waveform = (gain * speech + noise).astype(np.float32)
    return waveform
