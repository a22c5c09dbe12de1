"""scikit-learn's baselines: its own pipeline on the same rows finds the same penalty and the same answers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from profiling.config import DataConfig
from profiling.errors import ConfigError
from profiling.heads.bank import Bank, head_of
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.training.data import BankData
from profiling.training.scikit_baselines import RIVALS, fit_rival

ROWS = 120
STREAM = (("pool", 24), ("embedding", 6))
RNG = np.random.default_rng(8)
FEATURES = (RNG.normal(size=(ROWS, 30)) * RNG.uniform(0.1, 30, 30) + 3).astype(np.float32)
Z = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
TWO = ((Z[:, 0] - Z[:, 28] + RNG.normal(size=ROWS)) > 0).astype(np.int64)
THREE = TWO + ((Z[:, 1] > 0.8) & (TWO == 1))
YEARS = (40 + 6 * Z[:, 0] + 3 * RNG.normal(size=ROWS)).astype(np.float32)
VAL = (np.arange(ROWS) % 4 == 0)[None]
PATH = (1e4, 1e2, 1.0)


def fitted(name: str, targets: np.ndarray, spec: HeadSpec) -> np.ndarray:
    """The baseline's answers on the validation rows."""
    bank = Bank([spec], STREAM)
    data = BankData(Matrix(FEATURES), targets, ~VAL, VAL, DataConfig())
    bank.fit_statistics(data.source, data.targets, data.train)
    fit_rival(name, bank, data)
    return head_of(bank, 0).predict(FEATURES[VAL[0]])


def theirs(model: Any, targets: np.ndarray) -> np.ndarray:
    pipeline = make_pipeline(StandardScaler(), model).fit(FEATURES[~VAL[0]], targets[~VAL[0]])
    return np.asarray(pipeline.predict(FEATURES[VAL[0]]))


@pytest.mark.parametrize("name", ["svm", "ridge"])
@pytest.mark.parametrize(("labels", "targets"), [(("f", "m"), TWO), (("a", "b", "c"), THREE)])
def test_labels(name: str, labels: tuple[str, ...], targets: np.ndarray) -> None:
    models = {
        "svm": lambda p: LinearSVC(C=1 / p, class_weight="balanced", max_iter=2000, random_state=0),
        "ridge": lambda p: RidgeClassifier(alpha=p, class_weight="balanced"),
    }
    answers = {p: theirs(models[name](p), targets) for p in RIVALS[name].penalties}
    scores = {p: balanced_accuracy_score(targets[VAL[0]], found) for p, found in answers.items()}
    best = max(scores, key=lambda p: (scores[p], p))
    spec = HeadSpec("linear", STREAM, labels=labels, penalties=PATH)
    assert (fitted(name, targets, spec).argmax(1) == answers[best]).mean() == 1


@pytest.mark.parametrize("name", ["svm", "ridge"])
def test_numbers(name: str) -> None:
    train = YEARS[~VAL[0]]
    scaled = (YEARS - train.mean()) / train.std()
    models = {
        "svm": lambda p: LinearSVR(C=1 / p, max_iter=2000, random_state=0),
        "ridge": lambda p: Ridge(alpha=p),
    }
    answers = {
        p: theirs(models[name](p), scaled) * train.std() + train.mean() for p in RIVALS[name].penalties
    }
    scores = {p: -mean_absolute_error(YEARS[VAL[0]], found) for p, found in answers.items()}
    best = max(scores, key=lambda p: (scores[p], p))
    spec = HeadSpec("linear", STREAM, loss="l2", class_weights=False, penalties=PATH)
    np.testing.assert_allclose(fitted(name, YEARS, spec).ravel(), answers[best], atol=1e-3)


def test_without_scikit_learn_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    spec = HeadSpec("linear", STREAM, labels=("f", "m"), penalties=PATH)
    with pytest.raises(ConfigError, match=r"baselines=\[ridge\] needs scikit-learn"):
        fitted("ridge", TWO, spec)
