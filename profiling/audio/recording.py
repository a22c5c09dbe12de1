"""A recording opened once: its bytes, their hash, and any number of spans decoded from them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from profiling.audio.containers import DamagedError
from profiling.audio.decode import Decoded, SndfileSpans, SpanError, UnknownFormatError, check_span
from profiling.audio.files import Stamp, read_bytes
from profiling.audio.pyav import MissingPyAVError, decode_pyav
from profiling.errors import AudioError
from profiling.provenance import sha256_bytes

_T = TypeVar("_T")


class Recording:
    """A file that was read and hashed once. Threads may ask it for spans; they take turns at the decoder.

    Spans of a compressed file are cheapest in ascending order: it is then decoded once.

    Args:
        path: any file libsndfile reads; others with ``profiling[av]``.

    Attributes:
        path: of the file.
        audio_sha256: of its bytes.
        stamp: what the file system said while they were read.

    Raises:
        AudioError: stage ``open`` (missing, a folder, unreadable, 0 bytes).
    """

    def __init__(self, path: Path) -> None:
        self._hold(path, *read_bytes(path))

    @classmethod
    def of_bytes(cls, path: Path, data: bytes) -> Recording:
        """A recording whose bytes are in memory already; ``path`` is what errors call it."""
        recording = cls.__new__(cls)
        recording._hold(path, data, None)
        return recording

    def _hold(self, path: Path, data: bytes, stamp: Stamp | None) -> None:
        self.path, self._data, self.stamp = path, data, stamp
        self.audio_sha256 = sha256_bytes(data)
        self._spans: SndfileSpans | None = None
        self._whole: Decoded | None = None  # of a format that only PyAV knows: it cannot go on where it was
        self._turn = threading.Lock()

    def decode(self, start: int, end: int) -> Decoded:
        """Decodes ``[start, end)`` at the file's own rate; -1 is the end of the file.

        Raises:
            AudioError: stage ``decode`` (not audio, truncated, damaged) or ``check`` (no such span).
        """
        with self._turn:
            try:
                return either(
                    self.path, lambda: self._by_sndfile(start, end), lambda: self._by_pyav(start, end)
                )
            except SpanError as error:
                raise AudioError("check", f"{self.path}: {error}") from None

    def _by_sndfile(self, start: int, end: int) -> Decoded:
        if self._whole is not None:
            raise UnknownFormatError
        if self._spans is None:
            self._spans = SndfileSpans(self._data)
        return self._spans.decode(start, end)

    def _by_pyav(self, start: int, end: int) -> Decoded:
        if (start, end) == (0, -1) and self._whole is None:
            return decode_pyav(self._data, start, end)
        if self._whole is None:
            self._whole = decode_pyav(self._data, 0, -1)
        whole = self._whole
        stop = check_span(start, end, whole.num_samples)
        return Decoded(whole.samples[start:stop], whole.num_samples, whole.sample_rate_hz, whole.flags)


def either(path: Path, sndfile: Callable[[], _T], pyav: Callable[[], _T]) -> _T:
    """Takes libsndfile's answer; PyAV's only where libsndfile does not know the format.

    Raises:
        AudioError: stage ``decode``.
    """
    try:
        try:
            return sndfile()
        except UnknownFormatError:
            return pyav()
    except DamagedError as error:
        raise AudioError("decode", f"{path}: {error}") from None
    except (UnknownFormatError, MissingPyAVError) as error:
        raise not_audio(path, error) from None


def not_audio(path: Path, error: Exception) -> AudioError:
    """What to say of a file that no decoder here knows."""
    if isinstance(error, UnknownFormatError):
        return AudioError("decode", f"{path}: not audio, by libsndfile and by FFmpeg")
    message = "not audio by libsndfile; m4a, aac, wma, webm, amr and video need: pip install profiling[av]"
    return AudioError("decode", f"{path}: {message}")
