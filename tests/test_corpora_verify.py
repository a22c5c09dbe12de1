"""Verification of a manifest at three depths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from profiling.corpora.manifest import conform
from profiling.corpora.verify import verify_manifest
from profiling.errors import ConfigError
from profiling.provenance import sha256_file


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
    for name in ("good", "changed", "damaged"):
        sf.write(tmp_path / f"{name}.wav", tone, 16000)
    table = conform(
        pd.DataFrame(
            {
                "utt_id": ["c/good", "c/changed", "c/damaged", "c/empty", "c/gone"],
                "path": [str(tmp_path / f"{n}.wav") for n in ("good", "changed", "damaged", "empty", "gone")],
                "corpus": "c",
                "end_sample": [8000, -1, -1, -1, -1],
            }
        )
    )
    table.loc[:1, "audio_sha256"] = [sha256_file(Path(path)) for path in table["path"][:2]]
    sf.write(tmp_path / "changed.wav", 0.5 * tone, 16000)
    (tmp_path / "damaged.wav").write_bytes((tmp_path / "damaged.wav").read_bytes()[:1000])
    (tmp_path / "empty.wav").write_bytes(b"")
    return table


@pytest.mark.parametrize(
    ("depth", "found"),
    [
        ("exists", ["c/empty", "c/gone"]),
        ("hash", ["c/changed", "c/empty", "c/gone"]),
        ("decode", ["c/changed", "c/damaged", "c/empty", "c/gone"]),
    ],
)
def test_each_depth_finds_its_problems(manifest: pd.DataFrame, depth: str, found: list[str]) -> None:
    problems = verify_manifest(manifest, depth)
    assert problems["utt_id"].tolist() == found
    reasons = dict(zip(problems["utt_id"], problems["reason"], strict=True))
    assert "0 bytes" in reasons["c/empty"]
    assert "gone.wav" in reasons["c/gone"]
    if depth != "exists":
        assert "the manifest says" in reasons["c/changed"]


def test_a_sound_manifest_has_no_problems(manifest: pd.DataFrame) -> None:
    assert verify_manifest(manifest.iloc[:1], "decode").empty


def test_an_unknown_depth_is_named(manifest: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="depth=hsah: did you mean hash"):
        verify_manifest(manifest, "hsah")
