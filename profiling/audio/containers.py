"""Is the whole file there? What WAV, AIFF, AU and Ogg files promise, against the bytes that came.

libsndfile 1.2 reads a cut-off PCM or Ogg file without complaint and returns what is left, and of a chained
Ogg file the first stream only; flac, which it does notice, is left to it. So the containers are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: Sizes that writers to a pipe leave in the header, since they cannot go back: no promise is made.
_UNKNOWN = 0xFFFFFFFF
_PIPED = range(0x7FFFF000 - 0x1000, 0x80000000)  # sox, sph2pipe

_OGG_FIRST, _OGG_LAST = 2, 4  # bits of a page's header type (RFC 3533)
_OGG_HEADER_BYTES = 27


class DamagedError(Exception):
    """What is wrong with a container, in one line."""


def check_container(data: bytes) -> tuple[str, ...]:
    """Compares what a file promises with what it holds.

    Args:
        data: the whole file.

    Returns:
        Flags: ``unterminated`` where an Ogg stream lacks its last page but ends on a whole one, which
        live recordings do as well as files that lost their end.

    Raises:
        DamagedError: bytes are missing, or there is audio that libsndfile would leave out silently.
    """
    magic = data[:4]
    if magic == b"OggS":
        return _check_ogg(data)
    if magic in _CHUNKED:
        _check_chunks(data, *_CHUNKED[magic])
    elif magic == b".snd":
        _check_au(data)
    return ()


#: magic -> byte order, the chunk that holds the samples
_CHUNKED = {
    b"RIFF": ("<", b"data"),
    b"RIFX": (">", b"data"),
    b"RF64": ("<", b"data"),
    b"BW64": ("<", b"data"),
    b"FORM": (">", b"SSND"),
}


def _check_chunks(data: bytes, order: str, samples_in: bytes) -> None:
    long_size = None
    for name, size, start in _chunks(data, order):
        if name == b"ds64" and len(data) >= start + 16:  # RF64: 64-bit sizes of the file and of the data
            (long_size,) = struct.unpack_from("<Q", data, start + 8)
        if name == samples_in:
            promised = long_size if size == _UNKNOWN and long_size is not None else size
            _check_size(promised, len(data) - start)
            return
    raise DamagedError(f"truncated: no {samples_in.decode()} chunk in {len(data)} bytes")


def _chunks(data: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, size, offset of the content) of the chunks of a RIFF or IFF file."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from(f"{order}4sI", data, at)
        yield name, size, at + 8
        at += 8 + size + size % 2


def _check_au(data: bytes) -> None:
    if len(data) < 24:
        raise DamagedError(f"truncated: an AU header has 24 bytes, the file {len(data)}")
    offset, size = struct.unpack_from(">II", data, 4)
    _check_size(size, len(data) - offset)


def _check_size(promised: int, present: int) -> None:
    if promised == _UNKNOWN or (promised > present and promised in _PIPED):
        return
    if promised > present:
        raise DamagedError(f"truncated: the header promises {promised} bytes of samples, {present} came")
    if promised == 0 and present > 1:
        raise DamagedError(f"the header promises 0 bytes of samples but {present} follow: rewrite the header")


@dataclass
class _Stream:
    """One logical stream of an Ogg file, while its pages are walked."""

    next_page: int
    ended: bool = False


def _check_ogg(data: bytes) -> tuple[str, ...]:
    streams: dict[int, _Stream] = {}
    for kind, serial, number in _pages(data):
        if kind & _OGG_FIRST and any(stream.ended for stream in streams.values()):
            raise DamagedError("holds several chained Ogg streams, of which only the first would be read")
        stream = streams.setdefault(serial, _Stream(next_page=number))
        if number != stream.next_page:
            raise DamagedError(f"damaged: Ogg page {stream.next_page} is missing, page {number} came")
        stream.next_page += 1
        stream.ended = stream.ended or bool(kind & _OGG_LAST)
    return () if all(stream.ended for stream in streams.values()) else ("unterminated",)


def _pages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (header type, serial, page number); bytes after the last page (tags) are let pass."""
    at = 0
    while at < len(data):
        if data[at : at + 4] != b"OggS":
            if data.find(b"OggS", at) < 0:
                return
            raise DamagedError(f"damaged: no Ogg page begins at byte {at}")
        head = data[at : at + _OGG_HEADER_BYTES]
        body = at + _OGG_HEADER_BYTES + head[-1]
        end = body + sum(data[at + _OGG_HEADER_BYTES : body])
        if len(head) < _OGG_HEADER_BYTES or body > len(data) or end > len(data):
            raise DamagedError(f"truncated: the Ogg page at byte {at} is cut at byte {len(data)}")
        serial, number = struct.unpack_from("<II", head, 14)
        yield head[5], serial, number
        at = end
