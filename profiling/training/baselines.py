"""Linear baselines on a run's own folds: what any head has to beat, in the same table.

Same rows, same standardisation, the penalty chosen on the same validation speakers. ``linear`` is our probe:
logistic regression, or ridge for numbers. ``svm`` is scikit-learn's linear SVM, or SVR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.config import DataConfig, HeadConfig
from profiling.errors import ConfigError
from profiling.evaluation.answers import answer_rows, prediction_table
from profiling.heads.bank import Bank, head_of
from profiling.heads.group import Group
from profiling.heads.modules import Head
from profiling.heads.spec import HeadSpec, head_spec
from profiling.training.data import BankData
from profiling.training.outcome import Run
from profiling.training.probes import FoldRows, choose, fit_probes, scores_of
from profiling.training.rows import RunRows, TaskRows, training_rows

#: C of the SVMs, strongest penalty first; rows are standardised.
SVM_COSTS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_SVM_STEPS = 2000  # of liblinear; more change nothing that validation can see

Fit = Callable[[Bank, BankData], None]


def baseline_predictions(run: Run, rows: RunRows, final: HeadSpec) -> dict[str, dict[str, pd.DataFrame]]:
    """Every baseline's answers on the rows the run's heads answered.

    Args:
        run: a trained run; its configuration names the baselines.
        rows: its rows, with features of ``final.layers`` alone.
        final: the run's last head.

    Returns:
        Baseline -> ``validation``, ``test`` or :func:`heldout_key` -> predictions. A head that is a probe is its own
        ``linear`` baseline and gets no second one.

    Raises:
        ConfigError: ``svm`` without scikit-learn.
    """
    wanted = [name for name in run.config["baselines"] if not (name == "linear" and final.penalties)]
    return {
        name: _predictions(fit_heads(name, run, training_rows(rows), final), run, rows) for name in wanted
    }


def fit_heads(name: str, run: Run, train: TaskRows, final: HeadSpec) -> dict[str, Head]:
    """A baseline for every fold of a run, fold -> head.

    Raises:
        ConfigError: ``svm`` without scikit-learn.
    """
    config = HeadConfig(name="probe", class_weights=run.config["head"]["class_weights"])
    specs = [head_spec(config, final.layers, final.labels, fold) for fold in range(len(run.folds))]
    bank = Bank(specs, final.layers)
    trained, validated = (np.stack([run.part(fold, part) for fold in run.folds]) for part in ("train", "val"))
    data = BankData(train.view, _targets(train, final.labels), trained, validated, DataConfig())
    bank.fit_statistics(data.source, data.targets, data.train)
    _FITS[name](bank, data)
    return {fold: head_of(bank, index) for index, fold in enumerate(run.folds)}


def _predictions(heads: Mapping[str, Head], run: Run, rows: RunRows) -> dict[str, pd.DataFrame]:
    train = training_rows(rows)
    folds = run.folds if len(run.folds) == 1 else run.folds[:-1]
    tables = {
        part: _own(heads, run, train, folds, name) for part, name in (("validation", "val"), ("test", "test"))
    }
    final = heads[run.folds[-1]]
    held = {
        heldout_key(corpus): _table(final, part, np.arange(len(part.table)), "heldout", "final")
        for corpus, part in rows.heldout.items()
    }
    return {part: table for part, table in {**tables, **held}.items() if len(table)}


def heldout_key(corpus: str) -> str:
    """Where the answers on a held-out corpus are; a corpus may be called ``test``."""
    return f"held-out {corpus}"


def _own(heads: Mapping[str, Head], run: Run, train: TaskRows, folds: list[str], part: str) -> pd.DataFrame:
    name = {"val": "validation", "test": "test"}[part]
    chosen = {fold: np.flatnonzero(run.part(fold, part)) for fold in folds}
    tables = [_table(heads[fold], train, rows, name, fold) for fold, rows in chosen.items() if len(rows)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _table(head: Head, rows: TaskRows, chosen: NDArray[np.int64], part: str, fold: str) -> pd.DataFrame:
    outputs = answer_rows(head, rows.view, chosen)
    return prediction_table(rows.table.iloc[chosen], outputs, head.spec.labels, part=part, fold=fold)


def _targets(train: TaskRows, labels: tuple[str, ...]) -> NDArray[Any]:
    if not labels:
        return train.answers.astype(np.float32)
    number = {label: index for index, label in enumerate(labels)}
    return np.array([number[label] for label in train.answers], dtype=np.int64)


def _fit_linear(bank: Bank, data: BankData) -> None:
    fit_probes(bank, data)


def _fit_svm(bank: Bank, data: BankData) -> None:
    for group in bank.groups():
        for position, index in enumerate(group.members.tolist()):
            _fit_one_svm(bank, data, group, position, index)


def _fit_one_svm(bank: Bank, data: BankData, group: Group, position: int, index: int) -> None:
    rows = FoldRows(data, bank.specs[index].fold)
    train, val = (group.scaler(group.own(part)) for part in (rows.train, rows.val))
    models = [_svm(bank, index, train.numpy(), data.targets[rows.train_rows], cost) for cost in SVM_COSTS]
    outputs = torch.stack([val @ weight.T + bias for weight, bias in models])  # (models, rows, outputs)
    scores = scores_of(bank, index, outputs, data.targets[rows.val_rows])
    weight, bias = models[choose(bank.specs[index], scores, [1 / cost for cost in SVM_COSTS])]
    with torch.no_grad():
        group.weights[0][position], group.biases[0][position] = weight, bias


def _svm(
    bank: Bank, index: int, rows: NDArray[np.float32], targets: NDArray[Any], cost: float
) -> tuple[Tensor, Tensor]:
    """Weight (outputs, dim) and bias (outputs,) of one linear SVM or SVR."""
    svm = _scikit_learn()
    spec, objective = bank.specs[index], bank.objective
    if spec.labels:
        balance = "balanced" if spec.class_weights else None
        model = svm.LinearSVC(C=cost, class_weight=balance, max_iter=_SVM_STEPS, random_state=0)
        model.fit(rows, targets)
        weight, bias = _scores_of_all(model, len(spec.labels))
        return weight, bias
    standardised = (targets - float(objective.target_mean[index])) / float(objective.target_scale[index])
    model = svm.LinearSVR(C=cost, max_iter=_SVM_STEPS, random_state=0).fit(rows, standardised)
    bias = torch.as_tensor(model.intercept_).float().reshape(1)
    return torch.from_numpy(model.coef_[None]).float(), bias


def _scores_of_all(model: Any, classes: int) -> tuple[Tensor, Tensor]:
    """One score for each class; scikit-learn has a single one where there are two."""
    weight, bias = torch.from_numpy(model.coef_).float(), torch.as_tensor(model.intercept_).float()
    if classes > 2:
        return weight, bias
    return torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2


def _scikit_learn() -> Any:
    try:
        from sklearn import svm
    except ImportError as error:
        raise ConfigError(
            "baselines=[svm] needs scikit-learn; pip install 'profiling[sklearn]', or write baselines=[linear]"
        ) from error
    return svm


_FITS: dict[str, Fit] = {"linear": _fit_linear, "svm": _fit_svm}
