"""What can be measured of one recording: level, clipping, silence, bandwidth, pitch, and its decoded content.

Levels are in dB relative to full scale (dBFS); shares are of samples or frames, 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiling.audio import SAMPLE_RATE_HZ, Audio
from profiling.audit.pitch import Vector, voiced_f0
from profiling.provenance import sha256_bytes

FRAME_S = 0.020
SILENT_BELOW_DB = 35.0  # under the loud frames: a pause, not a soft consonant
_LOUD_QUANTILE = 0.95
_FULL_SCALE = 32767 / 32768  # the largest 16-bit sample
_FLOOR_DBFS = -120.0
_BAND_BELOW_DB = 60.0  # under the strongest bin: nothing of the voice is left there
_BAND_QUANTILE = 0.98  # over frames: fricatives are rare and reach highest
_BINS = 256  # 31 Hz each
_FRAME = round(FRAME_S * SAMPLE_RATE_HZ)


@dataclass(frozen=True)
class Measures:
    """One span of one recording.

    Attributes:
        decoded_sha256: of its samples at 16 kHz mono: equal for a re-encoded header or another lossless container.
        duration_s: its length.
        sample_rate_hz: of the file.
        channels: of the file.
        peak_dbfs: largest absolute sample.
        level_dbfs: RMS.
        clipped_share: of samples at full scale.
        silence_share: of frames that are pauses.
        edge_silence_s: pause before the first and after the last sound, the longer of the two.
        bandwidth_hz: highest frequency with anything of the voice in it.
        voiced_frames: frames with a pitch.
        f0_hz: median over them; None without any.
        f0_low_hz: lower quartile.
        f0_high_hz: upper quartile.
    """

    decoded_sha256: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    level_dbfs: float
    clipped_share: float
    silence_share: float
    edge_silence_s: float
    bandwidth_hz: float
    voiced_frames: int
    f0_hz: float | None
    f0_low_hz: float | None
    f0_high_hz: float | None


def measure(audio: Audio) -> Measures:
    """Measures a decoded span."""
    waveform = audio.waveform
    f0 = voiced_f0(waveform)
    low, middle, high = (float(f) for f in np.quantile(f0, [0.25, 0.5, 0.75])) if len(f0) else [None] * 3
    silence, edge_s = _silence(waveform)
    return Measures(
        decoded_sha256=sha256_bytes(np.ascontiguousarray(waveform, dtype="<f4").tobytes()),
        duration_s=audio.duration_s,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        peak_dbfs=_db(float(np.abs(waveform).max())),
        level_dbfs=_db(float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))),
        clipped_share=float(np.mean(np.abs(waveform) >= _FULL_SCALE)),
        silence_share=silence,
        edge_silence_s=edge_s,
        bandwidth_hz=bandwidth_hz(waveform),
        voiced_frames=len(f0),
        f0_hz=middle,
        f0_low_hz=low,
        f0_high_hz=high,
    )


def _db(amplitude: float) -> float:
    return max(20 * float(np.log10(max(amplitude, 1e-12))), _FLOOR_DBFS)


def _silence(waveform: NDArray[np.float32]) -> tuple[float, float]:
    """Share of pause frames, and the longer pause at an end in seconds."""
    whole = len(waveform) // _FRAME * _FRAME
    if whole == 0:
        return 0.0, 0.0
    level = np.sqrt(np.mean(np.square(waveform[:whole].reshape(-1, _FRAME), dtype=np.float64), axis=1))
    sound = level > np.quantile(level, _LOUD_QUANTILE) * 10 ** (-SILENT_BELOW_DB / 20)
    if not sound.any():
        return 1.0, whole / SAMPLE_RATE_HZ
    first, last = int(sound.argmax()), int(sound[::-1].argmax())
    return float(1 - sound.mean()), max(first, last) * FRAME_S


def bandwidth_hz(waveform: NDArray[np.float32]) -> float:
    """Highest frequency at which the recording holds anything of the voice, in Hz; at most 8000.

    A recording that was once at 8 kHz ends at or below 4000, whatever its file says.
    """
    window = np.hanning(2 * _BINS)
    if len(waveform) < len(window):
        waveform = np.pad(waveform, (0, len(window) - len(waveform)))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, len(window))[:: len(window)]
    power = np.square(np.abs(np.fft.rfft(frames * window)))  # (frames, bins)
    often: Vector = np.quantile(power, _BAND_QUANTILE, axis=0)
    reached = np.flatnonzero(often > often.max() * 10 ** (-_BAND_BELOW_DB / 10))
    return float(reached[-1] / _BINS * SAMPLE_RATE_HZ / 2)
