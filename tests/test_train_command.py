"""``train.py`` as a person meets it: mistakes in one line, clean output, help that is true."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from profiling.training.overrides import divide
from tests.trained import ROOT, Lab, call, corpora_setting


def train_py(lab: Lab, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "train.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


MISTAKES = {
    "head.lrr=1": "no setting 'head.lrr'; did you mean head.lr",
    "+head.lrr=1": "no setting 'head.lrr'; did you mean head.lr",
    "task=emotoin": "task=emotoin: no such choice; did you mean emotion",
    "features.layers=[gfe_9]": "no layer 'gfe_9'; did you mean gfe_2, gfe_1?",
    "features.layers=[embedding,embedding]": "names a layer twice",
    "head.lr=1,2": "head.lr=1,2 names several values; add -m to try each",
    "head.lr=fast": "head.lr",
    "head.dropout=0.5": "a linear head has no hidden units; use head=mlp",
    "head.loss=ccc": "head.loss=ccc for classification",
    "trainer.device=cuda:99": "trainer.device=cuda:99: not here",
    "split.kind=rnadom": "did you mean random?",
    "features.layers=gfe_1": "backbone spectral_stats has no gfe_1; write features.layers=embedding",
    "--multi": "no flag '--multi'; did you mean --multirun?",
    "emotion": "'emotion'",
    "extract.shard=1/3": "heads are trained on whole corpora",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(lab: Lab, tmp_path: Path, mistake: str) -> None:
    said = lab.train(tmp_path / "run", mistake, train=[lab.few])
    assert said.code == 2
    *before, last = said.err.splitlines()
    assert last.startswith("profiling: ")
    assert MISTAKES[mistake] in last
    assert not any("Traceback" in line or "HYDRA_FULL_ERROR" in line for line in before)
    assert said.out == ""
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_mistake_in_a_process_of_its_own(lab: Lab) -> None:
    done = train_py(lab, "+head.lrr=1", *lab.paths)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("profiling: no setting 'head.lrr'; did you mean head.lr")


def test_no_corpus_is_said_with_an_example(lab: Lab) -> None:
    said = call("train", *lab.cheap)
    assert said.code == 2
    assert said.err.splitlines()[-1] == (
        "profiling: corpus.train is empty; write corpus.train=[csv:path/to/manifest.csv]"
    )


def test_the_output_of_a_run_is_only_what_concerns_the_person(lab: Lab, tmp_path: Path) -> None:
    """Every line is accounted for: no warnings, adverts or framework noise, even on a machine's first run."""
    done = train_py(
        lab,
        *lab.cheap,
        corpora_setting("train", [lab.many]),
        corpora_setting("heldout", [lab.other]),
        "task=gender",
        f"hydra.run.dir={tmp_path / 'run'}",
        f"paths.features={tmp_path / 'features'}",
        MPLCONFIGDIR=str(tmp_path / "matplotlib"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    starts = (
        "backbone spectral_stats on cpu, fp32: signal statistics, no network",
        "4 min of audio",
        "0/136 from cache, 136 computed",
        f"features in {tmp_path / 'features'}",
        "96 utterances of 24 speakers; split: official; speaker_independent: true",
        "  train: 64 rows of 16 speakers",
        "  val: 16 rows of 4 speakers",
        "  test: 16 rows of 4 speakers",
        "gender from embedding of spectral_stats, head linear",
        "no network: plain statistics of the spectrum, a baseline",
        "split: official, speaker_independent: true",
        "validation ",
        "test ",
        "held-out other, masked ",
        "held-out other, open ",
        f"run folder {tmp_path / 'run'} (",
        f"to ask it about a recording: profiling predict --model {tmp_path / 'run'} FILE",
    )
    lines = done.stderr.splitlines()
    assert len(lines) == len(starts), done.stderr
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


def test_the_command_in_the_report_can_be_given_again(lab: Lab) -> None:
    command = json.loads((lab.run("emotion") / "metrics.json").read_text())["command"]
    program, name, *settings = shlex.split(command)
    assert (program, name) == ("profiling", "train")
    assert f"corpus.train=[csv:{lab.few}]" in settings
    assert command in (lab.run("emotion") / "report.md").read_text()


def test_help_and_the_resolved_configuration(lab: Lab) -> None:
    said = call("train", "--help")
    assert said.code == 0
    assert "corpus.train=[reader:path,...]" in said.out
    assert said.err == ""
    shown = call("train", "head=mlp", "--cfg", "job", *lab.paths)
    assert shown.code == 0
    assert "hidden:\n  - 256\n" in shown.out
    assert not (lab.folder / "runs" / "multirun.yaml").exists()


def test_the_process_is_left_as_it_was(lab: Lab, tmp_path: Path) -> None:
    root, arguments, place = logging.getLogger(), list(sys.argv), Path.cwd()
    handlers, level = list(root.handlers), root.level
    raises = os.environ.get("HYDRA_FULL_ERROR")
    lab.run("gender")
    assert lab.train(tmp_path / "run", train=[tmp_path / "absent.csv"]).code == 2
    assert (root.handlers, root.level) == (handlers, level)
    assert (sys.argv, Path.cwd(), os.environ.get("HYDRA_FULL_ERROR")) == (arguments, place, raises)


def test_flags_and_settings_may_come_in_any_order() -> None:
    argv = ["head=mlp", "-m", "head.lr=1,2", "--cfg", "job", "--info=config", "~experiment"]
    assert divide(argv) == (
        ["head=mlp", "head.lr=1,2", "~experiment"],
        ["-m", "--cfg", "job", "--info=config"],
    )
