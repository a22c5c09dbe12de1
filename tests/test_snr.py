"""Signal-to-noise ratios: measured when a recording is decoded, remembered by content, read without opening audio."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from profiling.audio import load_audio, load_heard
from profiling.audio.levels import waveform_snr_db
from profiling.config import AudioConfig
from profiling.content_table import Span
from profiling.errors import ConfigError
from profiling.evaluation.groups import group_scores
from profiling.features.blocks import Outcome
from profiling.features.store import RowKey
from profiling.snr_index import SnrIndex
from tests.recordings import write
from tests.trained import Lab, call, corpora_setting

A, B = Span("a" * 64, 0, -1, "mix"), Span("a" * 64, 0, 16_000, "mix")


def paused(ratio_db: float, seed: int = 0) -> np.ndarray:
    """(32000,) a second of noise as the signal, then a second of the same ``ratio_db`` lower."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal(32_000)
    noise[16_000:] *= 10 ** (-ratio_db / 20)
    return noise.astype(np.float32)


@pytest.mark.parametrize("ratio_db", [6.0, 20.0, 40.0])
def test_the_estimate_is_the_ratio_of_loud_to_quiet(ratio_db: float) -> None:
    found = waveform_snr_db(paused(ratio_db))
    assert found == pytest.approx(ratio_db, abs=1.5)  # percentiles of noise: 20 ms of it vary by about 0.5 dB


def test_a_copy_is_described_by_its_recording(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", paused(30), subtype="FLOAT")
    clean = load_heard(path, AudioConfig()).snr_db
    assert clean == waveform_snr_db(load_audio(path).waveform)
    noisy = load_heard(path, AudioConfig(perturb=["noise:0"]))
    assert noisy.snr_db == clean
    assert (waveform_snr_db(noisy.waveform) or 0) < 12


def test_what_is_kept_is_found_again_and_only_that(tmp_path: Path) -> None:
    index = SnrIndex(tmp_path)
    assert index.lookup([A]) == {}
    index.keep(A, 21.5)
    index.keep(B, None)  # too short to have one
    assert index.lookup([A, B]) == {A: 21.5}  # before it is written, too
    index.commit()
    other = SnrIndex(tmp_path)
    assert other.lookup([A, B, A._replace(channel="0")]) == {A: 21.5}
    other.keep(A, 3.0)
    other.commit()
    assert SnrIndex(tmp_path).lookup([A]) == {A: 3.0}


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "snr.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match=r"snr\.sqlite.*remove it"):
        SnrIndex(tmp_path).lookup([A])


def test_an_outcome_brings_them_from_another_process() -> None:
    outcome = Outcome([RowKey("a" * 64), None], [1.0, None], [None, None], [21.5, None])
    assert Outcome.from_json(outcome.to_json()) == outcome


def test_predictions_have_them_without_opening_audio(lab: Lab, tmp_path: Path) -> None:
    run, out = lab.run("age"), tmp_path / "again"
    corpora = corpora_setting("heldout", [lab.other])
    with patch("profiling.features.decode.Recording", side_effect=AssertionError("audio was opened")):
        assert call("evaluate", str(run), corpora, *lab.paths, "--out", str(out)).code == 0
    answers = pd.read_parquet(out / "predictions.parquet").set_index("utt_id")
    manifest = pd.read_csv(lab.other, dtype=str)
    measured = [waveform_snr_db(load_audio(lab.other.parent / path).waveform) for path in manifest["path"]]
    assert sorted(answers["snr_db"]) == pytest.approx(sorted(m for m in measured if m is not None), abs=1e-6)
    own = pd.read_parquet(run / "predictions.parquet")
    assert own["snr_db"].notna().all()


def test_what_nobody_measured_is_no_group_and_is_counted(lab: Lab, tmp_path: Path) -> None:
    run, out = lab.run("age"), tmp_path / "unmeasured"
    elsewhere = [one for one in lab.paths if not one.startswith("paths.cache")]
    corpora = corpora_setting("heldout", [lab.other])
    said = call("evaluate", str(run), corpora, *elsewhere, f"paths.cache={tmp_path}", "--out", str(out))
    assert said.code == 0, said.err  # hashes are asked again, so everything is decoded and measured
    assert pd.read_parquet(out / "predictions.parquet")["snr_db"].notna().all()
    table = pd.DataFrame(
        {
            "speaker_id": [f"s{i % 8}" for i in range(80)],
            "snr_db": [5.0] * 30 + [25.0] * 30 + [np.nan] * 20,
            "target": 30.0,
            "predicted": np.linspace(20, 40, 80),
        }
    )
    found = group_scores(table, [], 30.0)
    rows = {
        row["group"]: row["n"]
        for row in found["groups"]
        if row["grouping"] == "snr" and row["metric"] == "mae"
    }
    assert rows == {"20 to 30 dB": 30, "not measured": 20, "under 10 dB": 30}
    (gap,) = (gap for gap in found["gaps"] if gap["grouping"] == "snr" and gap["metric"] == "mae")
    assert gap["groups"] == 2
    json.dumps(found, allow_nan=False)
