"""One run from corpora to report: what it writes, that its numbers are right, and that it can be repeated."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, mean_absolute_error, recall_score

from profiling import __version__
from profiling.bundle import read_bundle
from profiling.evaluation.result import check_result
from profiling.provenance import code_state
from tests.trained import ROOT, Lab, corpora_setting, rewrite

TASKS = ("emotion", "gender", "age")
SPLITS = {"emotion": "loso", "gender": "official", "age": "random"}


def metrics_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def predictions_of(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "predictions.parquet")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("task", TASKS)
def test_a_run_leaves_everything_and_a_whole_result(lab: Lab, task: str) -> None:
    run = lab.run(task)
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "rows.parquet", "heads", "validation.json", "metrics.json", "report.md"} <= names
    assert {"predictions.parquet", "bundle", "logs", "train.log"} <= names
    assert (run / "logs" / "csv" / "metrics.csv").stat().st_size > 0
    assert list((run / "logs" / "tensorboard").glob("events.out.tfevents.*"))
    assert yaml.safe_load((run / "config.yaml").read_text())["task"]["name"] == task
    result = metrics_of(run)
    check_result(result)
    assert result["split"]["kind"] == SPLITS[task]
    assert result["split"]["speaker_independent"] is True
    report = (run / "report.md").read_text()
    pictures = {path.name for path in run.glob("*.png")}
    assert all((run / name).stat().st_size > 5_000 for name in pictures)
    assert len(pictures) == (3 if task == "age" else 8)
    assert all(f"({name})" in report for name in pictures)
    assert not [path for path in run.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("task", ["emotion", "gender"])
def test_scores_of_classes_follow_from_the_predictions(lab: Lab, task: str) -> None:
    run = lab.run(task)
    result, table = metrics_of(run), predictions_of(run)
    labels = result["task"]["labels"]
    heldout = result["scores"]["heldout"]["other"]
    for part, score in (
        *((p, result["scores"][p]) for p in ("validation", "test")),
        ("heldout", heldout["open"]),
    ):
        rows = table[table["part"] == part]
        assert len(rows) == score["n"] > 0
        predicted = [labels[i] for i in rows[[f"p_{label}" for label in labels]].to_numpy().argmax(1)]
        assert list(rows["predicted"]) == predicted
        assert_labels_scored(score, list(rows["label"]), predicted, labels)
    assert heldout["masked"]["metrics"] == heldout["open"]["metrics"]  # all labels are shared here


def assert_labels_scored(
    score: dict[str, Any], truth: list[str], predicted: list[str], labels: list[str]
) -> None:
    present = sorted(set(truth))
    values = {name: metric["value"] for name, metric in score["metrics"].items()}
    kept = {"average": "macro", "labels": present, "zero_division": 0}
    assert values["uar"] == pytest.approx(recall_score(truth, predicted, **kept), abs=1e-12)
    assert values["wa"] == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    assert values["macro_f1"] == pytest.approx(f1_score(truth, predicted, **kept), abs=1e-12)
    assert score["confusion"]["matrix"] == confusion_matrix(truth, predicted, labels=labels).tolist()
    constant = [score["constant"]["label"]] * len(truth)
    assert score["constant"]["uar"] == pytest.approx(recall_score(truth, constant, **kept), abs=1e-12)
    assert score["constant"]["wa"] == pytest.approx(accuracy_score(truth, constant), abs=1e-12)


def test_scores_of_ages_follow_from_the_predictions(lab: Lab) -> None:
    run = lab.run("age")
    result, table = metrics_of(run), predictions_of(run)
    rows = pd.read_parquet(run / "rows.parquet")
    median = float(np.median(rows.loc[rows["part:split"] == "train", "target"]))
    scores = result["scores"]
    for part, score in (
        *((p, scores[p]) for p in ("validation", "test")),
        ("heldout", scores["heldout"]["other"]["open"]),
    ):
        chosen = table[table["part"] == part]
        truth, answers = chosen["target"].to_numpy(), chosen["predicted"].to_numpy()
        mae, constant = mean_absolute_error(truth, answers), float(np.abs(truth - median).mean())
        covariance = np.mean((truth - truth.mean()) * (answers - answers.mean()))
        ccc = 2 * covariance / (truth.var() + answers.var() + (truth.mean() - answers.mean()) ** 2)
        expected = {
            "mae": mae,
            "rmse": float(np.sqrt(np.mean((truth - answers) ** 2))),
            "ccc": ccc,
            "pearson": pearsonr(truth, answers).statistic,
            "skill": 1 - mae / constant,
        }
        assert {k: v["value"] for k, v in score["metrics"].items()} == pytest.approx(expected, rel=1e-9)
        assert score["constant"]["mae"] == pytest.approx(constant, rel=1e-12)
    assert 15 < table["predicted"].mean() < 85  # years, not standardised values


def test_every_row_is_tested_once_by_a_head_that_never_saw_its_speaker(lab: Lab) -> None:
    run = lab.run("emotion")
    rows, table = pd.read_parquet(run / "rows.parquet"), predictions_of(run)
    tested = table[table["part"] == "test"]
    assert sorted(tested["utt_id"]) == sorted(rows["utt_id"])
    assert list(tested["fold"]) == list(tested["speaker_id"])  # leave one speaker out names folds by speaker
    for fold in tested["fold"].unique():
        speakers = {part: set(group) for part, group in rows.groupby(f"part:{fold}")["speaker_id"]}
        assert speakers["test"] == {fold}
        assert not speakers["train"] & (speakers["val"] | speakers["test"])
        assert not speakers["val"] & speakers["test"]


@pytest.mark.parametrize(
    ("task", "shown"),
    [("emotion", ("UAR", "WA", "macro-F1")), ("age", ("MAE", "RMSE", "CCC", "Pearson", "skill", "years"))],
)
def test_printed_lines_have_every_metric_its_interval_and_the_constant(
    lab: Lab, task: str, shown: tuple[str, ...]
) -> None:
    lab.run(task)
    said = lab.made[task].err
    lines = {line.split("  ")[0]: line for line in said.splitlines()}
    for title in ("validation", "test", "held-out other"):
        line = next(line for name, line in lines.items() if name.startswith(title))
        assert all(name in line for name in shown)
        assert "(constant " in line
        assert "[" in line or "no interval:" in line
    assert "speaker_independent: true" in said
    assert "no network: plain statistics" in said
    log = (lab.run(task) / "train.log").read_text()
    assert all(line in log for line in said.splitlines())


def test_the_environment_says_where_a_result_came_from(lab: Lab) -> None:
    run = lab.run("gender")
    result = metrics_of(run)
    environment = result["environment"]
    assert environment["packages"]["profiling"] == __version__
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    assert (environment["git"] or {"commit": ""})["commit"] == head
    assert environment["signature"] == json.loads((run / "validation.json").read_text())["signature"]
    store = next(f for f in (lab.folder / "features").iterdir() if f.name.startswith("spectral_stats-"))
    assert environment["feature_key"].startswith(store.name.partition("-")[2])
    manifests = environment["manifests"]
    assert set(manifests) == {"train", "other"}
    assert manifests["train"]["asked"] == manifests["train"]["used"] == 96
    assert len({manifest["sha256"] for manifest in manifests.values()}) == 2
    assert result["command"].startswith("profiling train backbone=spectral_stats ")
    assert "task=gender" in result["command"]


def test_the_same_command_gives_the_same_bits_and_opens_no_audio(lab: Lab, tmp_path: Path) -> None:
    train, other = lab.copy(lab.few, "twice"), lab.copy(lab.other, "twice_other")
    settings = ["task=emotion", "head=mlp", "trainer.max_epochs=4"]
    assert lab.train(tmp_path / "a", *settings, train=[train], heldout=[other]).code == 0
    for recording in (*train.parent.rglob("*.wav"), *other.parent.rglob("*.wav")):
        before = recording.stat()
        recording.write_bytes(bytes(before.st_size))
        os.utime(recording, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = lab.train(tmp_path / "b", *settings, train=[train], heldout=[other])
    assert said.code == 0
    assert "96/96 from cache" in said.err
    first, second = predictions_of(tmp_path / "a"), predictions_of(tmp_path / "b")
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert metrics_of(tmp_path / "a")["scores"] == metrics_of(tmp_path / "b")["scores"]
    assert (tmp_path / "a" / "bundle" / "head.safetensors").read_bytes() == (
        tmp_path / "b" / "bundle" / "head.safetensors"
    ).read_bytes()
    assert lab.train(tmp_path / "c", *settings, "seed=1", train=[train], heldout=[other]).code == 0
    assert not np.array_equal(first["p_sad"], predictions_of(tmp_path / "c")["p_sad"])
    signatures = {read_bundle(tmp_path / name).spec.train["signature"] for name in "abc"}
    assert len(signatures) == 2


def test_scored_and_left_out_are_what_was_asked(lab: Lab, tmp_path: Path) -> None:
    train = rewrite(lab.copy(lab.few, "three"), lambda row: None if row["emotion"] == "sad" else row)
    other = lab.copy(lab.other, "spoiled")
    spoiled = [path for path in sorted(other.parent.rglob("*.wav")) if "sad" not in path.name][:2]
    for recording in spoiled:
        recording.write_bytes(b"not audio")
    said = lab.train(tmp_path / "run", "extract.max_failed=0.2", train=[train], heldout=[other])
    assert said.code == 0, said.err
    score = metrics_of(tmp_path / "run")["scores"]["heldout"]["spoiled"]
    assert score["asked"] == 40
    assert score["not_scored"] == {"(quarantined)": 2, "sad": 10}
    assert score["scored"] == 28 == score["masked"]["n"]
    assert score["shared_labels"] == ["angry", "happy", "neutral"]
    assert all(path.name in said.err for path in spoiled)


@pytest.mark.parametrize("task", ["gender"])
def test_an_untrained_backbone_is_said_everywhere(lab: Lab, tmp_path: Path, task: str) -> None:
    train, other = lab.corpus("tiny", 6, 3, seed=6), lab.corpus("tiny_other", 4, 2, seed=7)
    settings = ["backbone=native_mini", "backbone.untrained=true", f"task={task}", "trainer.max_epochs=3"]
    runs = {}
    for name, layers in (("text", "embedding|gfe_1"), ("list", "[gfe_1,embedding]")):
        runs[name] = tmp_path / name
        said = lab.train(runs[name], *settings, f"features.layers={layers}", train=[train], heldout=[other])
        assert said.code == 0, said.err
        assert said.err.count("untrained backbone") == 2  # before the work and beside the numbers
        assert "untrained backbone" in (runs[name] / "report.md").read_text()
        assert metrics_of(runs[name])["backbone"]["training"] == "untrained"
    pd.testing.assert_frame_equal(*map(predictions_of, runs.values()), check_exact=True)
    assert metrics_of(runs["text"])["layers"] == ["gfe_1", "embedding"]


def test_a_run_folder_of_its_own_every_time(lab: Lab) -> None:
    from tests.trained import call

    corpora = [corpora_setting("train", [lab.few]), corpora_setting("heldout", [])]
    before = set((lab.folder / "runs").glob("*/*-gender-linear"))
    for _ in range(2):
        assert (
            call(
                "train", *lab.cheap, *corpora, "task=gender", "trainer.max_epochs=1", "split.kind=random"
            ).code
            == 0
        )
    made = set((lab.folder / "runs").glob("*/*-gender-linear")) - before
    assert len(made) == 2
    assert all((run / "metrics.json").is_file() for run in made)
    assert all(metrics_of(run)["scores"]["heldout"] == {} for run in made)


def test_a_folder_that_holds_a_run_stays_as_it_is(lab: Lab) -> None:
    run = lab.run("emotion")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = lab.train(run, "task=gender", train=[lab.many])
    assert said.code == 2
    assert f"{run} holds a run already" in said.err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_copies_under_other_speakers_are_refused(lab: Lab, tmp_path: Path) -> None:
    copied = rewrite(lab.copy(lab.few, "copied"), lambda row: {**row, "speaker": f"other{row['speaker']}"})
    said = lab.train(tmp_path / "run", train=[lab.few, copied])
    assert said.code == 2
    assert "112 rows are copies of one another under different speakers" in said.err
    assert not (tmp_path / "run" / "heads").exists()


def test_the_code_is_named_from_whatever_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = code_state()
    monkeypatch.chdir(tmp_path)
    assert code_state() == here
