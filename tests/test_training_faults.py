"""What goes wrong in training: corpora that cannot be learned from, full disks, Ctrl-C and kills."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import profiling.provenance as provenance
from profiling.bundle import read_bundle
from tests.trained import ROOT, Lab, corpora_setting

Row = dict[str, str]
WHOLE = ("validation.json", "metrics.json", "bundle")


def relabel(manifest: Path, folder: Path, change: Callable[[Row], Row | None]) -> Path:
    """The same recordings under another manifest."""
    with manifest.open(newline="") as file:
        rows = [row | {"path": str(manifest.parent / row["path"])} for row in csv.DictReader(file)]
    kept = [new for row in rows if (new := change(row)) is not None]
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
    return folder / "manifest.csv"


def only(row: Row, column: str, *values: str) -> Row | None:
    return row if row[column] in values else None


def first_utterance_elsewhere(row: Row) -> Row:
    return row | {"split": "test"} if "_00_" in row["path"] else row | {"split": "train"}


def no_happy_validation(row: Row) -> Row | None:
    return None if (row["split"], row["emotion"]) == ("val", "happy") else row


BAD: dict[str, tuple[str, Callable[[Row], Row | None], str]] = {
    "a speaker in two splits": (
        "gender",
        first_utterance_elsewhere,
        "split: 24 speakers are both in train and test: bad/g000",
    ),
    "no column of the task": (
        "emotion",
        lambda row: {key: value for key, value in row.items() if key != "emotion"},
        "corpus 'bad' has no emotion in any of its 96 rows",
    ),
    "one class only": (
        "gender",
        lambda row: only(row, "gender", "female"),
        "one class only: 'female' in all 48 rows",
    ),
    "a class missing from validation": (
        "emotion",
        no_happy_validation,
        "no 'happy' in val",
    ),
    "all ages equal": ("age", lambda row: row | {"age": "30"}, "all 96 targets equal 30"),
    "two speakers in all": (
        "gender",
        lambda row: only(row, "speaker", "g000", "g001"),
        "too few speakers: 2 (bad/g000, bad/g001), a speaker-disjoint split needs 3",
    ),
    "no speakers": (
        "gender",
        lambda row: {key: value for key, value in row.items() if key != "speaker"},
        "96 rows of bad have no speaker",
    ),
    "an unknown label": (
        "emotion",
        lambda row: row | {"emotion": row["emotion"].replace("sad", "blue")},
        "blue",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_corpus_that_cannot_be_learned_from_is_said_before_any_work(
    lab: Lab, tmp_path: Path, bad: str
) -> None:
    task, change, named = BAD[bad]
    manifest = relabel(lab.many, tmp_path / "bad", change)
    said = lab.train(tmp_path / "run", f"task={task}", train=[manifest])
    assert said.code == 2
    assert said.err.count("\n") == 1, "said before the backbone is loaded and features are computed"
    assert named in said.err
    assert not any((tmp_path / "run" / name).exists() for name in (*WHOLE, "heads", "logs"))


def test_rows_without_speakers_are_taken_only_when_asked_and_tagged_everywhere(
    lab: Lab, tmp_path: Path
) -> None:
    manifest = relabel(lab.many, tmp_path / "anonymous", BAD["no speakers"][1])
    settings = [*QUICK, "split.allow_missing_speakers=true"]
    said = lab.train(tmp_path / "run", *settings, train=[manifest], heldout=[lab.other])
    assert said.code == 0, said.err
    assert "96 utterances of unknown speakers" in said.err
    assert "speaker_independent: FALSE" in said.err
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["split"]["speaker_independent"] is False
    assert result["scores"]["test"]["metrics"]["uar"]["low"] is None
    assert "**speaker_independent: false." in (tmp_path / "run" / "report.md").read_text()


def test_a_heldout_corpus_that_is_the_training_corpus_is_refused(lab: Lab, tmp_path: Path) -> None:
    said = lab.train(tmp_path / "run", train=[lab.many], heldout=[lab.many])
    assert said.code == 2
    assert "24 speakers of held-out many are in the training corpora: many/g000" in said.err
    renamed = relabel(lab.many, tmp_path / "other_name", lambda row: row)
    said = lab.train(tmp_path / "run2", train=[lab.many], heldout=[renamed])
    assert said.code == 2
    assert "96 files of held-out other_name are in the training corpora" in said.err


def test_a_recording_held_out_under_another_path_is_refused(lab: Lab, tmp_path: Path) -> None:
    copied = lab.copy(lab.few, f"{tmp_path.name}/copied")
    said = lab.train(tmp_path / "run", train=[lab.few], heldout=[copied])
    assert said.code == 2
    assert "56 recordings of held-out copied are in the training corpora" in said.err
    assert not (tmp_path / "run" / "heads").exists()


def test_two_heldout_corpora_of_one_name_are_refused(lab: Lab, tmp_path: Path) -> None:
    said = lab.train(tmp_path / "run", train=[lab.few], heldout=[lab.other, lab.other])
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "corpus.heldout names corpus 'other' twice" in said.err


def test_a_diverged_run_opens_nothing(lab: Lab, tmp_path: Path) -> None:
    said = lab.train(tmp_path / "run", "task=gender", "head.lr=1e30", train=[lab.many], heldout=[lab.other])
    assert said.code == 2
    assert "training diverged (head.lr=1e+30); lower head.lr" in said.err.splitlines()[-1]
    assert not any((tmp_path / "run" / name).exists() for name in WHOLE[1:])


def assert_not_whole(run: Path) -> None:
    """No result that looks finished; a bundle, if there is one, is a whole one."""
    assert not (run / "metrics.json").exists()
    for bundle in run.glob("**/profiler.json"):
        if not bundle.parent.name.startswith("."):
            read_bundle(bundle.parent)


QUICK = ("task=gender", "split.kind=random", "trainer.max_epochs=2")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a tmpfs of that many bytes."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a tmpfs is not allowed here; the simulated full disk is tested")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_leaves_nothing_that_looks_whole(
    lab: Lab, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    heldout = [lab.other]
    assert lab.train(tmp_path / "fits", *QUICK, train=[lab.many], heldout=heldout).code == 0
    needed = sum(path.stat().st_blocks * 512 for path in (tmp_path / "fits").rglob("*") if path.is_file())
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        disk = small_disk(int(share * needed))
        said = lab.train(disk / "run", *QUICK, train=[lab.many], heldout=heldout)
        assert said.code == 2, (share, said.err)
        assert "No space left on device" in said.err.splitlines()[-1], said.err
        assert "Traceback" not in said.err
        assert "Logging error" not in said.err
        assert_not_whole(disk / "run")


def test_a_disk_that_refuses_at_any_write_leaves_nothing_that_looks_whole(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run("gender")  # features are there now
    calls, fails_at, fsync = 0, -1, os.fsync

    def refuse(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(provenance.os, "fsync", refuse)
    settings = [*QUICK, "trainer.tensorboard=false"]
    assert lab.train(tmp_path / "whole", *settings, train=[lab.many]).code == 0
    writes = calls - 1  # the very last call makes a finished rename durable
    for number in (writes, writes - 1, writes - 3, writes - 8):
        fails_at, calls = number, 0
        run = tmp_path / f"run{number}"
        said = lab.train(run, *settings, train=[lab.many])
        assert said.code == 2
        assert "No space left on device" in said.err.splitlines()[-1]
        assert_not_whole(run)


def start(lab: Lab, run: Path) -> subprocess.Popen[str]:
    """A training that does not end by itself, once it is at it."""
    corpora = [corpora_setting("train", [lab.many]), corpora_setting("heldout", [])]
    endless = ["trainer.max_epochs=1000000", "trainer.patience=1000000", f"hydra.run.dir={run}"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *lab.cheap, *corpora, *QUICK, *endless],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (run / "logs" / "csv" / "metrics.csv").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "training did not begin"
        time.sleep(0.05)
    return process


def test_ctrl_c_ends_training_in_order_and_says_how_to_go_on(lab: Lab, tmp_path: Path) -> None:
    process = start(lab, tmp_path / "run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("profiling: interrupted in epoch ")
    assert "no result was written; features are kept, so the same command starts the training again" in last
    assert "Traceback" not in err
    assert not any((tmp_path / "run" / name).exists() for name in (*WHOLE, "heads"))


def test_a_kill_leaves_nothing_that_looks_whole_and_the_same_command_works(lab: Lab, tmp_path: Path) -> None:
    process = start(lab, tmp_path / "run")
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not any((tmp_path / "run" / name).exists() for name in WHOLE)
    assert_not_whole(tmp_path / "run")
    assert lab.train(tmp_path / "run", *QUICK, train=[lab.many]).code == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_an_interruption_while_results_are_written_says_how_to_go_on(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import profiling.training.score as scoring

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "write_report", interrupted)
    said = lab.train(tmp_path / "run", *QUICK, train=[lab.many])
    assert said.code == 130
    assert said.err.splitlines()[-1].startswith("profiling: interrupted: no result was written")
    assert_not_whole(tmp_path / "run")
