"""Sweeps: chosen on validation alone, test and held-out opened once, for the winner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import profiling.training.score as scoring
from profiling.errors import ProfilingError
from profiling.training.outcome import Run
from profiling.training.select import choose, finish_sweep, leaderboard
from tests.trained import Lab, Said, call, corpora_setting, rewrite

CLOSED = {"metrics.json", "predictions.parquet", "report.md", "bundle", "heldout_scored.json"}


def sweep(lab: Lab, folder: Path, *settings: str, train: Path, heldout: Path) -> Said:
    corpora = [corpora_setting("train", [train]), corpora_setting("heldout", [heldout])]
    quick = ["trainer.max_epochs=3", "trainer.tensorboard=false", "split.kind=official"]
    return call("train", *lab.cheap, *quick, *corpora, f"hydra.sweep.dir={folder}", *settings, "-m")


def read(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    board = pd.read_csv(folder / "leaderboard.csv", dtype={"runs": str})
    return board, json.loads((folder / "selection.json").read_text())


def test_a_sweep_opens_the_winner_alone_and_only_after_the_choice(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    opened: list[tuple[bool, bool]] = []
    answer = scoring.answer_rows

    def watched(*arguments: Any) -> Any:
        opened.append(((folder / "leaderboard.csv").exists(), (folder / "selection.json").exists()))
        return answer(*arguments)

    monkeypatch.setattr(scoring, "answer_rows", watched)  # the only way to an answer of a trained head
    grid = ["task=gender", "head.lr=0.001,1e30", "head.seed=0,1"]
    said = sweep(lab, folder, *grid, train=lab.many, heldout=lab.other)
    assert said.code == 0, said.err
    assert opened
    assert set(opened) == {(True, True)}

    board, selection = read(folder)
    assert len(board) == selection["candidates"] == 2  # seeds are averaged, not chosen between
    assert list(board["jobs"]) == [2, 2]
    assert list(board["status"]) == ["finished", "diverged"]
    assert board["score"].notna().tolist() == [True, False]
    (winner,) = selection["winners"]
    assert winner["validation_score"] == board["score"].max()
    validations = {
        job: json.loads((folder / job / "validation.json").read_text()) for job in map(str, range(4))
    }
    for _, row in board.iterrows():
        scores = [validations[job]["score"] for job in row["runs"].split()]
        assert (
            None in scores if row["status"] == "diverged" else row["score"] == pytest.approx(sum(scores) / 2)
        )

    won = [Path(run).name for run in winner["runs"]]
    assert won == board["runs"][0].split()
    for job in validations:
        names = {path.name for path in (folder / job).iterdir()}
        assert names >= CLOSED if job == won[0] else not CLOSED & names
    result = json.loads((folder / won[0] / "metrics.json").read_text())
    assert result["candidates"] == 2
    assert "best of 2 candidates on validation" in (folder / won[0] / "report.md").read_text()
    assert "2 candidates, ranked on validation" in said.err
    assert "validation UAR none, training diverged" in said.err
    assert "winner for task=gender" in (folder / "sweep.log").read_text()


def test_test_and_heldout_labels_have_no_say_in_the_choice(lab: Lab, tmp_path: Path) -> None:
    flip = {"male": "female", "female": "male"}
    train = rewrite(
        lab.copy(lab.many, "flipped"),
        lambda row: row | {"gender": flip[row["gender"]]} if row["split"] == "test" else row,
    )
    other = rewrite(lab.copy(lab.other, "flipped_other"), lambda row: row | {"gender": flip[row["gender"]]})
    boards, tests = [], []
    for name, corpora in {"as_is": (lab.many, lab.other), "flipped": (train, other)}.items():
        said = sweep(
            lab, tmp_path / name, "task=gender", "head.lr=0.01,1e-7", train=corpora[0], heldout=corpora[1]
        )
        assert said.code == 0, said.err
        board, selection = read(tmp_path / name)
        boards.append(board)
        winner = tmp_path / name / Path(selection["winners"][0]["runs"][0]).name
        tests.append(
            json.loads((winner / "metrics.json").read_text())["scores"]["test"]["metrics"]["uar"]["value"]
        )
    pd.testing.assert_frame_equal(*boards, check_exact=True)
    assert tests[0] + tests[1] == pytest.approx(1)  # two classes: flipped labels mirror the score


def test_one_winner_per_cell_and_each_task_by_its_own_score(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    said = sweep(
        lab,
        folder,
        "task=age,gender",
        "head.lr=1e-6,0.03",
        "select.by=[head.lr]",
        train=lab.many,
        heldout=lab.other,
    )
    assert said.code == 0, said.err
    board, selection = read(folder)
    assert selection["by"] == ["task", "head.lr"]
    assert len(selection["winners"]) == 4
    ages = board[board["task"] == "age"]
    assert ages["score"].is_monotonic_increasing  # MAE: less is better
    assert board[board["task"] == "gender"]["score"].is_monotonic_decreasing
    assert sum((job / "metrics.json").exists() for job in folder.iterdir()) == 4


def test_layers_of_a_network_are_swept_as_strings_and_lists(lab: Lab, tmp_path: Path) -> None:
    train, other = lab.corpus("tiny_split", 10, 2, seed=8), lab.corpus("tiny_other", 4, 2, seed=7)
    network = [
        "backbone=native_mini",
        "backbone.untrained=true",
        "task=gender",
        "select.by=[features.layers]",
    ]
    layers = "features.layers=attention|embedding,[pool]"
    said = sweep(lab, tmp_path / "layers", *network, layers, train=train, heldout=other)
    assert said.code == 0, said.err
    found = {}
    for job in ("0", "1"):
        result = json.loads((tmp_path / "layers" / job / "metrics.json").read_text())
        found[job] = result["layers"]
        assert result["candidates"] == 1  # one candidate in each cell
    assert found == {"0": ["attention", "embedding"], "1": ["pool"]}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["head.lr=0.001,-1"], "head.lr=-1.0: must be above 0"),
        (["features.layers=embedding,gfe_9"], "gfe_9"),
        (["head=linear,mpl"], "did you mean mlp?"),
        (["head.lr=interval(0,1)"], "name the values: head.lr=a,b"),
        (["head=linear,mlp", "select.by=[head.rl]"], "select.by: no setting 'head.rl'; did you mean head.lr"),
        (["head=linear,mlp", "select.seeds=sed"], "did you mean seed"),
    ],
)
def test_a_mistake_in_any_job_is_said_before_the_first(
    lab: Lab, tmp_path: Path, settings: list[str], named: str
) -> None:
    said = sweep(lab, tmp_path / "none", *settings, train=lab.many, heldout=lab.other)
    assert said.code == 2
    assert named in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_a_mistake_that_only_a_job_can_find_ends_the_sweep_in_one_line(lab: Lab, tmp_path: Path) -> None:
    said = sweep(
        lab,
        tmp_path / "run",
        "task=gender",
        "split.kind=kfold",
        "split.folds=3,99",
        train=lab.many,
        heldout=lab.other,
    )
    assert said.code == 2
    assert said.err.splitlines()[-1] == (
        "profiling: split.folds=99 but there are 24 speakers; use at most 24"
    )
    assert "Traceback" not in said.err
    assert not (tmp_path / "run" / "selection.json").exists()


def test_nothing_is_opened_where_everything_diverged(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    said = sweep(lab, folder, "task=gender", "head.lr=1e30,1e31", train=lab.many, heldout=lab.other)
    assert said.code == 2
    assert "every candidate diverged, so nothing was opened; lower head.lr" in said.err.splitlines()[-1]
    assert not list(folder.glob("*/metrics.json"))
    assert read(folder)[1]["without_winner"] == [{"task": "gender"}]


def job(folder: Path, overrides: list[str], score: float | None, status: str = "finished") -> Run:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    validation = {"task": "emotion", "score_name": "uar", "score": score, "status": status}
    return Run(folder, {}, pd.DataFrame(), validation)


def test_seeds_are_averaged_ties_go_to_the_first_and_one_bad_seed_spoils_its_candidate(
    tmp_path: Path,
) -> None:
    scores = {"0.1": (0.5, 0.7), "0.2": (0.6, 0.6), "0.3": (0.9, None), "0.4": (0.1, 0.2)}
    runs = [
        job(tmp_path / f"{lr}-{seed}", [f"head.lr={lr}", f"seed={seed}", "paths.runs=x"], score)
        for lr, pair in scores.items()
        for seed, score in enumerate(pair)
    ]
    board = leaderboard(runs, "seed")
    assert list(board["head.lr"]) == ["0.1", "0.2", "0.4", "0.3"]
    assert board["score"].tolist()[:3] == pytest.approx([0.6, 0.6, 0.15])
    assert "paths.runs" not in board
    assert "seed" not in board
    chosen = choose(board, ["task"])
    assert chosen["winners"][0]["runs"] == [str(tmp_path / "0.1-0"), str(tmp_path / "0.1-1")]
    apart = choose(leaderboard(runs, "data.order_seed"), ["task"])  # another seed: these are candidates then
    assert (apart["candidates"], apart["winners"][0]["validation_score"]) == (8, 0.9)


def test_swept_corpora_are_candidates_and_not_seeds_of_one(tmp_path: Path) -> None:
    runs = [
        job(tmp_path / name, [f"corpus.train=[csv:{name}]", "extract.workers=1"], score)
        for name, score in (("a", 0.4), ("b", 0.6))
    ]
    board = leaderboard(runs, "seed")
    assert list(board["corpus.train"]) == ["[csv:b]", "[csv:a]"]
    assert "extract.workers" not in board


def test_a_folder_without_a_finished_job_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProfilingError, match="no job of this sweep finished"):
        finish_sweep(tmp_path, ["task"], "seed")
