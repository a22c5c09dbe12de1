"""Shared fixtures: the real speech beside the project, and small generated recordings."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.trained import Lab

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
