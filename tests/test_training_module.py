"""Training a bank through Lightning: what is learnt, each head's own end, silence, Ctrl-C, determinism."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error
from sklearn.preprocessing import StandardScaler

from profiling.config import DataConfig, TrainerConfig
from profiling.errors import ConfigError, SplitError
from profiling.heads.bank import Bank, head_of, head_state
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.training import placement
from profiling.training.data import BankData
from profiling.training.fit import FitResult, fit_bank, loggers, training_device
from profiling.training.head_scores import head_mae, head_uar

ROWS, DIM = 400, 6
STREAM = (("pool", DIM),)
RNG = np.random.default_rng(0)
FEATURES = (RNG.normal(size=(ROWS, DIM)) * [1, 20, 0.1, 1, 1, 1] + [0, 90, 3, 0, 0, 0]).astype(np.float32)
Z = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
CLASSES = ((Z[:, 0] + Z[:, 1] > 0).astype(np.int64) + (Z[:, 2] > 1)).astype(np.int64)
YEARS = (35 + 8 * Z[:, 0] - 4 * Z[:, 1] + RNG.normal(size=ROWS)).astype(np.float32)
VAL = np.stack([np.arange(ROWS) % 4 == fold for fold in range(4)])
LABELS = ("a", "b", "c")
EMOTION = HeadSpec("linear", STREAM, labels=LABELS, lr=0.02)
AGE = HeadSpec("linear", STREAM, loss="l1", class_weights=False, lr=0.02)
QUIET = TrainerConfig(max_epochs=12, device="cpu", progress=False, tensorboard=False)


def fit(
    specs: list[HeadSpec],
    folder: Path,
    trainer: TrainerConfig = QUIET,
    source: Matrix | None = None,
    targets: NDArray[np.int64] | NDArray[np.float32] | None = None,
    folds: int = 1,
    **options: bool,
) -> tuple[Bank, FitResult]:
    if targets is None:
        targets = CLASSES if specs[0].labels else YEARS
    bank = Bank(specs, specs[0].layers)
    data = BankData(source or Matrix(FEATURES), targets, ~VAL[:folds], VAL[:folds], DataConfig(batch_size=32))
    return bank, fit_bank(bank, data, trainer, loggers(trainer, folder / "logs"), **options)


def curves(folder: Path) -> list[dict[str, str]]:
    with (folder / "logs" / "csv" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_linear_head_reaches_logistic_regression(tmp_path: Path) -> None:
    bank, _ = fit([replace(EMOTION, class_weights=False)], tmp_path, replace(QUIET, max_epochs=40))
    scaler = StandardScaler().fit(FEATURES[~VAL[0]])
    reference = LogisticRegression(C=100).fit(scaler.transform(FEATURES[~VAL[0]]), CLASSES[~VAL[0]])
    expected = reference.score(scaler.transform(FEATURES[VAL[0]]), CLASSES[VAL[0]])
    answers = head_of(bank, 0).predict(FEATURES[VAL[0]]).argmax(1)
    assert expected > 0.8
    assert (answers == CLASSES[VAL[0]]).mean() >= expected - 0.03


def test_an_mlp_learns_what_no_linear_head_can(tmp_path: Path) -> None:
    xor = ((Z[:, 0] > 0) ^ (Z[:, 3] > 0)).astype(np.int64)
    linear = replace(EMOTION, labels=("same", "other"))
    mlp = replace(linear, architecture="mlp", hidden=(32,), dropout=0.1)
    _, result = fit([linear, mlp], tmp_path, replace(QUIET, max_epochs=40, patience=40), targets=xor)
    low, high = (head.best_score for head in result.heads)
    assert low is not None
    assert high is not None
    assert low < 0.65
    assert high > 0.9


@pytest.mark.parametrize("spec", [EMOTION, AGE, replace(AGE, loss="ccc")])
def test_the_head_that_stays_is_the_one_that_was_scored(spec: HeadSpec, tmp_path: Path) -> None:
    bank, result = fit([spec, replace(spec, lr=0.5), replace(spec, seed=1)], tmp_path)
    for index, head in enumerate(result.heads):
        answers = head_of(bank, index).predict(FEATURES[VAL[0]])
        if spec.labels:
            expected = balanced_accuracy_score(CLASSES[VAL[0]], answers.argmax(1))
        else:
            expected = mean_absolute_error(YEARS[VAL[0]], answers)
        assert head.best_score == pytest.approx(expected, rel=1e-6)
        key = f"val_{result.score}/{head.name}"
        logged = [float(row[key]) for row in curves(tmp_path) if row[key]]
        best = max(logged) if spec.labels else min(logged)
        assert head.best_score == pytest.approx(best, rel=1e-9)
        assert head.best_epoch == 1 + logged.index(best)
        assert len(logged) == head.epochs


def test_years_beat_the_constant_by_far(tmp_path: Path) -> None:
    _, result = fit([AGE], tmp_path, replace(QUIET, max_epochs=40))
    years = YEARS[VAL[0]]
    constant = abs(years - np.median(YEARS[~VAL[0]])).mean()
    assert result.score == "mae"
    assert result.heads[0].best_score is not None
    assert (
        result.heads[0].best_score < 0.25 * constant
    )  # the noise put in is 1 year, the constant is off by 7


def test_patience_ends_each_head_for_itself(tmp_path: Path) -> None:
    asleep = replace(AGE, lr=1e-30, weight_decay=0)
    _, result = fit([asleep, AGE], tmp_path, replace(QUIET, max_epochs=9, patience=3))
    still, learning = result.heads
    assert (still.status, still.best_epoch, still.epochs) == ("stopped", 1, 4)
    assert (learning.status, learning.epochs) == ("finished", 9)
    _, alone = fit([asleep], tmp_path / "alone", replace(QUIET, max_epochs=9, patience=3))
    assert (alone.epochs, alone.heads[0].status) == (4, "stopped")


def test_leave_one_out_is_a_bank_and_each_fold_is_the_same_alone(tmp_path: Path) -> None:
    specs = [replace(EMOTION, fold=fold) for fold in range(4)]
    bank, result = fit(specs, tmp_path, folds=4)
    for fold, spec in enumerate(specs):
        alone, single = fit([spec], tmp_path / str(fold), folds=4)
        assert single.heads[0] == result.heads[fold]
        for name, value in head_state(alone, 0).items():
            torch.testing.assert_close(head_state(bank, fold)[name], value, rtol=1e-5, atol=1e-7)


def test_validation_rows_never_reach_a_head(tmp_path: Path) -> None:
    planted = FEATURES.copy()
    planted[VAL[0]] *= 1e6
    trainer = replace(QUIET, max_epochs=1)
    clean, _ = fit([EMOTION], tmp_path, trainer)
    outlier, _ = fit([EMOTION], tmp_path, trainer, source=Matrix(planted))
    for name, value in head_state(clean, 0).items():
        assert torch.equal(value, head_state(outlier, 0)[name])


def test_a_diverged_head_says_so_and_is_finite(tmp_path: Path) -> None:
    specs = [EMOTION, replace(EMOTION, lr=1e9, weight_decay=1e9)]
    bank, result = fit(specs, tmp_path)
    assert [head.status for head in result.heads] == ["finished", "diverged"]
    assert result.heads[1].best_score is None
    assert result.heads[1].best_epoch is None
    assert all(torch.isfinite(value).all() for value in head_state(bank, 1).values())
    _, alone = fit(specs[1:], tmp_path / "alone")
    assert alone.epochs == 1


def test_the_same_seeds_give_the_same_bits(tmp_path: Path) -> None:
    mlp = replace(EMOTION, architecture="mlp", hidden=(8,), dropout=0.3)
    (first, a), (second, b) = (fit([EMOTION, mlp], tmp_path, targets=CLASSES) for _ in range(2))
    assert a.heads == b.heads
    for index in range(2):
        state = head_state(second, index)
        assert all(torch.equal(value, state[name]) for name, value in head_state(first, index).items())
    assert not torch.are_deterministic_algorithms_enabled(), "the switch was left on for the whole process"


def test_a_fit_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit([EMOTION], tmp_path, replace(QUIET, tensorboard=True, progress=True))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert [str(warning.message) for warning in caught] == []
    assert list((tmp_path / "logs" / "tensorboard").glob("events.out.tfevents.*"))


def test_a_process_that_fits_says_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from profiling.config import DataConfig, TrainerConfig
from profiling.heads.bank import Bank
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.training.data import BankData
from profiling.training.fit import fit_bank, loggers
bank = Bank([HeadSpec("linear", (("pool", 3),), labels=("a", "b"))], (("pool", 3),))
folds = np.arange(40)[None] < 30
data = BankData(Matrix(np.eye(40, 3, dtype=np.float32)), np.arange(40) % 2, folds, ~folds, DataConfig())
trainer = TrainerConfig(max_epochs=2, device="cpu")
fit_bank(bank, data, trainer, loggers(trainer, Path(sys.argv[1])))
"""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_bar_is_on_stderr_and_shows_the_best_score(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fit([EMOTION, replace(EMOTION, seed=1)], tmp_path, replace(QUIET, progress=True), force_progress=True)
    out, err = capfd.readouterr()
    last = err.strip().split("\r")[-1]
    assert out == ""
    assert "12/12" in last
    assert "best uar=0." in last
    assert "training=2/2" in last


class SignalAt(Matrix):
    """Features that send SIGINT when they are read for the nth time."""

    def __init__(self, *reads: int) -> None:
        super().__init__(FEATURES)
        self.count, self.reads = 0, reads

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        self.count += 1
        if self.count in self.reads:
            signal.raise_signal(signal.SIGINT)
        return FEATURES[indices]


@pytest.mark.parametrize("reads", [(5,), (40,)], ids=["first epoch", "later epoch"])
def test_ctrl_c_stops_and_keeps_the_best_so_far(reads: tuple[int, ...], tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    bank, result = fit([EMOTION], tmp_path, source=SignalAt(*reads))
    assert (result.status, result.heads[0].status) == ("interrupted", "interrupted")
    assert 1 <= result.epochs < 12
    answers = head_of(bank, 0).predict(FEATURES[VAL[0]]).argmax(1)
    assert result.heads[0].best_score == pytest.approx(balanced_accuracy_score(CLASSES[VAL[0]], answers))
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    source = SignalAt(40, 41)
    with pytest.raises(KeyboardInterrupt):
        fit([EMOTION], tmp_path, source=source)
    assert source.count == 41
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_stream_is_the_same_wherever_the_features_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "features.npy", FEATURES)
    mapped = Matrix(np.load(tmp_path / "features.npy", mmap_mode="r"))
    rows, cpu = np.flatnonzero(np.arange(ROWS) % 3), torch.device("cpu")
    in_memory = placement.Placed(mapped, rows, cpu)
    monkeypatch.setattr(placement, "available_memory_bytes", lambda: 100)
    left = placement.Placed(mapped, rows, cpu)
    assert (in_memory.tier, left.tier) == ("memory", "source")
    asked = rows[::-7].copy()
    assert torch.equal(in_memory.take(asked), torch.from_numpy(FEATURES[asked]))
    assert torch.equal(left.take(asked), torch.from_numpy(FEATURES[asked]))


def test_an_epoch_is_one_permutation_of_the_train_rows_by_the_order_seed() -> None:
    targets = np.arange(ROWS)
    orders = []
    for seed in (0, 0, 1):
        data = BankData(
            Matrix(FEATURES), targets, ~VAL[:1], VAL[:1], DataConfig(order_seed=seed, batch_size=32)
        )
        data.setup("fit")
        batches = list(data.train_dataloader())
        assert [len(batch.targets) for batch in batches] == [32] * 9 + [12]
        orders.append(torch.cat([batch.targets for batch in batches]).tolist())
        assert all(torch.equal(b.features, torch.from_numpy(FEATURES[b.targets.numpy()])) for b in batches)
        assert torch.cat([b.targets for b in data.val_dataloader()]).tolist() == targets[VAL[0]].tolist()
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == np.flatnonzero(~VAL[0]).tolist() != orders[0]


def test_scores_per_head_are_scikit_learns() -> None:
    predicted = RNG.integers(0, 3, size=(5, ROWS))
    masks = RNG.random((5, ROWS)) < 0.5
    masks[1] &= CLASSES < 2  # a class that is not in the reference does not count
    predicted[2, np.flatnonzero(masks[2])[0]] = -1
    got = head_uar(predicted, CLASSES, masks, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn notes the missing class
        expected = [balanced_accuracy_score(CLASSES[m], p[m]) for p, m in zip(predicted, masks, strict=True)]
    np.testing.assert_allclose(got[[0, 1, 3, 4]], np.array(expected)[[0, 1, 3, 4]], rtol=1e-12)
    assert np.isnan(got[2])
    years = (YEARS + RNG.normal(size=(5, ROWS))).astype(np.float32)
    expected = [mean_absolute_error(YEARS[m], p[m]) for p, m in zip(years, masks, strict=True)]
    np.testing.assert_allclose(head_mae(years, YEARS, masks), expected, rtol=1e-6)


def test_a_later_fit_replaces_the_curves_of_an_earlier_one(tmp_path: Path) -> None:
    for epochs in (5, 3):
        fit([EMOTION], tmp_path, replace(QUIET, max_epochs=epochs, tensorboard=True))
        assert [int(row["step"]) for row in curves(tmp_path)] == list(range(1, epochs + 1))
    assert len(list((tmp_path / "logs" / "tensorboard").glob("events.out.tfevents.*"))) == 1


def test_folds_that_cannot_be_are_refused() -> None:
    train, none = ~VAL[:2], np.zeros_like(VAL[:2])
    with pytest.raises(SplitError, match=r"fold 0 has 300 train and 0 validation rows"):
        BankData(Matrix(FEATURES), CLASSES, train, none, DataConfig())
    with pytest.raises(SplitError, match=r"fold 0 trains and validates on the same 100 row\(s\)"):
        BankData(Matrix(FEATURES), CLASSES, train | True, VAL[:2], DataConfig())
    with pytest.raises(ValueError, match="1 of 400 rows in use have no target"):
        BankData(Matrix(FEATURES), np.where(np.arange(ROWS) == 7, -1, CLASSES), train, VAL[:2], DataConfig())
    with pytest.raises(ValueError, match="do not agree"):
        BankData(Matrix(FEATURES), CLASSES[1:], train, VAL[:2], DataConfig())


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:0"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.device={device}"):
        training_device(device)
