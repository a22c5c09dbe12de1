"""Shared fixtures: the real speech beside the project, and small generated recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

SPEECH = Path(__file__).resolve().parents[2] / "shared" / "speech"


@pytest.fixture(scope="session")
def speech() -> Path:
    """The real corpora for development; tests that use it carry the marker ``data``."""
    if not SPEECH.is_dir():
        pytest.skip("../shared/speech is absent")
    return SPEECH
