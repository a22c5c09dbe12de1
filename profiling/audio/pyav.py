"""What libsndfile cannot read (m4a, aac, wma, webm, amr, video) through PyAV: ``pip install profiling[av]``.

PyAV only decodes here. Its downmix is 3 dB louder than a mean and its resampler is another one, so channels
and rate are left as they are in the file.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from profiling.audio.containers import DamagedError
from profiling.audio.decode import Decoded, Samples, UnknownFormatError, check_span

if TYPE_CHECKING:
    from pathlib import Path

_SHORT_S = 0.1  # a container's duration is rounded and counts padding; less than this missing is no loss


class MissingPyAVError(Exception):
    """The optional package ``av`` is not installed."""


def decode_pyav(data: bytes, start: int, end: int) -> Decoded:
    """Decodes ``[start, end)`` of the first audio stream; arguments as in ``decode_sndfile``.

    Raises:
        DamagedError: truncated, damaged, or without audio in it.
        MissingPyAVError: PyAV is not installed.
        SpanError: the span is not inside the file.
        UnknownFormatError: FFmpeg does not know it either.
    """
    av = _import()
    with _open(av, io.BytesIO(data)) as container:
        stream = _audio_stream(container)
        blocks = list(_decoded(av, container, stream))
        samples = np.concatenate(blocks) if blocks else np.empty((0, stream.channels), np.float32)
        _check_complete(container, stream, len(samples))
        stop = check_span(start, end, len(samples))
        return Decoded(samples[start:stop], len(samples), int(stream.rate))


def stream_pyav(file: io.BytesIO | str) -> Iterator[tuple[Samples, int]]:
    """Decodes the first audio stream block by block.

    Yields:
        (frames, channels) float32, and the rate in Hz.

    Raises:
        DamagedError, MissingPyAVError, UnknownFormatError: as :func:`decode_pyav`; a cut-off file at its end.
    """
    av = _import()
    with _open(av, file) as container:
        stream = _audio_stream(container)
        came = 0
        for block in _decoded(av, container, stream):
            came += len(block)
            yield block, int(stream.rate)
        _check_complete(container, stream, came)


def probe_pyav(path: Path) -> tuple[int, int]:
    """Number of frames (from the duration) and sample rate, undecoded; errors as in ``decode_pyav``."""
    av = _import()
    with _open(av, str(path)) as container:
        stream = _audio_stream(container)
        return round((_promised_s(container, stream) or 0.0) * stream.rate), int(stream.rate)


def _import() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError:
        raise MissingPyAVError from None


def _open(av: Any, file: io.BytesIO | str) -> Any:
    try:
        container = av.open(file)
    except (av.FFmpegError, IndexError, ValueError):
        raise UnknownFormatError from None
    if not container.streams.audio:
        container.close()
        raise DamagedError("holds no audio stream")
    return container


def _audio_stream(container: Any) -> Any:
    stream = container.streams.audio[0]
    if getattr(stream, "layout", None) is None or not stream.rate:  # a header that names no codec or no rate
        container.close()
        raise DamagedError("damaged: FFmpeg finds no decodable audio in it")
    return stream


def _decoded(av: Any, container: Any, stream: Any) -> Iterator[Samples]:
    """(frames, channels) float32 each; ``fltp`` at the stream's own layout and rate changes the type only."""
    to_float = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    try:
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                yield part.to_ndarray().T
    except (av.FFmpegError, ValueError) as error:
        raise DamagedError(f"damaged or truncated: FFmpeg says {error}") from None


def _check_complete(container: Any, stream: Any, num_samples: int) -> None:
    promised_s, came_s = _promised_s(container, stream), num_samples / stream.rate
    if promised_s is not None and came_s < promised_s - _SHORT_S:
        raise DamagedError(f"truncated: the header promises {promised_s:.2f} s, {came_s:.2f} s came")


def _promised_s(container: Any, stream: Any) -> float | None:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1  # else the container may be as long as its picture
    return container.duration / 1e6 if alone and container.duration is not None else None
