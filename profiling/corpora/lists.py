"""``key value`` lists, as Kaldi writes them: one pair a line, the value is the rest of the line."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import ManifestError


def read_list(path: Path) -> dict[str, str]:
    """The pairs of a list.

    Raises:
        ManifestError: not readable, a line without a value, or a key that stands twice with different values.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        key, *rest = line.split(maxsplit=1)
        if not rest:
            raise ManifestError(f"{path}: line {number}: no value beside {key!r}")
        value = rest[0].strip()
        if pairs.setdefault(key, value) != value:
            raise ManifestError(f"{path}: line {number}: {key!r} is {value!r} here and {pairs[key]!r} above")
    return pairs


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that hold something.

    Raises:
        ManifestError: not readable, or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text: {error}") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
    return [line for line in lines if line.strip()]
