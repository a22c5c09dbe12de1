"""Linear baselines on a run's own folds: what any head has to beat, in the same table.

Same rows, same standardisation, the penalty chosen without test speakers. ``linear`` is our probe:
logistic regression, or ridge for numbers. ``svm`` and ``ridge`` are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.config import DataConfig, HeadConfig
from profiling.evaluation.answers import answer_rows, prediction_table
from profiling.heads.bank import Bank, head_of
from profiling.heads.modules import Head
from profiling.heads.spec import HeadSpec, head_spec
from profiling.training.data import BankData
from profiling.training.outcome import Run
from profiling.training.probes import fit_probes
from profiling.training.rows import RunRows, TaskRows, training_rows
from profiling.training.scikit_baselines import RIVALS, fit_rival

Fit = Callable[[Bank, BankData], object]


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
        ConfigError: ``svm`` or ``ridge`` without scikit-learn.
    """
    wanted = [name for name in run.config["baselines"] if not (name == "linear" and final.penalties)]
    return {
        name: _predictions(fit_heads(name, run, training_rows(rows), final), run, rows) for name in wanted
    }


def fit_heads(name: str, run: Run, train: TaskRows, final: HeadSpec) -> dict[str, Head]:
    """A baseline for every fold of a run, fold -> head.

    Raises:
        ConfigError: ``svm`` or ``ridge`` without scikit-learn.
    """
    config = HeadConfig(name="probe", class_weights=run.config["head"]["class_weights"])
    specs = [head_spec(config, final.layers, final.labels, fold) for fold in range(len(run.folds))]
    bank = Bank(specs, final.layers)
    trained, validated = (np.stack([run.part(fold, part) for fold in run.folds]) for part in ("train", "val"))
    data = BankData(train.view, _targets(train, final.labels), trained, validated, DataConfig(), train.groups)
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


_FITS: dict[str, Fit] = {
    "linear": fit_probes,
    **{name: partial(fit_rival, name) for name in RIVALS},
}
