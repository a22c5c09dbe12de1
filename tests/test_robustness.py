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


def test_steps_are_checked() -> None:
    assert len(chains("standard")) == len(STANDARD)
    with pytest.raises(ConfigError, match="nois"):
        chains(["nois:10"])
    with pytest.raises(ConfigError, match="write standard"):
        chains("all")
