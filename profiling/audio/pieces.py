"""The bytes of a file as if they were in memory: looked at a piece at a time, whatever its size."""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

_PIECE_BYTES = 1 << 18


class Bytes(Protocol):
    """What readers of containers need of ``bytes``."""

    def __len__(self) -> int: ...
    def __getitem__(self, span: slice, /) -> bytes: ...
    def find(self, wanted: bytes, start: int, /) -> int:
        """The first place from ``start`` on, or -1."""


class FilePieces:
    """A file with the interface of :class:`Bytes`; one piece of it is in memory.

    It is read and not mapped, because pages of a map count as memory of the process.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._size = os.fstat(self._file.fileno()).st_size
        self._first, self._piece = 0, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice, /) -> bytes:
        start, stop, _ = span.indices(self._size)
        if not self._first <= start <= stop <= self._first + len(self._piece):
            self._file.seek(start)
            self._first, self._piece = start, self._file.read(max(_PIECE_BYTES, stop - start))
        return self._piece[start - self._first : stop - self._first]

    def find(self, wanted: bytes, start: int, /) -> int:
        """See :class:`Bytes`."""
        while start < self._size:
            found = self[start : start + _PIECE_BYTES].find(wanted)
            if found >= 0:
                return start + found
            start += max(1, _PIECE_BYTES - len(wanted) + 1)  # it may lie across the edge
        return -1


class Spliced(io.RawIOBase):
    """A file whose first bytes are others, for a decoder to read.

    Args:
        file: read from here on; closed with this.
        head: stands at the start,
        instead_of: for so many bytes of the file.
    """

    def __init__(self, file: BinaryIO, head: bytes, instead_of: int) -> None:
        super().__init__()
        self._file, self._head, self._shift = file, head, instead_of - len(head)
        self._size = file.seek(0, io.SEEK_END) - self._shift
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As of any file."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills a buffer; only the end of the file leaves some of it empty."""
        view = memoryview(buffer).cast("B")
        head = self._head[self._at : self._at + len(view)]
        self._file.seek(max(self._at, len(self._head)) + self._shift)
        piece = head + self._file.read(len(view) - len(head))
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Closes the file too."""
        self._file.close()
        super().close()
