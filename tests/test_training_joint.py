"""One head for several tasks: what a linear one must equal, what missing labels must not change, and its folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from profiling.bundle import read_bundle
from profiling.config import DataConfig, TrainerConfig
from profiling.errors import SplitError
from profiling.heads.bank import Bank, head_state
from profiling.heads.joint import JointBank
from profiling.heads.optimizer import BankAdamW
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.provenance import read_json
from profiling.training.joint import Answers, fit_joint, joint_data
from tests.trained import Lab, call, rewrite

ROWS, DIM = 240, 6
STREAM = (("pool", DIM),)
RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(ROWS, DIM)).astype(np.float32)
CLASSES = (FEATURES[:, 0] + FEATURES[:, 1] > 0).astype(np.int64)
YEARS = (35 + 8 * FEATURES[:, 0] - 4 * FEATURES[:, 2] + RNG.normal(size=ROWS)).astype(np.float32)
VAL = np.stack([np.arange(ROWS) % 4 == fold for fold in range(2)])
GENDER = HeadSpec("linear", STREAM, labels=("female", "male"), lr=0.02)
AGE = HeadSpec("linear", STREAM, loss="l1", class_weights=False, lr=0.02)
MLP = {"architecture": "mlp", "hidden": (8,), "dropout": 0.2}
CONFIG = TrainerConfig(max_epochs=6, patience=6, device="cpu", progress=False, tensorboard=False)
ALL = np.ones((2, ROWS), dtype=np.bool_)


def joint_of(
    genders: Sequence[HeadSpec], ages: Sequence[HeadSpec]
) -> tuple[JointBank, dict[str, list[float | None]]]:
    """Trained through Lightning; with each task's validation scores."""
    bank = JointBank({"gender": genders, "age": ages}, STREAM)
    answers = Answers({"gender": CLASSES, "age": YEARS}, ALL)
    folds = len(genders)
    data = joint_data(Matrix(FEATURES), answers, ~VAL[:folds], VAL[:folds], DataConfig(batch_size=32))
    fits = fit_joint(bank, data, answers, CONFIG, [])
    return bank, {task: [head.best_score for head in fit.heads] for task, fit in fits.items()}


def stepped(
    known: NDArray[np.bool_] = ALL, years: NDArray[np.float32] = YEARS, how: dict[str, Any] | None = None
) -> JointBank:
    """Two folds, a fixed number of steps."""
    tasks = {"gender": GENDER, "age": AGE}
    specs = {
        name: [replace(spec, fold=fold, **how or {}) for fold in range(2)] for name, spec in tasks.items()
    }
    bank = JointBank(specs, STREAM)
    bank.fit_statistics(Matrix(FEATURES), [CLASSES, years], known, ~VAL)
    optimizer = BankAdamW(bank)
    targets, labelled = [torch.from_numpy(CLASSES), torch.from_numpy(years)], torch.from_numpy(known)
    for rows in batches():
        optimizer.zero_grad()
        wanted = [target[rows] for target in targets]
        folds = torch.from_numpy(~VAL)[:, rows]
        bank.losses(torch.from_numpy(FEATURES)[rows], wanted, labelled[:, rows], rows, folds).sum().backward()
        optimizer.step()
    return bank.eval()


def alone(spec: HeadSpec, targets: NDArray[np.int64] | NDArray[np.float32]) -> Bank:
    """The same steps for two heads of one task."""
    bank = Bank([replace(spec, fold=fold) for fold in range(2)], STREAM)
    bank.fit_statistics(Matrix(FEATURES), targets, ~VAL)
    optimizer = BankAdamW(bank)
    for rows in batches():
        optimizer.zero_grad()
        weights = torch.from_numpy(~VAL)[:, rows].float()
        bank.losses(
            torch.from_numpy(FEATURES)[rows], torch.from_numpy(targets)[rows], weights
        ).sum().backward()
        optimizer.step()
    return bank.eval()


def batches() -> Iterator[torch.Tensor]:
    order = torch.Generator().manual_seed(0)
    for _ in range(5):
        yield from torch.randperm(ROWS, generator=order).split(32)


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).norm() / (b[name].norm() + 1e-12)) for name in a)


def test_a_linear_head_of_two_tasks_is_two_heads() -> None:
    bank = stepped()
    for own, spec, targets in zip(bank.banks, (GENDER, AGE), (CLASSES, YEARS), strict=True):
        reference, untrained = alone(spec, targets), Bank([spec], STREAM)
        for index in range(2):
            state = head_state(own, index)
            assert distance(state, head_state(reference, index)) < 1e-5
            assert distance(state, head_state(untrained, 0)) > 1e-2, "nothing was learnt"


@pytest.mark.parametrize("how", [{}, MLP], ids=["linear", "mlp"])
def test_rows_without_a_label_change_nothing_in_that_task(how: dict[str, Any]) -> None:
    known = ALL.copy()
    known[1, ::3] = False
    spoiled = np.where(known[1], YEARS, np.float32(np.nan)).astype(np.float32)
    bank, again, with_all = stepped(known, how=how), stepped(known, spoiled, how), stepped(how=how)
    for own, other in zip(bank.banks, again.banks, strict=True):
        for index in range(2):
            assert distance(head_state(own, index), head_state(other, index)) == 0
    assert distance(head_state(bank.banks[1], 0), head_state(with_all.banks[1], 0)) > 1e-3


def test_an_mlp_shares_its_trunk_and_learns_both() -> None:
    genders, ages = [replace(GENDER, **MLP)], [replace(AGE, **MLP)]
    bank, scores = joint_of(genders, ages)
    gender, age = (head_state(own, 0) for own in bank.banks)
    for name in ("maps.0.weight", "maps.0.bias", "scaler.mean"):
        assert torch.equal(gender[name], age[name])
    assert gender["maps.1.weight"].shape == (2, 8) and age["maps.1.weight"].shape == (1, 8)
    assert (scores["gender"][0] or 0) > 0.7
    constant = np.abs(YEARS[VAL[0]] - np.median(YEARS[~VAL[0]])).mean()
    assert (scores["age"][0] or 1e9) < 0.95 * constant


def test_a_head_lost_in_one_task_is_lost_in_all_and_its_neighbour_is_not() -> None:
    bank = JointBank(
        {task: [s, replace(s, fold=1)] for task, s in (("gender", GENDER), ("age", AGE))}, STREAM
    )
    bank.banks[1].mark_diverged(torch.tensor([True, False]))
    bank.freeze(torch.tensor([False, False]))
    for own in (bank, *bank.banks):
        assert own.diverged.tolist() == [True, False] and own.active.tolist() == [False, True]


def test_a_fold_without_a_task_is_refused() -> None:
    known = ALL.copy()
    known[1, VAL[1]] = False
    answers = Answers({"gender": CLASSES, "age": YEARS}, known)
    with pytest.raises(SplitError, match="fold 1: no validation row has a label of age"):
        joint_data(Matrix(FEATURES), answers, ~VAL, VAL, DataConfig())


def test_heads_that_cannot_share_a_trunk() -> None:
    with pytest.raises(ValueError, match="share everything but target"):
        JointBank({"gender": [GENDER], "age": [replace(AGE, lr=0.5)]}, STREAM)


def test_two_corpora_one_without_ages(lab: Lab, tmp_path: Path) -> None:
    ageless = rewrite(lab.copy(lab.corpus("plain", 12, 4, seed=9), "ageless"), lambda row: {**row, "age": ""})
    run = tmp_path / "run"
    said = lab.train(
        run, "task=multi", "split.kind=random", "head=mlp", train=[lab.many, ageless], heldout=[lab.other]
    )
    assert said.code == 0, said.err
    found = read_json(run / "multi.json")["tasks"]
    assert set(found) == {"gender", "age"}
    gender, age = (read_json(run / task / "metrics.json") for task in ("gender", "age"))
    assert "from one head" in (run / "report.html").read_text(encoding="utf-8")
    assert (gender["together"], age["together"]) == (["age"], ["gender"])
    assert "Trained together with age" in (run / "gender" / "report.md").read_text(encoding="utf-8")
    assert gender["scores"]["heldout"] and age["scores"]["heldout"]
    corpora = [{used["corpus"] for used in one["data"] if used["role"] == "train"} for one in (gender, age)]
    assert len(corpora[0]) == 2 and len(corpora[1]) == 1
    trunks = [read_bundle(run / task).state["maps.0.weight"] for task in found]
    assert torch.equal(*trunks)
    assert "no age_years in" in said.err
    recording = next(lab.other.parent.rglob("*.wav"))
    answer = call("predict", "--model", str(run / "age"), str(recording))
    assert answer.code == 0 and "age" in answer.out, answer.err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["task=multi", "task.tasks=[gender]"], "at least two"),
        (["task=multi", "task.tasks=[gender,aeg]"], "age"),
        (["task=multi", "head=probe"], "not with task=multi"),
        (["task=gender", "task.tasks=[gender,age]"], "task=multi"),
        (["task=multi", "-m", "seed=0,1"], "cannot be swept"),
    ],
)
def test_what_several_tasks_cannot_be(lab: Lab, tmp_path: Path, settings: list[str], message: str) -> None:
    said = lab.train(tmp_path / "run", *settings, train=[lab.many])
    assert said.code == 2 and message in said.err
