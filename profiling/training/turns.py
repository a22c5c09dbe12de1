"""Speakers that take turns: every row answered by models of the others, to compare penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.heads.bank import Bank
from profiling.heads.coordinates import space_of
from profiling.training.data import BankData
from profiling.training.paths import scores_of, solved_path
from profiling.training.penalties import balanced_losses, least


@dataclass(frozen=True)
class Turns:
    """Train and validation rows of a fold whose speakers take turns.

    Attributes:
        features: (n, dim) standardised by the train rows.
        gram: (n, n) their products; None where columns are fewer.
        dtype: in which numbers to solve.
        rows: (n,) their numbers.
        turns: (n,) when each is left out.
    """

    features: Tensor
    gram: Tensor | None
    dtype: torch.dtype
    rows: NDArray[np.int64]
    turns: NDArray[np.int64]


def best_by_turns(bank: Bank, index: int, known: Turns, data: BankData) -> int:
    """The head's penalty with the smallest loss over the answers of all turns."""
    answers = _in_turns(bank, index, known, data)
    return least(_losses(bank, index, answers, data.targets[known.rows]))


def _in_turns(bank: Bank, index: int, known: Turns, data: BankData) -> Tensor:
    """(penalties, n, outputs): every row answered by models of the speakers of other turns."""
    turns = np.unique(known.turns).tolist()
    answers = torch.cat([_of_turn(bank, index, known, data, turn) for turn in turns], dim=1)
    rows = np.concatenate([np.flatnonzero(known.turns == turn) for turn in turns])
    return answers[:, torch.from_numpy(np.argsort(rows))]


def _of_turn(bank: Bank, index: int, known: Turns, data: BankData, turn: int) -> Tensor:
    kept, left = (
        torch.from_numpy(np.flatnonzero(mask)) for mask in (known.turns != turn, known.turns == turn)
    )
    gram = None if known.gram is None else known.gram[kept][:, kept]
    space, rows = space_of(known.features[kept], known.dtype, gram), known.rows[kept.numpy()]
    path = solved_path(bank, index, space, rows, data.targets[rows], coarse=True)
    return path.outputs(known.features[left])


def _losses(bank: Bank, index: int, answers: Tensor, targets: NDArray[np.generic]) -> NDArray[np.float64]:
    """(penalties,) what is smallest for the best one."""
    if bank.specs[index].labels:
        return balanced_losses(answers, targets)
    return scores_of(bank, index, answers, targets)
