"""Arousal, valence and dominance together: each CCC and their mean, through ``profiling compare``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profiling.errors import SplitError
from profiling.evaluation.dimensions import dimensional_ccc
from tests.test_intervals import freedom
from tests.trained import call

NAMES = ("arousal", "valence", "dominance")


def answers(seed: int, noise: float, speakers: int = 9, each: int = 6) -> pd.DataFrame:
    """Test predictions of one dimension; the utterances are the same for every seed."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), each)
    target = random.uniform(0, 1, len(who))
    shared = random.normal(0, noise / 2, speakers)[who]
    return pd.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(len(who))],
            "speaker_id": [f"s{i}" for i in who],
            "corpus": "x",
            "part": "test",
            "fold": "final",
            "target": target,
            "predicted": target + shared + random.normal(0, noise, len(who)),
        }
    )


def lin(table: pd.DataFrame) -> float:
    """Lin's coefficient from numpy's moments."""
    y, p = table["target"].to_numpy(), table["predicted"].to_numpy()
    return float(2 * np.cov(y, p, ddof=0)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2))


def folder(root: Path, task: str, table: pd.DataFrame) -> str:
    """What a run leaves, as far as comparing reads it."""
    run = root / f"run_{task}"
    run.mkdir()
    (run / "metrics.json").write_text(json.dumps({"task": {"name": task}}))
    table.to_parquet(run / "predictions.parquet")
    return str(run)


def test_the_mean_is_that_of_lins_coefficients_and_its_interval_over_speakers() -> None:
    tables = {name: answers(seed, 0.2 + 0.2 * seed) for seed, name in enumerate(NAMES)}
    found = dimensional_ccc({name: table.sample(frac=1, random_state=3) for name, table in tables.items()})
    for name, table in tables.items():
        assert found[name]["value"] == pytest.approx(lin(table), rel=1e-9)
    mean = np.mean([lin(table) for table in tables.values()])
    assert found["mean"]["value"] == pytest.approx(mean, rel=1e-9)
    without = [
        np.arctanh(np.mean([lin(table[table["speaker_id"] != f"s{i}"]) for table in tables.values()]))
        for i in range(9)
    ]
    from scipy import stats

    half = (
        stats.t.ppf(0.975, freedom(np.array(without))) * np.sqrt(8 / 9 * np.var(without) * 9) * (1 + 0.5 / 9)
    )
    ends = np.tanh([np.arctanh(mean) - half, np.arctanh(mean) + half])
    assert (found["mean"]["low"], found["mean"]["high"]) == pytest.approx(tuple(ends), rel=1e-6)


def test_compare_takes_runs_of_the_dimensions_together(tmp_path: Path) -> None:
    tables = {name: answers(seed, 0.3) for seed, name in enumerate(NAMES)}
    runs = [folder(tmp_path, name, table) for name, table in tables.items()]
    said = call("compare", *runs, "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    assert "test: 54 utterances of 9 speakers, CCC" in said.out
    rows = {
        row["dimension"]: row for row in json.loads((tmp_path / "out/dimensions.json").read_text())["rows"]
    }
    assert list(rows) == [*NAMES, "mean"]
    assert rows["valence"]["ccc"] == pytest.approx(lin(tables["valence"]))
    assert f"  mean: {rows['mean']['ccc']:.3f} [" in said.out
    assert list(pd.read_csv(tmp_path / "out/dimensions.csv")["dimension"]) == [*NAMES, "mean"]


def test_other_utterances_are_refused_or_left_out_when_asked(tmp_path: Path) -> None:
    runs = [folder(tmp_path, "arousal", answers(0, 0.3)), folder(tmp_path, "valence", answers(1, 0.3)[6:])]
    said = call("compare", *runs)
    assert said.code == 2
    assert "the dimensions share 48 utterances (arousal 54, valence 48)" in said.err
    assert "test: 48 utterances of 8 speakers" in call("compare", *runs, "--shared").out
    with pytest.raises(SplitError, match="share 0 utterances"):
        dimensional_ccc({"arousal": answers(0, 0.3)[:6], "valence": answers(1, 0.3)[6:]})


def test_two_runs_of_one_dimension_are_rivals(tmp_path: Path) -> None:
    first = folder(tmp_path, "arousal", answers(0, 0.3))
    (tmp_path / "again").mkdir()
    second = folder(tmp_path / "again", "arousal", answers(0, 0.3).assign(predicted=0.5))
    said = call("compare", first, second, "--metric", "mae")
    assert said.code == 0, said.err
    assert "difference" in said.out
