"""The file itself: is it one, its bytes in one read, what the file system says of it meanwhile."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from profiling.errors import AudioError
from profiling.provenance import sha256_file


@dataclass(frozen=True)
class Stamp:
    """What the file system said of a file while its bytes were read; an unchanged file has the same.

    Attributes:
        num_bytes: size.
        mtime_ns: last modification.
        read_ns: when it was read, same clock.
    """

    num_bytes: int
    mtime_ns: int
    read_ns: int


def check_file(path: Path) -> None:
    """Refuses what cannot be a recording.

    Raises:
        AudioError: stage ``open``.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise AudioError("open", f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise AudioError("open", f"{path}: is a folder, not a recording")
    if not stat.S_ISREG(mode):  # a pipe would wait forever
        raise AudioError("open", f"{path}: is not a regular file")


def read_bytes(path: Path) -> tuple[bytes, Stamp]:
    """Reads a whole file once.

    Raises:
        AudioError: stage ``open``: missing, a folder, unreadable, 0 bytes.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            read_ns = time.time_ns()
            data = file.read()
    except OSError as error:
        raise AudioError("open", f"{path}: {error.strerror}") from None
    if not data:
        raise AudioError("open", f"{path}: 0 bytes")
    return data, Stamp(len(data), before.st_mtime_ns, read_ns)


def hash_file(path: Path) -> str:
    """sha256 of a recording's bytes, as ``load_audio`` gives it.

    Raises:
        AudioError: stage ``open``.
    """
    check_file(path)
    try:
        return sha256_file(path)
    except OSError as error:
        raise AudioError("open", f"{path}: {error.strerror}") from None
