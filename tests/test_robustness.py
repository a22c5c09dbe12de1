"""Held-out corpora under perturbed copies, and ``profiling compare`` on what evaluations leave."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from profiling.errors import ConfigError
from profiling.training.robustness import STANDARD, chains
from tests.trained import Lab, call, corpora_setting


def test_curves_start_at_the_clean_score(lab: Lab, tmp_path: Path) -> None:
    run, clean, out = lab.run("age"), tmp_path / "clean", tmp_path / "noisy"
    corpora = corpora_setting("heldout", [lab.other])
    assert call("evaluate", str(run), corpora, *lab.paths, "--out", str(clean)).code == 0
    asked = "heldout.robustness=[noise:0,[telephone,truncate:1]]"
    said = call("evaluate", str(run), corpora, *lab.paths, asked, "--out", str(out))
    assert said.code == 0, said.err
    table = pd.read_csv(out / "robustness.csv")
    assert list(table["steps"].unique()) == ["clean", "noise:0", "telephone+truncate:1"]
    before = json.loads((clean / "metrics.json").read_text())["scores"]["heldout"]["other"]["masked"][
        "metrics"
    ]
    mae = table[(table["metric"] == "mae") & (table["decision"] == "masked")].set_index("steps")["value"]
    assert mae["clean"] == pytest.approx(before["mae"]["value"])
    assert mae["noise:0"] != pytest.approx(mae["clean"], rel=1e-3)  # other features than the clean ones
    assert table.set_index("steps").loc["noise:0", "severity"].iloc[0] == 0
    compared = call("compare", str(clean), str(out), "--on", "other", "--out", str(tmp_path / "c"))
    assert compared.code == 0, compared.err
    assert "held-out other: 40 utterances of 10 speakers, MAE" in compared.out
    (one,) = json.loads((tmp_path / "c" / "comparison.json").read_text())["comparisons"]
    assert (one["difference"], one["verdict"]) == (0.0, "tie")  # the same head on the same recordings
    assert call("compare", str(clean), str(clean)).code == 2


def test_a_training_run_scores_perturbed_copies_too(lab: Lab, tmp_path: Path) -> None:
    """As ``profiling evaluate`` does with the same head; it used to pass over the setting without a word."""
    run, out, asked = tmp_path / "run", tmp_path / "again", "heldout.robustness=[noise:0]"
    said = lab.train(run, "task=gender", asked, train=[lab.many], heldout=[lab.other])
    assert said.code == 0, said.err
    corpora = corpora_setting("heldout", [lab.other])
    assert call("evaluate", str(run), corpora, *lab.paths, asked, "--out", str(out)).code == 0
    tables = [pd.read_csv(folder / "robustness.csv") for folder in (run, out)]
    pd.testing.assert_frame_equal(*tables)
    assert list(tables[0]["steps"].unique()) == ["clean", "noise:0"]


@pytest.mark.parametrize(
    ("setting", "said"), [("[nois:0]", "noise"), ("standard", "there is none; name one: corpus.heldout=")]
)
def test_what_cannot_be_perturbed_is_said_before_training(
    lab: Lab, tmp_path: Path, setting: str, said: str
) -> None:
    found = lab.train(tmp_path / "run", f"heldout.robustness={setting}", train=[lab.many])
    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "run" / "heads").exists()


def test_steps_are_checked() -> None:
    assert len(chains("standard")) == len(STANDARD)
    with pytest.raises(ConfigError, match="nois"):
        chains(["nois:10"])
    with pytest.raises(ConfigError, match="write standard"):
        chains("all")
