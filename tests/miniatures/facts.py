"""What a miniature says of itself, and the recordings it is made of.

A miniature is a module ``tests/miniatures/<reader>.py`` with ``build(folder) -> Path``, which writes the
publisher's layout into an empty folder and returns what the reader is given, and ``FACTS``. Nothing lists the
modules: the generic test in ``tests/test_corpora_readers.py`` looks for one of each reader's name.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from profiling.errors import ManifestError, ProfilingError
from tests.recordings import speechlike, write

SECONDS = 0.2
RATE_HZ = 16_000


@dataclass(frozen=True)
class Odd:
    """Something a publisher or a user did to the corpus, and what the reader says to it.

    Attributes:
        change: makes it so in the folder that was built.
        error: regular expression of the message; None: the manifest stays as it is, but for ``dropped``.
        kind: of the error.
        dropped: what is counted, beside what the untouched miniature counts.
        rows: where the number of rows changes.
    """

    change: Callable[[Path], object]
    error: str | None = None
    kind: type[ProfilingError] = ManifestError
    dropped: Mapping[str, int] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True)
class Facts:
    """What the manifest of a miniature has to say.

    Attributes:
        rows: of the manifest.
        row: one of them, found by ``utt_id``: columns and values; the label columns not named are missing.
        missing: ids of rows whose recording the publisher lists and the folder lacks.
        dropped: ``attrs["dropped"]`` of the untouched miniature.
        odd: what is done to it -> what happens. A corpus with a card of its own says at least ``duplicate``
            (a copy of a recording elsewhere in the folder) and ``stray`` (a recording that is none of its own).
    """

    rows: int
    row: Mapping[str, object]
    missing: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    odd: Mapping[str, Odd] = field(default_factory=dict)


class Miniature(Protocol):
    """A module of this package."""

    FACTS: Facts

    def build(self, folder: Path) -> Path:
        """Writes the miniature; returns the path for the reader."""
        ...


def find_miniature(name: str) -> Miniature:
    """The miniature of a reader."""
    return cast(Miniature, importlib.import_module(f"tests.miniatures.{name}"))


def record(folder: Path, *names: str, rate_hz: int = RATE_HZ) -> None:
    """A short recording under each name, no two alike; the last is stereo. Suffixes: wav, flac, ogg, mp3."""
    for name in names:
        mono = speechlike(SECONDS, rate_hz, seed=zlib.crc32(name.encode()))
        samples = np.stack([mono, 0.5 * mono], axis=1) if name == names[-1] else mono
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        path = folder / name
        lower = path.with_suffix(path.suffix.lower())
        write(lower, samples, rate_hz).rename(path)


def copy(source: str, target: str) -> Callable[[Path], object]:
    """A change: the same bytes under a second name."""

    def change(folder: Path) -> None:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_bytes((folder / source).read_bytes())

    return change


def remove(name: str) -> Callable[[Path], object]:
    """A change: a file is gone."""
    return lambda folder: (folder / name).unlink()


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    """A change: other text in a table."""

    def change(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def write_text(folder: Path, name: str, text: str) -> Path:
    """A table or list of the publisher's."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name
