"""Optuna's ask and tell over banks, launchers of other distributions, and our plugins beside theirs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import optuna
import pandas as pd
import pytest
from hydra.core.plugins import Plugins
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from profiling.errors import ConfigError
from profiling.training.overrides import parse
from profiling.training.plugins import register_hydra_plugins
from profiling.training.sweeper import search_space, settings_of
from tests.trained import Lab, Said, call, corpora_setting

OPTUNA = ["hydra/sweeper=optuna", "hydra/launcher=packed", "hydra.sweeper.batch=3"]
SPACE = ["task=gender", "head.lr=tag(log,interval(1e-4,1e-1))", "head.weight_decay=0,0.1"]


def sweep(lab: Lab, folder: Path, *settings: str) -> Said:
    quick = ["trainer.max_epochs=2", "trainer.tensorboard=false", "split.kind=official"]
    corpora = [corpora_setting("train", [lab.many]), f"hydra.sweep.dir={folder}"]
    return call("train", *lab.cheap, *quick, *corpora, *settings, "-m")


def test_a_study_asks_in_batches_goes_on_and_selects_like_any_sweep(lab: Lab, tmp_path: Path) -> None:
    first = sweep(lab, tmp_path / "s", *OPTUNA, *SPACE, "hydra.sweeper.trials=4")
    assert first.code == 0, first.err
    assert "3 heads in one bank" in first.err
    assert "1 heads in one bank" in first.err
    study = optuna.load_study(study_name="profiling", storage=f"sqlite:///{tmp_path / 's' / 'optuna.db'}")
    rates = [trial.params["head.lr"] for trial in study.trials]
    for trial in study.trials:
        job = json.loads((tmp_path / "s" / str(trial.number) / "validation.json").read_text())
        assert trial.value == job["score"]
    study.ask(study.trials[0].distributions)  # as if killed before it was told
    second = sweep(lab, tmp_path / "s", *OPTUNA, *SPACE, "hydra.sweeper.trials=6")
    assert second.code == 0, second.err
    trials = optuna.load_study(
        study_name="profiling", storage=f"sqlite:///{tmp_path / 's' / 'optuna.db'}"
    ).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6
    assert [trial.params["head.lr"] for trial in trials][:4] == rates
    assert len({trial.params["head.lr"] for trial in trials}) == 6
    board = pd.read_csv(tmp_path / "s" / "leaderboard.csv")
    assert len(board) == 6
    assert board["score"].max() == max(trial.value for trial in trials if trial.value is not None)
    other = sweep(lab, tmp_path / "s", *OPTUNA, "task=gender", "head.lr=0.1,0.2")
    assert other.code == 2
    assert "holds a study of another search space" in other.err.splitlines()[-1]


def test_search_spaces_say_what_they_are() -> None:
    texts = [
        "a=tag(log,interval(1e-3,1))",
        "b=int(interval(1,8))",
        "c=range(1,9,2)",
        "d=x,y",
        "e=range(0,1,0.5)",
    ]
    assert search_space([parse(text) for text in texts]) == {
        "a": FloatDistribution(1e-3, 1.0, log=True),
        "b": IntDistribution(1, 8),
        "c": IntDistribution(1, 7, step=2),
        "d": CategoricalDistribution(["x", "y"]),
        "e": CategoricalDistribution(["0.0", "0.5"]),
    }
    assert list(settings_of({"a": 0.1 + 0.2, "d": "x", "c": 3})) == ["a=0.30000000000000004", "d=x", "c=3"]


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["a=1"], "nothing to search"),
        (["task=age,gender"], "scores of two tasks cannot be compared"),
        (["a=tag(log,interval(0,1))"], "from above 0"),
        (["a=interval(2,1)"], "goes up"),
    ],
)
def test_a_space_that_cannot_be_searched_is_said(texts: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        search_space([parse(text) for text in texts])


def test_our_plugins_stand_beside_installed_ones() -> None:
    import hydra_plugins

    register_hydra_plugins()
    register_hydra_plugins()
    known = Plugins.instance().class_name_to_class
    assert "hydra_plugins.profiling_packed.PackedLauncher" in known
    assert isinstance(sys.modules["hydra_plugins.profiling_packed"], ModuleType)
    assert any(Path(place, "hydra_joblib_launcher").is_dir() for place in hydra_plugins.__path__)
    assert "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher" in known


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], ["hydra/launcher=submitit_local"]],
    ids=["joblib", "submitit_local"],
)
def test_processes_of_other_launchers_select_too(lab: Lab, tmp_path: Path, launcher: list[str]) -> None:
    said = sweep(lab, tmp_path / "s", *launcher, "task=gender", "head.lr=0.01,0.001")
    assert said.code == 0, said.err
    board = pd.read_csv(tmp_path / "s" / "leaderboard.csv")
    assert sorted(board["head.lr"]) == [0.001, 0.01]
    winner = json.loads((tmp_path / "s" / "selection.json").read_text())["winners"][0]
    assert (Path(winner["runs"][0]) / "metrics.json").exists()
