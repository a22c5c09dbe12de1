"""Running commands in-process, as a user types them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from profiling.cli import main


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The line of a user's mistake: the only one on standard error that starts with the program's name."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("profiling: ")]
        assert "Traceback" not in self.err
        return line


@dataclass
class CommandLine:
    """Runs commands with everything they write below ``folder``."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        code = main(arguments)
        captured = self.capsys.readouterr()
        return Said(code, captured.out, captured.err)

    def extract(self, corpus: str | Path, *settings: str) -> Said:
        """Extracts with the cheapest backbone."""
        spec = corpus if isinstance(corpus, str) else f"csv:{corpus}"
        return self("extract", f"corpus.train=[{spec}]", *self.settings, *settings)

    @property
    def settings(self) -> list[str]:
        """Where things go, and the cheapest backbone."""
        return [
            "backbone=spectral_stats",
            "features.layers=embedding",
            f"paths.features={self.folder}/features",
            f"paths.cache={self.folder}/cache",
        ]

    @property
    def store(self) -> Path:
        """The one feature store."""
        (spec,) = (self.folder / "features").glob("*/spec.json")
        return spec.parent


def manifest(folder: Path, names: Sequence[str], header: str = "path", name: str = "manifest.csv") -> Path:
    """A table in ``folder``; each of ``names`` is a row."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join([header, *names]) + "\n", encoding="utf-8")
    return path


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_VERSION_3 = 0x20080522  # linux/capability.h
_READS_EVERYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def ordinary_rights() -> Iterator[None]:
    """Root without the right to read what its owner forbade: permissions count as for everyone.

    Capabilities belong to threads; those started inside inherit the lack.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data):
        pytest.skip("capabilities cannot be asked here")
    before = data[0].effective
    data[0].effective = before & ~_READS_EVERYTHING
    assert libc.capset(ctypes.byref(header), data) == 0
    try:
        yield
    finally:
        data[0].effective = before
        assert libc.capset(ctypes.byref(header), data) == 0
