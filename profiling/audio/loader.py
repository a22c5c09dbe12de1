"""The one function that reads a recording, and the checks every recording must pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from profiling.audio.decode import Decoded, Samples, probe_sndfile
from profiling.audio.files import Stamp, check_file
from profiling.audio.pyav import probe_pyav
from profiling.audio.recording import Recording, either
from profiling.errors import AudioError

SAMPLE_RATE_HZ = 16_000  # what every backbone hears
#: Below, no vowel is left; a damaged header's 2 Hz would be resampled to hours.
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 4_000, 768_000
SILENT_DBFS = -90.0  # a peak below this is silence: half a step of 16 bits is -96.3 dBFS, one step -90.3
_SILENT_PEAK = 10 ** (SILENT_DBFS / 20)
FULL_SCALE = 32767 / 32768  # the largest 16-bit sample
CLIPPED_SHARE = 1e-3  # of the samples at full scale: above, the recording is flagged

Waveform = NDArray[np.float32]  # (samples,) mono, 16 kHz


@dataclass(frozen=True, eq=False)
class Audio:
    """A span of a recording, ready for a backbone.

    Attributes:
        waveform: (samples,) float32, mono, 16 kHz, full scale 1.
        audio_sha256: of the whole file's bytes, those that were decoded.
        num_samples: of the whole file, at its own rate.
        sample_rate_hz: the file's own rate.
        channels: in the file.
        flags: ``upsampled`` (the file's rate is below 16 kHz), ``clipped`` (over 0.1 % of the samples at
            full scale), ``unterminated`` (an Ogg file that may have lost its end).
        stamp: of the file; None for audio that came from no file.
        snr_db: estimated (``audio/levels.py``); None where nobody measured it or the span is below half a second.
    """

    waveform: Waveform
    audio_sha256: str
    num_samples: int
    sample_rate_hz: int
    channels: int
    flags: tuple[str, ...] = ()
    stamp: Stamp | None = None
    snr_db: float | None = None

    @property
    def duration_s(self) -> float:
        """Of the waveform, in seconds."""
        return len(self.waveform) / SAMPLE_RATE_HZ


def load_audio(path: Path, start_sample: int = 0, end_sample: int = -1, channel: str = "mix") -> Audio:
    """Reads a recording once: hash, decode, span, channel rule, checks, 16 kHz.

    Args:
        path: any file libsndfile reads; others with ``profiling[av]``.
        start_sample: first sample, at the file's own rate.
        end_sample: one past the last sample, at the file's own rate; -1 is the end of the file.
        channel: ``mix`` is the mean of the channels; ``0``, ``1``, ... picks one.

    Raises:
        AudioError: stage ``open`` (missing, a folder, unreadable, 0 bytes), ``decode`` (not audio, truncated,
            damaged) or ``check`` (span, channel or rate that cannot be, no samples, not finite, silent).
    """
    return read_span(Recording(path), start_sample, end_sample, channel)


def load_bytes(data: bytes, name: str, channel: str = "mix") -> Audio:
    """Reads the bytes of a file, such as standard input's, as :func:`load_audio` reads a file.

    Args:
        data: the whole file.
        name: what errors call it.
        channel: as in :func:`load_audio`.

    Raises:
        AudioError: as :func:`load_audio`.
    """
    if not data:
        raise AudioError("open", f"{name}: 0 bytes")
    return read_span(Recording.of_bytes(Path(name), data), channel=channel)


def read_span(
    recording: Recording, start_sample: int = 0, end_sample: int = -1, channel: str = "mix"
) -> Audio:
    """:func:`load_audio` of a recording that is open already.

    Raises:
        AudioError: stage ``decode`` or ``check``.
    """
    decoded = recording.decode(start_sample, end_sample)
    check_rate(recording.path, decoded.sample_rate_hz)
    return as_audio(decoded, recording.path, channel, recording.audio_sha256, recording.stamp)


def as_audio(
    decoded: Decoded, path: Path, channel: str, audio_sha256: str, stamp: Stamp | None = None
) -> Audio:
    """Channel rule, checks and 16 kHz for samples that are decoded already.

    Args:
        decoded: (frames, channels) at their own rate.
        path: what errors call it.
        channel: as in :func:`load_audio`.
        audio_sha256: what names these samples; empty where nothing does.
        stamp: of the file they came from.

    Raises:
        AudioError: stage ``check``.
    """
    mono = mono_of(path, decoded.samples, channel)
    _check_samples(path, mono)
    return Audio(
        waveform=_resample(mono, decoded.sample_rate_hz),
        audio_sha256=audio_sha256,
        num_samples=decoded.num_samples,
        sample_rate_hz=decoded.sample_rate_hz,
        channels=decoded.samples.shape[1],
        flags=_flags(mono, decoded),
        stamp=stamp,
    )


def probe_duration(path: Path) -> tuple[int, int]:
    """Number of samples and sample rate in Hz from the header alone: to estimate costs, not to trust.

    Raises:
        AudioError: stage ``open``, ``decode`` or ``check`` (a sample rate that cannot be).
    """
    check_file(path)
    num_samples, rate_hz = either(path, lambda: probe_sndfile(path), lambda: probe_pyav(path))
    check_rate(path, rate_hz)
    return num_samples, rate_hz


def check_duration(waveform: Waveform, min_samples: int) -> None:
    """Refuses what is too short for a backbone.

    Raises:
        AudioError: stage ``duration``.
    """
    if len(waveform) < min_samples:
        raise AudioError(
            "duration",
            f"{len(waveform)} samples at 16 kHz ({len(waveform) / SAMPLE_RATE_HZ:.4f} s): "
            f"the backbone needs at least {min_samples}",
        )


def mono_of(path: Path, samples: Samples, channel: str) -> Samples:
    """(frames, channels) -> (frames,): the mean as a matrix product in float64, or one channel."""
    channels = samples.shape[1]
    if channel == "mix":
        if channels == 1:
            return samples[:, 0]
        mean: Samples = (samples.astype(np.float64) @ np.full(channels, 1 / channels)).astype(np.float32)
        return mean
    if not channel.isdecimal() or int(channel) >= channels:
        valid = ", ".join(["mix", *map(str, range(channels))])
        raise AudioError("check", f"{path}: no channel {channel!r} (valid: {valid})")
    return samples[:, int(channel)]


def check_rate(path: Path, rate_hz: int) -> None:
    """Refuses a sample rate that no recording of speech has.

    Raises:
        AudioError: stage ``check``.
    """
    if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
        raise AudioError(
            "check",
            f"{path}: a sample rate of {rate_hz} Hz: no speech, or damaged "
            f"(valid: {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ})",
        )


def _check_samples(path: Path, mono: Samples) -> None:
    if not len(mono):
        raise AudioError("check", f"{path}: 0 samples")
    finite = np.isfinite(mono)
    if not finite.all():
        wrong = int(np.argmin(finite))
        raise AudioError(
            "check", f"{path}: {len(mono) - finite.sum()} samples not finite, first {mono[wrong]} at {wrong}"
        )
    peak = _peak(mono)
    if peak < _SILENT_PEAK:
        level = f"peak {20 * np.log10(peak):.1f} dBFS" if peak else "all samples are 0"
        raise AudioError("check", f"{path}: silent ({level}; above {SILENT_DBFS:.0f} dBFS is a signal)")


def _peak(mono: Samples) -> float:
    return float(max(mono.max(), -mono.min()))


def _flags(mono: Samples, decoded: Decoded) -> tuple[str, ...]:
    upsampled = ("upsampled",) if decoded.sample_rate_hz < SAMPLE_RATE_HZ else ()
    at_full_scale = _peak(mono) >= FULL_SCALE and np.mean(np.abs(mono) >= FULL_SCALE) > CLIPPED_SHARE
    return (*upsampled, *(("clipped",) if at_full_scale else ()), *decoded.flags)


def _resample(mono: Samples, sample_rate_hz: int) -> Waveform:
    """By soxr at quality HQ (pass band to 0.912 of Nyquist, 20 bits); the file's own samples at 16 kHz."""
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return np.ascontiguousarray(mono)
    waveform: Waveform = soxr.resample(
        np.ascontiguousarray(mono), sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ"
    )
    return waveform
