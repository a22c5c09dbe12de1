"""What can be asked about: files, bytes and samples; from what is typed: folders, globs, lists, standard input."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from profiling.errors import ConfigError, ManifestError

STDIN = "-"
#: More than this on standard input waits in a temporary file, so that memory does not follow its length.
_PIPED_IN_MEMORY_BYTES = 8 << 20
_LIST = "@"
_WILD = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in memory.

    Attributes:
        array: (samples,) or (channels, samples).
        rate_hz: samples per second.
        name: what the answer calls them.
    """

    array: Any
    rate_hz: float
    name: str = "array"


@dataclass(frozen=True, eq=False)
class FileBytes:
    """The bytes of an audio file, such as standard input's."""

    data: bytes
    name: str = "bytes"


@dataclass(frozen=True, eq=False)
class NamedFile:
    """A file that answers and errors call by another name.

    Attributes:
        path: where it is.
        name: what it is called.
        held: whatever has to live as long as this, such as a temporary file.
    """

    path: Path
    name: str
    held: object = None


Source = str | Path | Samples | FileBytes | NamedFile


def name_of(source: Source) -> str:
    """What answers call a source."""
    return str(source) if isinstance(source, str | Path) else source.name


def as_source(source: Any, rate_hz: float | None) -> Source:
    """A path, bytes, or samples with their rate.

    Raises:
        ConfigError: samples without a rate, or a rate with a file.
    """
    if isinstance(source, bytes):
        source = FileBytes(source)
    if isinstance(source, Source):
        if rate_hz is not None:
            raise ConfigError(f"rate_hz={rate_hz} with a file: the file knows its rate, leave it out")
        return source
    if rate_hz is None:
        raise ConfigError("samples need their rate: give rate_hz, such as profiler(waveform, 16000)")
    return Samples(source, rate_hz)


def expand(asked: Sequence[str], lists: Sequence[str] = ()) -> list[Source]:
    """Every recording that is meant, once each, in the order given.

    Args:
        asked: files, folders (searched to any depth), globs, ``@list.txt``, ``-`` for the bytes of a recording
            on standard input, ``@-`` for a list of paths there.
        lists: text files with a path on each line, or ``-``.

    Raises:
        ConfigError: nothing asked, a folder without recordings, a glob that matches nothing, a list that
            cannot be read or is empty, or standard input asked for twice.
    """
    names = [*asked, *(f"{_LIST}{name}" for name in lists)]
    if sum(name in (STDIN, _LIST + STDIN) for name in names) > 1:
        raise ConfigError("standard input (-) is asked for twice; it can be read once")
    found = [source for name in names for source in _expanded(name)]
    if not found:
        raise ConfigError(
            "no recording named; give files, folders, globs, @list.txt, or - for standard input"
        )
    unique = dict.fromkeys(source for source in found if isinstance(source, str))
    return [*unique, *(source for source in found if not isinstance(source, str))]


def _expanded(name: str) -> Iterator[Source]:
    if name == STDIN:
        yield _piped(sys.stdin.buffer)
    elif name.startswith(_LIST) and not Path(name).exists():
        yield from _listed(name.removeprefix(_LIST))
    elif Path(name).is_dir():
        yield from _in_folder(Path(name))
    elif _WILD & set(name) and not Path(name).exists():
        yield from _matching(name)
    else:
        yield name


def _piped(stream: BinaryIO) -> FileBytes | NamedFile:
    start = stream.read(_PIPED_IN_MEMORY_BYTES)
    if len(start) < _PIPED_IN_MEMORY_BYTES:
        return FileBytes(start, STDIN)
    file = tempfile.NamedTemporaryFile(prefix="profiling-stdin-")  # noqa: SIM115 - lives as long as the source
    file.write(start)
    shutil.copyfileobj(stream, file)
    file.flush()
    return NamedFile(Path(file.name), STDIN, file)


def _in_folder(folder: Path) -> Iterator[str]:
    from profiling.corpora.tables import find_recordings  # imports pandas, a second

    try:
        found = find_recordings(folder)
    except ManifestError as error:
        raise ConfigError(str(error)) from error
    yield from (str(folder / path) for path in found)


def _matching(pattern: str) -> Iterator[str]:
    found = sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))  # noqa: PTH207 - absolute patterns
    if not found:
        raise ConfigError(f"{pattern}: matches nothing")
    for name in found:
        if Path(name).is_file():
            yield name


def _listed(name: str) -> Iterator[str]:
    """The lines of a list; relative paths are relative to the current folder, as for any program."""
    try:
        text = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        lines = text.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"list {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"list {name}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    paths = [line.strip() for line in lines if line.strip()]
    if not paths:
        raise ConfigError(f"list {name}: no path in it; write one on each line")
    yield from paths
