"""Hashes of weights files remembered by size and time."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from profiling.backbones import weights
from tests.hub_stand_in import DIGEST, WEIGHTS


def settled(path: Path, data: bytes, age_s: float = 100) -> Path:
    """A file last written a while ago."""
    path.write_bytes(data)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "w.pt", WEIGHTS)
    assert weights.weights_sha256(path, tmp_path / "cache") == DIGEST
    monkeypatch.setattr(weights, "sha256_file", lambda _: pytest.fail("read again"))
    assert weights.weights_sha256(path, tmp_path / "cache") == DIGEST


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = settled(tmp_path / "w.pt", WEIGHTS)
    weights.weights_sha256(path, tmp_path / "cache")
    settled(path, WEIGHTS[::-1], age_s=50)  # same size, another time
    assert weights.weights_sha256(path, tmp_path / "cache") == sha256(WEIGHTS[::-1]).hexdigest()


def test_a_file_of_this_moment_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(WEIGHTS)
    weights.weights_sha256(tmp_path / "w.pt", tmp_path / "cache")
    assert not (tmp_path / "cache" / "weights.json").exists()


@pytest.mark.parametrize("damage", ["{", "[1]", '{"x": 3}', "\ud800"])
def test_a_damaged_memory_is_computed_again(tmp_path: Path, damage: str) -> None:
    path = settled(tmp_path / "w.pt", WEIGHTS)
    (tmp_path / "weights.json").write_bytes(damage.encode(errors="surrogatepass"))
    assert weights.weights_sha256(path, tmp_path) == DIGEST
    assert json.loads((tmp_path / "weights.json").read_text())[str(path)]["sha256"] == DIGEST


def test_a_cache_that_cannot_be_written_is_said_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    path = settled(tmp_path / "w.pt", WEIGHTS)
    assert weights.weights_sha256(path, tmp_path / "blocked") == DIGEST
    assert "cannot remember" in caplog.text
