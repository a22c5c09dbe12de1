"""Recordings of any length in blocks: what is in memory does not grow with the recording.

Decoded twice or more: once to know its length, hash and level, then for whoever needs its samples.
Its samples are those of ``load_audio`` to rounding (the resampler works block by block).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from profiling.audio.containers import DamagedError, check_container
from profiling.audio.decode import UNKNOWN_FRAMES, Samples, UnknownFormatError
from profiling.audio.files import check_file
from profiling.audio.loader import (
    CLIPPED_SHARE,
    FULL_SCALE,
    SAMPLE_RATE_HZ,
    SILENT_DBFS,
    Waveform,
    check_rate,
    mono_of,
)
from profiling.audio.mpeg import true_header
from profiling.audio.pieces import FilePieces, Spliced
from profiling.audio.pyav import MissingPyAVError, stream_pyav
from profiling.audio.recording import not_audio
from profiling.errors import AudioError
from profiling.provenance import sha256_file

_BLOCK_FRAMES = 1 << 18  # of the file: 6 s at 44.1 kHz


@dataclass
class _Survey:
    """What the first pass finds, in samples at the file's own rate."""

    frames: int = 0
    channels: int = 0
    rate_hz: int = 0
    peak: float = 0.0
    clipped: int = 0

    def add(self, path: Path, mono: Samples) -> None:
        finite = np.isfinite(mono)
        if not finite.all():
            at = self.frames + int(np.argmin(finite))
            raise AudioError("check", f"{path}: samples not finite, first at {at}")
        size = np.abs(mono)
        self.frames += len(mono)
        self.peak = max(self.peak, float(size.max(initial=0.0)))
        self.clipped += int((size >= FULL_SCALE).sum())


@dataclass(frozen=True, eq=False)
class AudioStream:
    """A recording that is decoded anew for every walk over :meth:`blocks`.

    Attributes:
        path: the file.
        channel: ``mix``, ``0``, ``1``, ...
        audio_sha256: of the whole file's bytes.
        num_samples: at 16 kHz, of everything :meth:`blocks` yields.
        sample_rate_hz: the file's own rate.
        channels: in the file.
        flags: as ``Audio.flags``.
    """

    path: Path
    channel: str
    audio_sha256: str
    num_samples: int
    sample_rate_hz: int
    channels: int
    flags: tuple[str, ...] = field(default=())

    def blocks(self) -> Iterator[Waveform]:
        """Yields (samples,) mono at 16 kHz, a few seconds each."""
        yield from _resampled(self.path, self.channel, _Survey())


def stream_audio(path: Path, channel: str, visit: Callable[[Waveform], None]) -> AudioStream:
    """Walks over a recording once, checks it as ``load_audio`` does, and says how to walk again.

    Args:
        path: the file.
        channel: as in ``load_audio``.
        visit: is given every block of 16 kHz samples in passing.

    Raises:
        AudioError: as ``load_audio``.
    """
    check_file(path)
    if not path.stat().st_size:
        raise AudioError("open", f"{path}: 0 bytes")
    survey, num_samples = _Survey(), 0
    for block in _resampled(path, channel, survey):
        num_samples += len(block)
        visit(block)
    if not survey.frames:
        raise AudioError("check", f"{path}: 0 samples")
    if survey.peak < 10 ** (SILENT_DBFS / 20):
        raise AudioError("check", f"{path}: silent (peak {survey.peak:.2g} of full scale)")
    upsampled = ("upsampled",) if survey.rate_hz < SAMPLE_RATE_HZ else ()
    clipped = ("clipped",) if survey.clipped > CLIPPED_SHARE * survey.frames else ()
    flags = (*upsampled, *clipped, *_container_flags(path))
    return AudioStream(path, channel, sha256_file(path), num_samples, survey.rate_hz, survey.channels, flags)


def _resampled(path: Path, channel: str, survey: _Survey) -> Iterator[Waveform]:
    """Blocks at 16 kHz; ``survey`` learns what passes."""
    resampler: soxr.ResampleStream | None = None
    try:
        for samples, rate_hz in _decoded(path):
            check_rate(path, rate_hz)
            survey.rate_hz, survey.channels = rate_hz, samples.shape[1]
            mono = mono_of(path, samples, channel)
            survey.add(path, mono)
            if rate_hz == SAMPLE_RATE_HZ:
                yield np.ascontiguousarray(mono)
                continue
            if resampler is None:
                resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
            yield resampler.resample_chunk(np.ascontiguousarray(mono))
    except DamagedError as error:
        raise AudioError("decode", f"{path}: {error}") from None
    except OSError as error:
        raise AudioError("open", f"{path}: {error.strerror}") from None
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _decoded(path: Path) -> Iterator[tuple[Samples, int]]:
    """(frames, channels) blocks at the file's own rate, by libsndfile, else by FFmpeg."""
    try:
        yield from _sndfile(path)
    except UnknownFormatError:
        try:
            yield from stream_pyav(str(path))
        except (UnknownFormatError, MissingPyAVError) as error:
            raise not_audio(path, error) from None


def _sndfile(path: Path) -> Iterator[tuple[Samples, int]]:
    _container_flags(path)
    try:
        with _opened(path) as source, sf.SoundFile(source) as file:
            if file.frames >= UNKNOWN_FRAMES:
                raise UnknownFormatError
            came = 0
            for block in file.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True):
                came += len(block)
                yield block, file.samplerate
            if came < file.frames:
                raise DamagedError(
                    f"truncated: {file.frames} samples were to come, the decoder stopped at {came}"
                )
    except sf.LibsndfileError as error:
        if "not recognised" in error.error_string or "unknown format" in error.error_string:
            raise UnknownFormatError from None
        raise DamagedError(f"damaged or truncated: libsndfile says {error.error_string}") from None


def _opened(path: Path) -> AbstractContextManager[Path | Spliced]:
    """The file, or an mp3 with its true number of frames."""
    with FilePieces(path) as pieces:
        header = true_header(pieces)
    if header is None:
        return nullcontext(path)
    return Spliced(path.open("rb"), header.content, header.instead_of)


def _container_flags(path: Path) -> tuple[str, ...]:
    """Are all bytes there?"""
    with FilePieces(path) as pieces:
        return check_container(pieces)
