"""``profiling evaluate``: the run's own numbers, refused overlap, and how often a corpus was looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profiling.evaluation.result import check_result
from tests.trained import Lab, Said, call, corpora_setting, rewrite


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Path:
    """A finished emotion run that this test may change."""
    return Path(shutil.copytree(lab.run("emotion"), tmp_path / "run"))


def evaluate(lab: Lab, model: Path, out: Path, *heldout: Path, settings: tuple[str, ...] = ()) -> Said:
    corpora = corpora_setting("heldout", heldout)
    return call("evaluate", str(model), corpora, *lab.paths, *settings, "--out", str(out))


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def without_count(result: dict[str, Any]) -> dict[str, Any]:
    return {name: {**score, "times_scored": 0} for name, score in result["scores"]["heldout"].items()}


@pytest.mark.parametrize("task", ["emotion", "age"])
def test_the_numbers_are_the_runs_own(lab: Lab, tmp_path: Path, task: str) -> None:
    own = tmp_path / "run"
    shutil.copytree(lab.run(task), own)
    said = evaluate(lab, own, tmp_path / "out", lab.other)
    assert said.code == 0, said.err
    before, now = metrics(own), metrics(tmp_path / "out")
    check_result(now)
    assert without_count(now) == without_count(before)
    heldout = pd.read_parquet(own / "predictions.parquet").query("part == 'heldout'").reset_index(drop=True)
    again = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    pd.testing.assert_frame_equal(
        again[heldout.columns.drop("label", errors="ignore")],
        heldout[heldout.columns.drop("label", errors="ignore")],
    )
    assert now["environment"]["feature_key"] == before["environment"]["feature_key"]
    assert now["command"].startswith("profiling evaluate ")
    assert (tmp_path / "out" / "report.md").is_file()
    assert "held-out other" in said.out  # the answer is on standard output
    assert "result in" in said.err


def test_every_look_is_counted_and_reported(lab: Lab, run: Path, tmp_path: Path) -> None:
    assert metrics(run)["scores"]["heldout"]["other"]["times_scored"] == 1
    for times in (2, 3):
        out = tmp_path / f"out{times}"
        model = run if times == 2 else run / "bundle"  # the folder of the run counts for both
        said = evaluate(lab, model, out, lab.other)
        assert said.code == 0
        assert f"other was scored {times} times with this head" in said.err
        assert metrics(out)["scores"]["heldout"]["other"]["times_scored"] == times
        assert f"this corpus was scored {times} times by this run" in (out / "report.md").read_text()
    fresh = lab.corpus("fresh", 4, 4, seed=11)
    assert evaluate(lab, run, tmp_path / "fresh", fresh).code == 0
    assert metrics(tmp_path / "fresh")["scores"]["heldout"]["fresh"]["times_scored"] == 1


def test_a_bundle_that_left_its_run_keeps_its_count(lab: Lab, run: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(run / "bundle", tmp_path / "far" / "away"))
    assert evaluate(lab, alone, tmp_path / "out", lab.other).code == 0
    assert metrics(tmp_path / "out")["scores"]["heldout"]["other"]["times_scored"] == 2
    assert evaluate(lab, alone, tmp_path / "out2", lab.other).code == 0  # the ledger did not spoil the bundle
    assert metrics(tmp_path / "out2")["scores"]["heldout"]["other"]["times_scored"] == 3


def test_the_training_corpus_itself_is_refused(lab: Lab, run: Path, tmp_path: Path) -> None:
    said = evaluate(lab, run, tmp_path / "out", lab.few)
    assert said.code == 2
    assert "few: 7 speakers and 56 recordings are among those" in said.err
    assert not (tmp_path / "out").exists()


def test_a_speaker_of_the_training_is_refused(lab: Lab, run: Path, tmp_path: Path) -> None:
    """New recordings in a corpus of the same name, one speaker of which was trained on."""
    other = lab.copy(lab.other, f"again/{tmp_path.name}/few")

    def rename(row: dict[str, str]) -> dict[str, str]:
        return row | {"speaker": "g000" if row["speaker"] == "g000" else f"new_{row['speaker']}"}

    said = evaluate(lab, run, tmp_path / "out", rewrite(other, rename))
    assert said.code == 2
    assert "few: 1 speakers and 0 recordings" in said.err


def test_a_recording_of_the_training_is_refused_under_any_name(lab: Lab, run: Path, tmp_path: Path) -> None:
    other = lab.copy(lab.other, f"disguised_{tmp_path.name}")
    stolen = next(path for path in sorted(lab.few.parent.rglob("*.wav")) if "angry" in path.name)
    victim = next(path for path in sorted(other.parent.rglob("*.wav")) if "angry" in path.name)
    shutil.copyfile(stolen, victim)
    said = evaluate(lab, run, tmp_path / "out", other)
    assert said.code == 2
    assert "0 speakers and 1 recordings are among those" in said.err
    assert not (tmp_path / "out").exists()
    assert json.loads((run / "heldout_scored.json").read_text()) == json.loads(
        (lab.run("emotion") / "heldout_scored.json").read_text()
    )  # a refused look is none


def test_a_folder_with_something_in_it_is_left_alone(lab: Lab, run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    said = evaluate(lab, run, tmp_path / "out", lab.other)
    assert said.code == 2
    assert "is not empty; name another folder with --out" in said.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_masked_and_open_differ_where_labels_are_not_all_shared(lab: Lab, run: Path, tmp_path: Path) -> None:
    fresh = rewrite(
        lab.copy(lab.other, f"two_{tmp_path.name}"),
        lambda row: row if row["emotion"] in ("angry", "sad") else None,
    )
    said = evaluate(lab, run, tmp_path / "out", fresh, settings=("heldout.decision=open",))
    assert said.code == 0, said.err
    (score,) = metrics(tmp_path / "out")["scores"]["heldout"].values()
    assert score["shared_labels"] == ["angry", "sad"]
    assert score["masked"]["confusion"]["labels"] == ["angry", "sad"]
    assert len(score["open"]["confusion"]["labels"]) == 4
    assert score["masked"]["metrics"]["wa"]["value"] >= score["open"]["metrics"]["wa"]["value"]
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    better = (table["p_angry"] >= table["p_sad"]).map({True: "angry", False: "sad"})
    assert (better == table["label"]).mean() == pytest.approx(score["masked"]["metrics"]["wa"]["value"])


def test_one_shared_label_is_said_before_anything_is_trained(lab: Lab, tmp_path: Path) -> None:
    angry = rewrite(lab.copy(lab.other, "only_angry"), lambda row: row if row["emotion"] == "angry" else None)
    said = lab.train(tmp_path / "run", train=[lab.few], heldout=[angry])
    assert said.code == 2
    assert "only_angry: the head and the held-out corpus share 1 label(s), at least 2 are needed" in said.err
    assert not (tmp_path / "run" / "heads").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "no corpus named; write corpus.heldout="),
        (("corpus.heldout=[csv:nowhere.csv]",), "nowhere.csv"),
        (("head.lrr=1",), "no setting 'head.lrr'; did you mean head.lr"),
        (("--outt=x",), "--outt"),
        (("task=age", "corpus.heldout=[csv:a.csv]"), "task=age: "),
        (("backbone=native_mini", "corpus.heldout=[csv:a.csv]"), "come from the bundle"),
        (("audio.channel=0", "corpus.heldout=[csv:a.csv]"), "come from the bundle"),
        (("corpus.train=[csv:a.csv]",), "come from the bundle"),
    ],
)
def test_mistakes_are_one_line(lab: Lab, arguments: tuple[str, ...], named: str) -> None:
    said = call("evaluate", str(lab.run("emotion")), *lab.paths, *arguments)
    assert said.code == 2
    assert named in said.err.splitlines()[-1]
    assert "Traceback" not in said.err


def test_a_folder_that_is_no_run_is_said(lab: Lab, tmp_path: Path) -> None:
    said = evaluate(lab, tmp_path, tmp_path / "out", lab.other)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "has no bundle: the run did not finish" in said.err
