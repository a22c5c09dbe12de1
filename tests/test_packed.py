"""Packed sweeps: folders and numbers of Hydra's basic launcher, kills, full disks, and what shares a bank."""

from __future__ import annotations

import errno
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import profiling.bundle as bundle
from profiling.resources import conf_folder
from profiling.training.compose import Composer
from profiling.training.hydra_app import HYDRA_VERSION_BASE, config_groups, register
from tests.trained import ROOT, Lab, Said, call, corpora_setting, rewrite

PACKED = "hydra/launcher=packed"
GRID = ["task=gender", "head=linear,mlp", "head.lr=0.01,1e30"]


def arguments(lab: Lab, folder: Path, *settings: str) -> list[str]:
    quick = ["trainer.max_epochs=3", "trainer.tensorboard=false", "split.kind=official", "baselines=[]"]
    train = corpora_setting("train", [lab.many])
    return ["train", *lab.cheap, *quick, train, f"hydra.sweep.dir={folder}", *settings, "-m"]


def sweep(lab: Lab, folder: Path, *settings: str) -> Said:
    return call(*arguments(lab, folder, *settings))


def board(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "leaderboard.csv", dtype={"runs": str})


def validation(job: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((job / "validation.json").read_text())
    return found


def files(job: Path) -> set[str]:
    return {str(path.relative_to(job)) for path in job.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def pair(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Said]:
    """The same sweep through both launchers."""
    folder = tmp_path_factory.mktemp("pair")
    heldout = corpora_setting("heldout", [lab.other])
    basic = sweep(lab, folder / "basic", heldout, *GRID)
    packed = sweep(lab, folder / "packed", PACKED, heldout, *GRID)
    assert (basic.code, packed.code) == (0, 0), basic.err + packed.err
    return folder / "basic", folder / "packed", packed


def test_the_packed_launcher_selects_the_same_winner_with_the_same_scores(
    pair: tuple[Path, Path, Said],
) -> None:
    basic, packed, said = pair
    tables = [board(folder) for folder in (basic, packed)]
    pd.testing.assert_frame_equal(*tables, check_exact=False, rtol=1e-5)
    assert "diverged" in set(tables[0]["status"])
    choices = [json.loads((folder / "selection.json").read_text())["winners"] for folder in (basic, packed)]
    winners = [Path(choice[0]["runs"][0]).name for choice in choices]
    assert winners[0] == winners[1]
    scores = [json.loads((f / winners[0] / "metrics.json").read_text())["scores"] for f in (basic, packed)]
    for part in ("validation", "test"):
        assert scores[0][part]["metrics"]["uar"]["value"] == pytest.approx(
            scores[1][part]["metrics"]["uar"]["value"], rel=1e-5
        )
    assert "4 heads in one bank" in said.err


def test_a_packed_job_leaves_the_folder_of_any_other_job(pair: tuple[Path, Path, Said]) -> None:
    basic, packed, _ = pair
    for number in range(4):
        assert files(packed / str(number)) == files(basic / str(number))
        ours, theirs = (
            yaml.safe_load((folder / str(number) / ".hydra" / "overrides.yaml").read_text())
            for folder in (packed, basic)
        )
        assert ours == theirs
        ours, theirs = (validation(folder / str(number)) for folder in (packed, basic))
        assert ours["signature"] == theirs["signature"]
        assert ours["epochs"] == theirs["epochs"]
        curves = [pd.read_csv(f / str(number) / "logs" / "csv" / "metrics.csv") for f in (packed, basic)]
        assert sorted(curves[0].columns) == sorted(curves[1].columns)
        pd.testing.assert_frame_equal(curves[0].sort_index(axis=1), curves[1].sort_index(axis=1), rtol=1e-4)


def test_finished_jobs_are_skipped_and_new_ones_join(
    lab: Lab, pair: tuple[Path, Path, Said], tmp_path: Path
) -> None:
    _, packed, _ = pair
    before = board(packed)
    again = sweep(lab, packed, PACKED, corpora_setting("heldout", [lab.other]), *GRID)
    assert again.code == 0, again.err
    assert "4 of 4 jobs were finished before" in again.err
    assert "in one bank" not in again.err
    assert "opened before" in again.err
    pd.testing.assert_frame_equal(before, board(packed))
    hydra = packed / "0" / ".hydra" / "overrides.yaml"
    untouched = hydra.read_text()
    other = sweep(lab, packed, PACKED, "task=gender", "head.lr=0.02,0.03")
    assert other.code == 2
    assert "holds a run with other settings" in other.err.splitlines()[-1]
    assert hydra.read_text() == untouched


def test_thirteen_close_rates_give_thirteen_results_in_as_many_banks_as_streams(
    lab: Lab, tmp_path: Path
) -> None:
    rates = [f"{0.001 * (1 + i * 1e-6):.12g}" for i in range(13)]
    said = sweep(lab, tmp_path / "close", PACKED, "task=gender", f"head.lr={','.join(rates)}")
    assert said.code == 0, said.err
    table = board(tmp_path / "close")
    assert len(table) == table["head.lr"].nunique() == 13
    assert "13 heads in one bank" in said.err
    apart = sweep(
        lab, tmp_path / "apart", PACKED, "task=gender", "data.batch_size=32,64", "head.lr=0.01,0.02"
    )
    assert apart.err.count("2 heads in one bank") == 2
    small = sweep(lab, tmp_path / "small", PACKED, "task=gender", "head.lr=0.01,0.02", "bank.max_bytes=1000")
    assert small.err.count("1 heads in one bank") == 2


KILLED = """
import os, signal, sys
from profiling.cli import main
from profiling.training.saving import Saving
after = Saving.on_train_epoch_end
def killed(self, trainer, module):
    after(self, trainer, module)
    if trainer.current_epoch + 1 == 5:
        os.kill(os.getpid(), signal.SIGKILL)
Saving.on_train_epoch_end = killed
main(sys.argv[1:])
"""


def test_a_sweep_killed_in_the_middle_of_a_bank_goes_on(lab: Lab, tmp_path: Path) -> None:
    settings = [PACKED, "task=gender", "head=mlp", "head.lr=0.01,0.003", "head.dropout=0.2"]
    settings += ["trainer.max_epochs=6", "trainer.patience=20", "bank.save_every=3"]
    whole = sweep(lab, tmp_path / "whole", *settings)
    assert whole.code == 0, whole.err
    command = [sys.executable, "-c", KILLED, *arguments(lab, tmp_path / "killed", *settings)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((tmp_path / "killed").glob("*/validation.json"))
    saved = list((tmp_path / "killed" / ".banks").glob("*/state.safetensors"))
    assert len(saved) == 1, f"killed before epoch 3, by another hand than ours: {killed.stderr}"
    again = sweep(lab, tmp_path / "killed", *settings)
    assert again.code == 0, again.err
    assert "a bank of 2 heads goes on after epoch 3" in again.err
    pd.testing.assert_frame_equal(board(tmp_path / "whole"), board(tmp_path / "killed"))
    for job in ("0", "1"):
        curves = [
            (tmp_path / f / job / "logs" / "csv" / "metrics.csv").read_text() for f in ("whole", "killed")
        ]
        assert curves[0] == curves[1]
        heads = [
            (tmp_path / f / job / "heads/split/head.safetensors").read_bytes() for f in ("whole", "killed")
        ]
        assert heads[0] == heads[1]
    assert not list((tmp_path / "killed" / ".banks").glob("*"))


def test_a_full_disk_while_heads_are_written_leaves_no_half_job(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    sync = bundle.sync_file

    def full(file: IO[bytes]) -> None:
        written.append(1)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    monkeypatch.setattr(bundle, "sync_file", full)
    settings = [PACKED, "task=gender", "head.lr=0.01,0.02,0.03"]
    said = sweep(lab, tmp_path / "full", *settings)
    assert said.code == 2
    assert "No space left on device" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not list((tmp_path / "full").glob("*/validation.json"))
    monkeypatch.undo()
    again = sweep(lab, tmp_path / "full", *settings)
    assert again.code == 0, again.err
    assert "goes on after epoch 3" in again.err  # trained already, only written again
    assert len(board(tmp_path / "full")) == 3


def test_layers_of_all_jobs_are_computed_in_one_pass(lab: Lab, tmp_path: Path) -> None:
    network = ["backbone=native_mini", "backbone.untrained=true", "backbone.native.seed=7", "task=gender"]
    train = lab.corpus("tiny_split", 10, 2, seed=8)
    for name, launcher in (("packed", [PACKED]), ("basic", [])):
        layers = "features.layers=embedding,attention" if name == "packed" else "features.layers=pool,gfe_1"
        corpora = [corpora_setting("train", [train]), f"hydra.sweep.dir={tmp_path / name}"]
        said = call("train", *lab.cheap, *network, *launcher, layers, "trainer.max_epochs=1", *corpora, "-m")
        assert said.code == 0, said.err
        assert len(re.findall(r"[1-9]\d* computed", said.err)) == 1, said.err
        found = {job: (tmp_path / name / job / "config.yaml").read_text() for job in ("0", "1")}
        assert [yaml.safe_load(found[job])["features"]["layers"] for job in ("0", "1")] == layers.split("=")[
            1
        ].split(",")


@pytest.mark.parametrize(
    "settings",
    [
        ["head=mlp", "head.lr=0.1", "corpus.train=[csv:a,csv:b]"],
        ["task=age", "features.layers=[pool,embedding]", "seed=3", "hydra.sweep.dir=/x"],
        ["++head.lr=0.1", "head.lr=0.2"],
        ["experiment=mini_gender", "head.hidden=[]", "paths.runs='a b'"],
    ],
)
def test_composing_on_a_copy_is_what_hydra_composes(settings: list[str]) -> None:
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base=HYDRA_VERSION_BASE):
        composer = Composer(lambda own: compose("config", overrides=own), config_groups())
        theirs = compose("config", overrides=settings)
        assert composer(settings) == theirs
        again = composer(settings)
        assert again == theirs
        assert composer.composed == (2 if settings[0].startswith("++") else 1)


def test_probes_share_a_bank_and_a_corpus_without_the_label_is_left_out_of_the_task(
    lab: Lab, tmp_path: Path
) -> None:
    lab.copy(lab.many, "silent")
    silent = rewrite(lab.folder / "corpora" / "silent" / "manifest.csv", lambda row: row | {"emotion": ""})
    corpora = f"corpus.train=[csv:{lab.many}],[csv:{silent}]"
    grid = ["task=gender,emotion", "head=probe,linear", "head.lr=0.01"]
    grid += [corpora, "select.by=[task,corpus.train]"]
    refused = sweep(lab, tmp_path / "refused", PACKED, *grid)
    assert refused.code == 2
    assert "has no emotion in any of its" in refused.err.splitlines()[-1]
    boards = []
    for name, launcher in (("basic", []), ("packed", [PACKED])):
        said = sweep(lab, tmp_path / name, *launcher, *grid, "select.skip_unlabelled=true")
        assert said.code == 0, said.err
        assert "has no emotion in any of its" in said.err
        boards.append(board(tmp_path / name))
    assert said.err.count("2 heads in one bank") == 3  # gender of both corpora, emotion of one
    pd.testing.assert_frame_equal(*boards, check_exact=False, rtol=1e-5)
    assert sorted(zip(boards[0]["task"], boards[0]["head"], strict=True)) == sorted(
        [("emotion", "linear"), ("emotion", "probe"), *2 * [("gender", "linear"), ("gender", "probe")]]
    )
    skipped = [job for job in (tmp_path / "packed").glob("[0-9]*") if not (job / "validation.json").exists()]
    assert len(skipped) == 2
    assert "## corpus.train by task" in (tmp_path / "packed" / "sweep.md").read_text()
    assert "By corpus.train" in (tmp_path / "packed" / "report.html").read_text()


def test_two_sweeps_at_once_share_one_cache(lab: Lab, tmp_path: Path) -> None:
    train = lab.corpus("at_once", 10, 2, seed=9)
    fresh = [f"paths.{name}={tmp_path / name}" for name in ("features", "cache")]
    own = [*fresh, corpora_setting("train", [train]), "task=gender", "head.lr=0.01,0.02"]
    commands = [
        [sys.executable, "-m", "profiling", *arguments(lab, tmp_path / name, PACKED, *own)] for name in "ab"
    ]
    begun = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for command in commands]
    said = [process.communicate()[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], said
    pd.testing.assert_frame_equal(board(tmp_path / "a"), board(tmp_path / "b"))
    again = sweep(lab, tmp_path / "c", PACKED, *own)
    assert "20/20 from cache" in again.err
    pd.testing.assert_frame_equal(board(tmp_path / "a"), board(tmp_path / "c"))
