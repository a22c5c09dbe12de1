"""The probes of a bank: linear heads that are solved over a path of penalties, one of which is kept.

Nothing is drawn and nothing is tuned. Folds share the read, subsets of layers share the Gram matrices of their
layers, and all penalties of a head share one batch of the solver.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.errors import ConfigError
from profiling.heads.bank import Bank
from profiling.heads.coordinates import gram_matrix, precision, space_of
from profiling.heads.group import Group, column_slices
from profiling.training.curves import Log
from profiling.training.data import BankData
from profiling.training.paths import scores_of, solved_path
from profiling.training.penalties import balanced_losses, choose, speaker_turns
from profiling.training.placement import available_memory_bytes
from profiling.training.turns import Turns, best_by_turns

_COPIES = (
    5  # of a fold's rows, in float32, held at a time: raw, standardised, those of a turn, and one in float64
)
_SHARE = 0.8  # of the available memory


@dataclass(frozen=True)
class Probe:
    """A solved head.

    Attributes:
        index: of the head in the bank.
        name: the head's name.
        chosen: which of the penalties is kept, see ``penalties.py``.
        penalties: as asked.
        scores: validation score of each, UAR or MAE.
    """

    index: int
    name: str
    chosen: int
    penalties: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        """Validation score of the chosen penalty."""
        return self.scores[self.chosen]

    @property
    def penalty(self) -> float:
        """The chosen penalty."""
        return self.penalties[self.chosen]


class FoldRows:
    """Train and validation rows of one fold, and the Gram matrices of its layers.

    Args:
        data: features, targets and folds.
        fold: which.

    Attributes:
        both_rows: numbers of the train rows, then of the validation rows.
        turns: when each of them is left out to choose a penalty; None where validation chooses.

    Raises:
        ConfigError: they do not fit into memory.
    """

    def __init__(self, data: BankData, fold: int) -> None:
        self.train_rows, self.val_rows = np.flatnonzero(data.train[fold]), np.flatnonzero(data.val[fold])
        count = len(self.train_rows) + len(self.val_rows)
        dim = np.asarray(data.source.take(self.train_rows[:1])).shape[1]
        needed, free = 4 * _COPIES * count * dim, available_memory_bytes()
        if needed > _SHARE * free:
            raise ConfigError(
                f"head=probe needs {needed / 2**30:.1f} GiB for {count} rows of {dim} dims, {free / 2**30:.1f} are "
                "free; name fewer layers, or train head=linear, which reads from disk"
            )
        self.train, self.val = (
            torch.as_tensor(data.source.take(rows)) for rows in (self.train_rows, self.val_rows)
        )
        self.both_rows = np.concatenate([self.train_rows, self.val_rows])
        self.turns = _turns(data, self.both_rows, len(self.train_rows))
        self._grams: dict[tuple[str, torch.dtype], Tensor] = {}

    def gram(self, group: Group, rows: Tensor, dtype: torch.dtype) -> Tensor | None:
        """Σ of the layers' Gram matrices over standardised train rows; None where columns are fewer."""
        if len(rows) >= rows.shape[1]:
            return None
        layers = group.specs[0].layers
        for layer in layers:
            if (layer[0], dtype) not in self._grams:
                (columns,) = column_slices(layers, (layer,))
                self._grams[layer[0], dtype] = gram_matrix(rows[:, columns], dtype)
        first, *others = (self._grams[label, dtype] for label, _ in layers)
        return functools.reduce(Tensor.add, others, first)


def _turns(data: BankData, rows: NDArray[np.int64], trained: int) -> NDArray[np.int64] | None:
    if "speaker" not in data.groups:
        return None
    targets, validating = data.targets[rows], np.arange(len(rows)) >= trained
    labelled = np.issubdtype(targets.dtype, np.integer)
    return speaker_turns(data.groups["speaker"][rows], validating, targets, labelled=labelled)


def fit_probes(bank: Bank, data: BankData) -> dict[int, Probe]:
    """Solves the bank's probes, puts the best model of each into the bank and freezes it.

    Args:
        bank: with its statistics fitted, on the CPU.
        data: features, targets and folds.

    Returns:
        Head number -> probe; empty if the bank has none.

    Raises:
        ConfigError: the rows of a fold do not fit into memory.
    """
    found: dict[int, Probe] = {}
    wanted = [group for group in bank.groups() if group.specs[0].penalties]
    if not wanted:
        return found
    for fold in sorted({group.specs[0].fold for group in wanted}):
        rows = FoldRows(data, fold)
        for group in wanted:
            if group.specs[0].fold == fold:
                found |= {probe.index: probe for probe in _fit_group(bank, group, rows, data)}
    frozen = torch.zeros(len(bank.specs), dtype=torch.bool)
    frozen[list(found)] = True
    bank.freeze(frozen.to(bank.active.device))
    bank.skip_frozen_groups()
    return found


def log_paths(probes: Sequence[Probe], score: str, logs: Sequence[Log]) -> None:
    """Penalties and validation scores as curves: step k is the k-th penalty."""
    for probe in probes:
        for step, (penalty, value) in enumerate(zip(probe.penalties, probe.scores, strict=True)):
            values = {f"penalty/{probe.name}": penalty, f"val_{score}/{probe.name}": value}
            for log in logs:
                log.log_metrics(values, step=step)


def _fit_group(bank: Bank, group: Group, rows: FoldRows, data: BankData) -> Iterator[Probe]:
    train, val = (group.scaler(group.own(part)) for part in (rows.train, rows.val))
    dtype, turns = _precision(group, train), rows.turns
    both = train if turns is None else torch.cat([train, val])
    gram = rows.gram(group, both, dtype)
    space = space_of(train, dtype, None if gram is None else gram[: len(train), : len(train)])
    for position, (index, spec) in enumerate(zip(group.members.tolist(), group.specs, strict=True)):
        path = solved_path(bank, index, space, rows.train_rows, data.targets[rows.train_rows])
        outputs, targets = path.outputs(val), data.targets[rows.val_rows]
        scores = scores_of(bank, index, outputs, targets)
        if turns is None:
            losses = balanced_losses(outputs, targets) if spec.labels else None
            chosen = choose(spec, scores, spec.penalties, losses)
        else:
            chosen = best_by_turns(bank, index, Turns(both, gram, dtype, rows.both_rows, turns), data)
        with torch.no_grad():
            group.weights[0][position] = path.weight[chosen]
            group.biases[0][position] = path.bias[chosen]
        yield Probe(index, bank.names[index], chosen, spec.penalties, tuple(scores.tolist()))


def _precision(group: Group, train: Tensor) -> torch.dtype:
    """Numbers are solved in closed form, which squares what rounding does."""
    if not group.specs[0].labels:
        return torch.float64
    smallest = min(penalty for spec in group.specs for penalty in spec.penalties)
    return precision(len(train), train.shape[1], [smallest])
