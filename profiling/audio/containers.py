"""Is the whole file there? What WAV, AIFF, AU, CAF, NIST SPHERE and Ogg files promise, against the bytes that came.

libsndfile 1.2 reads a cut-off PCM or Ogg file without complaint and returns what is left, and of a chained
Ogg file the first stream only; flac, which it does notice, is left to it. So the containers are read here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from profiling.audio.pieces import Bytes

#: Sizes that writers to a pipe leave in the header, since they cannot go back: no promise is made.
_UNKNOWN = 0xFFFFFFFF
_UNKNOWN_LONG = 2**64 - 1  # CAF
_PIPED = range(0x7FFFF000 - 0x1000, 0x80000000)  # sox, sph2pipe

_OGG_FIRST, _OGG_LAST = 2, 4  # bits of a page's header type (RFC 3533)
_OGG_HEADER_BYTES = 27
_SPHERE_HEADER_BYTES = 16_384  # more than any header there is; most have 1024


class DamagedError(Exception):
    """What is wrong with a container, in one line."""


def check_container(data: Bytes) -> tuple[str, ...]:
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
    if magic in _LAYOUTS:
        _check_chunks(data, _LAYOUTS[magic])
    elif magic == b".snd":
        _check_au(data)
    elif magic == b"NIST":
        _check_sphere(data)
    return ()


@dataclass(frozen=True)
class _Layout:
    """How a format lays out its chunks: name, size, content; name, size, content; ...

    Attributes:
        first: offset of the first chunk.
        head: struct format of (name, size).
        samples_in: name of the chunk that holds the samples.
        counted: bytes of (name, size) that the size includes.
        before: bytes in the chunk before its samples.
        align: chunks begin at multiples of this.
    """

    first: int
    head: str
    samples_in: bytes
    counted: int = 0
    before: int = 0
    align: int = 2


_LAYOUTS = {
    b"RIFF": _Layout(12, "<4sI", b"data"),
    b"RIFX": _Layout(12, ">4sI", b"data"),
    b"RF64": _Layout(12, "<4sI", b"data"),
    b"BW64": _Layout(12, "<4sI", b"data"),
    b"FORM": _Layout(12, ">4sI", b"SSND", before=8),
    b"riff": _Layout(40, "<4s12xQ", b"data", counted=24, align=8),  # Sony Wave64: names are GUIDs
    b"caff": _Layout(8, ">4sQ", b"data", before=4, align=1),
}


def _check_chunks(data: Bytes, layout: _Layout) -> None:
    long_size = None
    for name, size, start in _chunks(data, layout):
        if name == b"ds64" and len(data) >= start + 16:  # RF64: 64-bit sizes of the file and of the data
            (long_size,) = struct.unpack("<Q", data[start + 8 : start + 16])
        if name == layout.samples_in:
            promised = long_size if size == _UNKNOWN and long_size is not None else size
            _check_size(promised, len(data) - start, layout.before)
            return
    raise DamagedError(f"truncated: no {layout.samples_in.decode()} chunk in {len(data)} bytes")


def _chunks(data: Bytes, layout: _Layout) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, size of the content, offset of the content)."""
    head_bytes = struct.calcsize(layout.head)
    at = layout.first
    while at + head_bytes <= len(data):
        name, size = struct.unpack(layout.head, data[at : at + head_bytes])
        size = max(0, size - layout.counted)
        yield name, size, at + head_bytes
        at += head_bytes + size
        at += -at % layout.align


def _check_au(data: Bytes) -> None:
    if len(data) < 24:
        raise DamagedError(f"truncated: an AU header has 24 bytes, the file {len(data)}")
    offset, size = struct.unpack(">II", data[4:12])
    _check_size(size, len(data) - offset)


def _check_sphere(data: Bytes) -> None:
    """NIST SPHERE: a header of text lines, ``name -type value``; compressed samples promise no size."""
    lines = data[:_SPHERE_HEADER_BYTES].decode("latin-1").split("end_head")[0].splitlines()
    if len(lines) < 2 or not lines[1].strip().isdecimal():
        raise DamagedError("damaged: the NIST SPHERE header does not say how long it is")
    fields = {
        parts[0]: parts[2] for parts in (line.split(maxsplit=2) for line in lines[2:]) if len(parts) == 3
    }
    if "," in fields.get("sample_coding", "pcm"):  # such as pcm,embedded-shorten-v2.00
        return
    numbers = [fields.get(name, "1") for name in ("sample_count", "sample_n_bytes", "channel_count")]
    if "sample_count" not in fields or not all(number.isdecimal() for number in numbers):
        return
    _check_size(math.prod(map(int, numbers)), len(data) - int(lines[1]))


def _check_size(promised: int, present: int, before: int = 0) -> None:
    """Of the chunk with the samples, of which ``before`` bytes are none."""
    if promised in (_UNKNOWN, _UNKNOWN_LONG) or (promised > present and promised in _PIPED):
        return
    if promised > present:
        raise DamagedError(f"truncated: the header promises {promised} bytes of samples, {present} came")
    if promised <= before and present > before + 1:
        raise DamagedError(f"the header promises no samples but {present - before} bytes follow: rewrite it")


@dataclass
class _Stream:
    """One logical stream of an Ogg file, while its pages are walked."""

    next_page: int
    ended: bool = False


def _check_ogg(data: Bytes) -> tuple[str, ...]:
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


def _pages(data: Bytes) -> Iterator[tuple[int, int, int]]:
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
