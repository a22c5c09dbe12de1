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
_BLOCK_FRAMES = 2**20  # a minute at 16 kHz
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


class SndfileSpans:
    """A file that libsndfile reads, opened once. Spans come sample by sample as in the whole file.

    Where seeking is not exact the file is decoded from the start in blocks, whatever is asked: their edges can
    be heard in the last bit, and a span must not depend on which others were asked for before.

    Args:
        data: the whole file.

    Raises:
        DamagedError: truncated or damaged.
        UnknownFormatError: not a format of libsndfile.
    """

    def __init__(self, data: bytes) -> None:
        self._flags = check_container(data)
        self._data = repair_mpeg(data)
        self._rewind()

    def _rewind(self) -> None:
        self._file = _open(io.BytesIO(self._data))
        self._next = 0  # the frame that the next block begins with
        self._block: Samples | None = None  # the one before it
        if self._file.frames >= UNKNOWN_FRAMES:
            raise UnknownFormatError

    def decode(self, start: int, end: int) -> Decoded:
        """Decodes ``[start, end)``.

        Args:
            start: first frame at the file's own rate.
            end: one past the last frame; -1 is the end of the file.

        Raises:
            DamagedError: truncated or damaged.
            SpanError: the span is not inside the file.
        """
        stop = check_span(start, end, self._file.frames)
        inexact = self._file.format in _SEEK_INEXACT
        samples = self._from_blocks(start, stop) if inexact else self._from(start, stop)
        return Decoded(samples, self._file.frames, self._file.samplerate, self._flags)

    def _from(self, start: int, stop: int) -> Samples:
        try:
            self._file.seek(start)
        except sf.LibsndfileError as error:
            raise _damaged(error) from None
        return self._read(start, stop)

    def _from_blocks(self, start: int, stop: int) -> Samples:
        firsts = range(start - start % _BLOCK_FRAMES, stop, _BLOCK_FRAMES)
        pieces = [self._block_at(at)[max(0, start - at) : stop - at] for at in firsts]
        if len(pieces) == 1:
            return pieces[0].copy()  # a view would keep the whole block alive
        return np.concatenate([np.empty((0, self._file.channels), np.float32), *pieces])

    def _block_at(self, at: int) -> Samples:
        if self._block is None or at < self._next - _BLOCK_FRAMES:
            self._rewind()
        while self._block is None or self._next <= at:
            self._block = None  # an error leaves the decoder anywhere
            stop = min(self._next + _BLOCK_FRAMES, self._file.frames)
            self._block, self._next = self._read(self._next, stop), self._next + _BLOCK_FRAMES
        return self._block

    def _read(self, start: int, stop: int) -> Samples:
        try:
            samples: Samples = self._file.read(stop - start, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise _damaged(error) from None
        except (MemoryError, ValueError):  # numpy refuses the array
            raise DamagedError(
                f"damaged: the header promises {stop} samples, more than memory holds"
            ) from None
        if len(samples) < stop - start:
            raise DamagedError(
                f"truncated: {self._file.frames} samples were to come, the decoder stopped at {start + len(samples)}"
            )
        return samples


def _damaged(error: sf.LibsndfileError) -> DamagedError:
    return DamagedError(f"damaged or truncated: libsndfile says {error.error_string}")


def _open(file: io.BytesIO | Path) -> sf.SoundFile:
    try:
        return sf.SoundFile(file)
    except sf.LibsndfileError as error:
        if "not recognised" in error.error_string or "unknown format" in error.error_string:
            raise UnknownFormatError from None
        raise _damaged(error) from None


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
