"""Shared fixtures: the real speech beside the project, and small generated recordings."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command_line import CommandLine
from tests.trained import Lab

if TYPE_CHECKING:
    from profiling.predict.profiler import Profiler

# A shell that starts the tests in the background makes them deaf to Ctrl-C, and so everything they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SPEECH = Path(__file__).resolve().parents[2] / "shared" / "speech"


@pytest.fixture(scope="session")
def speech() -> Path:
    """The real corpora for development; tests that use it carry the marker ``data``."""
    if not SPEECH.is_dir():
        pytest.skip("../shared/speech is absent")
    return SPEECH


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Generated corpora and finished runs on them, shared within a process."""
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, with everything it writes below this test's folder."""
    return CommandLine(tmp_path, capsys)


@pytest.fixture(scope="session")
def profilers() -> list[Profiler]:
    """The two that come with the package."""
    from profiling.predict.loading import default_bundles, load_profilers

    return load_profilers(default_bundles())


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
