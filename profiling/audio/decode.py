"""Bytes to samples by libsndfile. Spans are exact to the sample, and a file that lost its end is refused."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from profiling.audio.containers import DamagedError, check_container
from profiling.audio.mpeg import repair_mpeg

if TYPE_CHECKING:
    from pathlib import Path

Samples = NDArray[np.float32]  # (frames, channels) at the file's own rate

#: libsndfile's seek is not exact here (Opus: up to 2e-4, Vorbis: 1e-2 of full scale): decoded from the start.
_SEEK_INEXACT = ("OGG", "MP3")
UNKNOWN_FRAMES = 2**62  # flac written to a pipe says 2^63-1, and libsndfile cannot read it


class UnknownFormatError(Exception):
    """libsndfile does not know this format."""


@dataclass(frozen=True)
class Decoded:
    """A span of a recording, as it is in the file.

    Attributes:
        samples: (frames, channels) float32; full scale is 1.
        num_samples: frames of the whole file.
        sample_rate_hz: the file's own.
        flags: see :func:`profiling.audio.containers.check_container`.
    """

    samples: Samples
    num_samples: int
    sample_rate_hz: int
    flags: tuple[str, ...] = ()


class SpanError(ValueError):
    """A span that lies outside of the file."""


def decode_sndfile(data: bytes, start: int, end: int) -> Decoded:
    """Decodes ``[start, end)`` of a file that libsndfile reads.

    Args:
        data: the whole file.
        start: first frame at the file's own rate.
        end: one past the last frame; -1 is the end of the file.

    Raises:
        DamagedError: truncated or damaged.
        SpanError: the span is not inside the file.
        UnknownFormatError: not a format of libsndfile.
    """
    flags = check_container(data)
    with _open(io.BytesIO(repair_mpeg(data))) as file:
        if file.frames >= UNKNOWN_FRAMES:
            raise UnknownFormatError
        stop = check_span(start, end, file.frames)
        samples = _read(file, start, stop)
        return Decoded(samples, file.frames, file.samplerate, flags)


def _open(file: io.BytesIO | Path) -> sf.SoundFile:
    try:
        return sf.SoundFile(file)
    except sf.LibsndfileError as error:
        if "not recognised" in error.error_string or "unknown format" in error.error_string:
            raise UnknownFormatError from None
        raise DamagedError(f"damaged or truncated: libsndfile says {error.error_string}") from None


def check_span(start: int, end: int, num_samples: int) -> int:
    """Returns the frame to stop at.

    Raises:
        SpanError: unless 0 <= start < stop <= num_samples (an empty file may be asked for as a whole).
    """
    stop = num_samples if end == -1 else end
    whole = start == 0 and end == -1
    if not whole and not 0 <= start < stop <= num_samples:
        raise SpanError(
            f"start_sample={start} end_sample={end} is no span of a file of {num_samples} samples"
        )
    return stop


def _read(file: sf.SoundFile, start: int, stop: int) -> Samples:
    skipped = start if file.format in _SEEK_INEXACT else 0
    try:
        file.seek(start - skipped)
        samples: Samples = file.read(stop - start + skipped, dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise DamagedError(f"damaged or truncated: libsndfile says {error.error_string}") from None
    except (MemoryError, ValueError):  # numpy refuses the array
        raise DamagedError(f"damaged: the header promises {stop} samples, more than memory holds") from None
    if len(samples) < stop - start + skipped:
        came = start - skipped + len(samples)
        raise DamagedError(f"truncated: {stop} samples were to come, the decoder stopped at {came}")
    return samples[skipped:]


def probe_sndfile(path: Path) -> tuple[int, int]:
    """Number of frames and sample rate as the header says, without decoding.

    Raises:
        DamagedError: libsndfile finds it damaged.
        UnknownFormatError: not a format of libsndfile.
    """
    with _open(path) as file:
        if file.frames >= UNKNOWN_FRAMES:
            raise UnknownFormatError
        return file.frames, file.samplerate
