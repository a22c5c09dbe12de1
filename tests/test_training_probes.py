"""Probes in a bank: solved on train rows, chosen on validation rows, ordinary linear heads afterwards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, log_loss, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from profiling.config import DataConfig, TrainerConfig
from profiling.errors import ConfigError
from profiling.heads.bank import Bank, head_of, head_state
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.training import penalties, probes
from profiling.training.data import BankData
from profiling.training.fit import FitResult, fit_bank, loggers
from tests.trained import ROOT, Lab, corpora_setting

ROWS = 160
STREAM = (("pool", 90), ("embedding", 30))
RNG = np.random.default_rng(5)
FEATURES = (RNG.normal(size=(ROWS, 120)) * RNG.uniform(0.1, 30, 120) + 7).astype(np.float32)
Z = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
CLASSES = ((Z[:, 0] + Z[:, 100] + 0.4 * RNG.normal(size=ROWS)) > 0).astype(np.int64) + (Z[:, 1] > 1)
YEARS = (40 + 6 * Z[:, 0] + 3 * RNG.normal(size=ROWS)).astype(np.float32)
VAL = np.stack([np.arange(ROWS) % 4 == fold for fold in range(2)])
PENALTIES = (0.1, 3.0, 30.0, 3000.0)
EMOTION = HeadSpec("linear", STREAM, labels=("a", "b", "c"), penalties=PENALTIES)
AGE = HeadSpec("linear", STREAM, loss="l2", class_weights=False, penalties=PENALTIES)
QUIET = TrainerConfig(max_epochs=4, device="cpu", progress=False, tensorboard=False)


def fit(specs: list[HeadSpec], folder: Path) -> tuple[Bank, FitResult]:
    targets = CLASSES if specs[0].labels else YEARS
    bank = Bank(specs, STREAM)
    data = BankData(Matrix(FEATURES), targets, ~VAL, VAL, DataConfig(batch_size=32))
    return bank, fit_bank(bank, data, QUIET, loggers(QUIET, folder))


@pytest.mark.parametrize("fold", [0, 1])
def test_the_penalty_is_the_best_on_validation_and_the_model_scikit_learns(fold: int, tmp_path: Path) -> None:
    bank, result = fit([replace(EMOTION, fold=fold)], tmp_path)
    train, val = ~VAL[fold], VAL[fold]
    scores, losses = {}, {}
    weights = compute_sample_weight("balanced", CLASSES[val])
    for penalty in PENALTIES:
        model = LogisticRegression(C=1 / penalty, class_weight="balanced", tol=1e-8, max_iter=9999)
        pipeline = make_pipeline(StandardScaler(), model).fit(FEATURES[train], CLASSES[train])
        scores[penalty] = balanced_accuracy_score(CLASSES[val], pipeline.predict(FEATURES[val]))
        losses[penalty] = log_loss(CLASSES[val], pipeline.predict_proba(FEATURES[val]), sample_weight=weights)
    head = result.heads[0]
    assert head.penalty == max(scores, key=lambda penalty: (scores[penalty], -losses[penalty]))
    assert head.best_score == pytest.approx(max(scores.values()))
    assert (head.status, head.epochs, result.epochs) == ("finished", 0, 0)
    answers = head_of(bank, 0).predict(FEATURES[val]).argmax(1)
    assert head.best_score == pytest.approx(balanced_accuracy_score(CLASSES[val], answers))


def test_years_are_ridge_regression(tmp_path: Path) -> None:
    bank, result = fit([AGE], tmp_path)
    train, val = ~VAL[0], VAL[0]
    errors = {}
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), Ridge(alpha=penalty)).fit(FEATURES[train], YEARS[train])
        errors[penalty] = mean_absolute_error(YEARS[val], model.predict(FEATURES[val]))
    best = min(errors, key=lambda penalty: errors[penalty])
    assert result.heads[0].penalty == best
    assert result.heads[0].best_score == pytest.approx(errors[best], rel=1e-4)
    assert mean_absolute_error(YEARS[val], head_of(bank, 0).predict(FEATURES[val])) == pytest.approx(
        errors[best], rel=1e-4
    )


def test_probes_beside_trained_heads_disturb_nobody(tmp_path: Path) -> None:
    trained = HeadSpec("linear", STREAM, labels=("a", "b", "c"), lr=0.02)
    layer = replace(EMOTION, layers=STREAM[1:])
    bank, result = fit([EMOTION, trained, layer, replace(EMOTION, fold=1)], tmp_path / "all")
    assert [head.penalty is None for head in result.heads] == [False, True, False, False]
    for index, spec in enumerate([EMOTION, trained, layer, replace(EMOTION, fold=1)]):
        alone, single = fit([spec], tmp_path / str(index))
        assert single.heads[0] == result.heads[index]
        for name, value in head_state(alone, 0).items():
            torch.testing.assert_close(head_state(bank, index)[name], value, rtol=1e-5, atol=1e-6)


def test_the_path_is_in_the_curves(tmp_path: Path) -> None:
    _, result = fit([EMOTION], tmp_path)
    lines = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + len(PENALTIES)
    assert f"penalty/{result.heads[0].name}" in lines[0]


def test_rows_that_do_not_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "available_memory_bytes", lambda: 100_000)
    with pytest.raises(ConfigError, match="160 rows of 120 dims"):
        fit([EMOTION], tmp_path)


def test_a_probe_is_trained_without_lightning(lab: Lab, tmp_path: Path) -> None:
    corpus = corpora_setting("train", [lab.many])
    arguments = ["train", "task=gender", "head=probe", *lab.cheap, corpus, f"hydra.run.dir={tmp_path}/run"]
    script = (
        "import sys; from profiling.cli import main; "
        f"code = main({arguments!r}); "
        "heavy = ('lightning', 'pytorch_lightning', 'lightning_fabric', 'torchmetrics', 'torchaudio', 'tensorboard', "
        "'sklearn'); print([name for name in heavy if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "logs" / "csv" / "metrics.csv").is_file()
    assert not (tmp_path / "run" / "logs" / "tensorboard").exists()


def test_of_equal_scores_the_penalty_with_the_smallest_loss_on_validation_is_kept() -> None:
    right = torch.tensor([[3.0, -3.0], [-3.0, 3.0], [3.0, -3.0]])
    outputs = torch.stack([right, right / 100, -right])  # sure, hardly sure, wrong
    targets = np.array([0, 1, 0])
    losses = penalties.balanced_losses(outputs, targets)
    np.testing.assert_allclose(losses[:2], np.log1p(np.exp([-6, -0.06])), rtol=1e-6)
    spec = HeadSpec("linear", STREAM, labels=("a", "b"), penalties=(1.0, 100.0, 1000.0))
    scores = np.array([1.0, 1.0, 0.0])
    assert penalties.choose(spec, scores, spec.penalties, losses) == 0
    assert penalties.choose(spec, scores, spec.penalties) == 1  # without losses the simplest model


def test_the_loss_that_breaks_ties_counts_classes_alike() -> None:
    outputs = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]])
    sure, unsure = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    assert penalties.balanced_losses(outputs, np.array([0, 0, 0, 1])) == pytest.approx([(sure + unsure) / 2])


# --- few validation speakers --------------------------------------------------------------------------------


def test_speakers_are_dealt_to_turns_as_wholes_and_classes_alike() -> None:
    speakers = np.repeat(np.arange(8), 5)
    gender = (speakers >= 4).astype(np.int64)
    turns = penalties.speaker_turns(speakers, speakers == 7, gender, labelled=True)
    assert turns is not None
    assert all(len(np.unique(turns[speakers == one])) == 1 for one in range(8))
    assert sorted(np.unique(turns)) == list(range(5))
    assert all(len(np.unique(gender[turns != turn])) == 2 for turn in range(5))


@pytest.mark.parametrize(
    ("speakers", "validating", "targets"),
    [
        (np.arange(40), np.arange(40) >= 30, np.arange(40) % 2),  # ten validation speakers are enough
        (np.arange(30) % 3, np.arange(30) % 3 == 2, np.arange(30) % 2),  # three cannot take turns
        (
            np.arange(40) // 5,
            np.arange(40) >= 35,
            (np.arange(40) >= 35).astype(int),
        ),  # one speaker is a class
    ],
)
def test_validation_speakers_choose_where_turns_would_not_help(
    speakers: np.ndarray, validating: np.ndarray, targets: np.ndarray
) -> None:
    assert penalties.speaker_turns(speakers, validating, targets.astype(np.int64), labelled=True) is None


@pytest.mark.parametrize("kind", ["labels", "years"])
def test_few_speakers_take_turns_and_the_smallest_loss_over_all_of_them_chooses(kind: str) -> None:
    labelled = kind == "labels"
    targets = CLASSES if labelled else YEARS
    speakers = np.arange(ROWS, dtype=np.int64) // 16  # ten; the last two validate
    val = (speakers >= 8)[None]
    data = BankData(Matrix(FEATURES), targets, ~val, val, DataConfig(), {"speaker": speakers})
    bank = Bank([EMOTION if labelled else AGE], STREAM)
    bank.fit_statistics(data.source, data.targets, data.train)
    turns = penalties.speaker_turns(speakers, val[0], targets, labelled=labelled)
    assert turns is not None
    scaled = StandardScaler().fit(FEATURES[~val[0]]).transform(FEATURES)
    found = probes.fit_probes(bank, data)[0]
    losses = [_by_turns(scaled, targets, turns, ~val[0], penalty) for penalty in PENALTIES]
    assert found.chosen == int(np.argmin(losses))
    model = _theirs(labelled, PENALTIES[found.chosen]).fit(scaled[~val[0]], *_fitted(targets, ~val[0]))
    answers = head_of(bank, 0).predict(FEATURES)  # the head itself knows the train rows alone
    if labelled:
        assert (answers.argmax(1) == model.predict(scaled)).all()
    else:
        train = YEARS[~val[0]]
        np.testing.assert_allclose(
            answers.ravel(), model.predict(scaled) * train.std() + train.mean(), atol=1e-2
        )


def _theirs(labelled: bool, penalty: float) -> LogisticRegression | Ridge:
    return LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=9999) if labelled else Ridge(alpha=penalty)


def _fitted(
    targets: np.ndarray, train: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets and weights of some rows, by the classes or the scale of the fold's train rows."""
    chosen = train if rows is None else rows
    if targets.dtype == np.float32:
        return (targets[chosen] - targets[train].mean()) / targets[train].std(), None
    counts = np.bincount(targets[train])
    return targets[chosen], (train.sum() / (len(counts) * counts))[targets[chosen]]


def _by_turns(
    scaled: np.ndarray, targets: np.ndarray, turns: np.ndarray, train: np.ndarray, penalty: float
) -> float:
    labelled = targets.dtype != np.float32
    answers = np.zeros((ROWS, 3 if labelled else 1))
    for turn in np.unique(turns):
        kept, left = turns != turn, turns == turn
        model = _theirs(labelled, penalty).fit(scaled[kept], *_fitted(targets, train, kept))
        answers[left] = (
            model.predict_proba(scaled[left]) if labelled else model.predict(scaled[left])[:, None]
        )
    if labelled:
        return float(log_loss(targets, answers, sample_weight=compute_sample_weight("balanced", targets)))
    return float(mean_absolute_error(_fitted(targets, train, np.ones(ROWS, bool))[0], answers))
