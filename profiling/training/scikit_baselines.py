"""scikit-learn's linear models as baselines: a run's own rows and folds, solved by somebody else's code.

They get the standardised features of the run's scaler; their penalties are chosen on its validation speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.errors import ConfigError
from profiling.heads.bank import Bank
from profiling.heads.group import Group
from profiling.heads.spec import HeadSpec
from profiling.training.data import BankData
from profiling.training.paths import scores_of
from profiling.training.penalties import choose
from profiling.training.probes import FoldRows

_SVM_STEPS = 2000  # of liblinear; more change nothing that validation can see


#: scikit-learn's modules, a head and a penalty -> the unfitted model
Maker = Callable[[Mapping[str, ModuleType], HeadSpec, float], Any]


@dataclass(frozen=True)
class Rival:
    """A linear model of scikit-learn.

    Attributes:
        make: the unfitted model for a head and a penalty.
        penalties: the path, strongest first: scikit-learn's ``alpha``, or 1 / ``C``.
    """

    make: Maker
    penalties: Sequence[float]


def _svm(modules: Mapping[str, ModuleType], spec: HeadSpec, penalty: float) -> Any:
    svm, cost = modules["svm"], 1 / penalty
    if spec.labels:
        return svm.LinearSVC(C=cost, class_weight=_balance(spec), max_iter=_SVM_STEPS, random_state=0)
    return svm.LinearSVR(C=cost, max_iter=_SVM_STEPS, random_state=0)


def _ridge(modules: Mapping[str, ModuleType], spec: HeadSpec, penalty: float) -> Any:
    linear = modules["linear_model"]
    if spec.labels:
        return linear.RidgeClassifier(alpha=penalty, class_weight=_balance(spec))
    return linear.Ridge(alpha=penalty)


def _balance(spec: HeadSpec) -> str | None:
    return "balanced" if spec.class_weights else None


RIVALS = {
    "svm": Rival(_svm, (1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0)),
    "ridge": Rival(_ridge, (1e6, 1e5, 1e4, 1e3, 1e2, 1e1)),
}


def fit_rival(name: str, bank: Bank, data: BankData) -> None:
    """Fits one model a head and puts it into the bank.

    Args:
        name: of :data:`RIVALS`.
        bank: linear heads, their statistics fitted.
        data: features, targets and folds.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    modules = _scikit_learn(name)
    for group in bank.groups():
        for position, index in enumerate(group.members.tolist()):
            weight, bias = _chosen(RIVALS[name], modules, bank, data, group, index)
            with torch.no_grad():
                group.weights[0][position], group.biases[0][position] = weight, bias


def _chosen(
    rival: Rival, modules: Mapping[str, ModuleType], bank: Bank, data: BankData, group: Group, index: int
) -> tuple[Tensor, Tensor]:
    """Weight (outputs, dim) and bias (outputs,) of the penalty that validates best."""
    spec, rows = bank.specs[index], FoldRows(data, bank.specs[index].fold)
    train, val = (group.scaler(group.own(part)) for part in (rows.train, rows.val))
    targets = _targets(bank, index, data.targets[rows.train_rows])
    fitted = [rival.make(modules, spec, penalty) for penalty in rival.penalties]
    models = [_coefficients(model.fit(train.numpy(), targets), spec) for model in fitted]
    outputs = torch.stack([val @ weight.T + bias for weight, bias in models])  # (models, rows, outputs)
    scores = scores_of(bank, index, outputs, data.targets[rows.val_rows])
    return models[choose(spec, scores, list(rival.penalties))]


def _targets(bank: Bank, index: int, targets: NDArray[Any]) -> NDArray[Any]:
    """Class numbers, or numbers standardised by the fold's train rows."""
    if bank.specs[index].labels:
        return targets
    mean, scale = bank.objective.target_mean[index], bank.objective.target_scale[index]
    return (targets - float(mean)) / float(scale)


def _coefficients(model: Any, spec: HeadSpec) -> tuple[Tensor, Tensor]:
    """One row of weights for each output; scikit-learn has a single one for two classes."""
    weight = torch.from_numpy(np.atleast_2d(model.coef_)).float()
    bias = torch.as_tensor(np.atleast_1d(model.intercept_)).float()
    if len(spec.labels) != 2:
        return weight, bias
    return torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2


def _scikit_learn(name: str) -> dict[str, ModuleType]:
    try:
        from sklearn import linear_model, svm
    except ImportError as error:
        raise ConfigError(
            f"baselines=[{name}] needs scikit-learn; pip install 'profiling[sklearn]', or write baselines=[linear]"
        ) from error
    return {"linear_model": linear_model, "svm": svm}
