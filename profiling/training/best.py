"""The best epoch of every head of a bank: score, epoch, patience and parameters, each head for itself."""

from __future__ import annotations

import torch
from torch import Tensor

from profiling.heads.bank import Bank
from profiling.heads.group import Group
from profiling.heads.joint import JointBank, JointGroup

#: The validation score of a kind of target, and whether larger is better.
SCORES = {"classification": ("uar", True), "regression": ("mae", False), "several": ("skill", True)}


class Best:
    """Keeps each head's best parameters. Equal scores keep the earlier epoch.

    Args:
        bank: on the device it is trained on.
        patience: epochs without a better score after which a head is frozen.

    Attributes:
        score: (heads,) float64 best validation score, NaN before the first.
        epoch: (heads,) its epoch, from 1; 0 before the first.
        epochs: (heads,) epochs a head was trained.
        stale: (heads,) epochs since the best one.
        kept: for every group of the bank, its parameters with each head's as they were in its best epoch.
    """

    def __init__(self, bank: Bank | JointBank, patience: int) -> None:
        heads, device = len(bank.specs), bank.active.device
        self.bank, self.patience = bank, patience
        self.name, self._larger = SCORES[bank.kind]
        self.score = torch.full((heads,), torch.nan, dtype=torch.float64, device=device)
        self.epoch = torch.zeros(heads, dtype=torch.int64, device=device)
        self.epochs = torch.zeros(heads, dtype=torch.int64, device=device)
        self.stale = torch.zeros(heads, dtype=torch.int64, device=device)
        self.kept = [[p.detach().clone() for p in group.parameters()] for group in self._groups()]

    def observe(self, epoch: int, scores: Tensor) -> None:
        """Takes one epoch's scores; freezes heads that ran out of patience or whose score is not a number.

        Args:
            epoch: from 1.
            scores: (heads,) float64; those of frozen heads are not looked at.
        """
        self.bank.mark_diverged(torch.isnan(scores))
        active = self.bank.active
        better = active & (torch.isnan(self.score) | self._is_better(scores))
        self.score = torch.where(better, scores, self.score)
        self.epoch = torch.where(better, epoch, self.epoch)
        self.epochs = torch.where(active, epoch, self.epochs)
        self.stale = torch.where(better, 0, self.stale + active.long())
        self._keep(better)
        self.bank.freeze(self.stale >= self.patience)
        self.bank.skip_frozen_groups()

    @torch.no_grad()
    def restore(self) -> None:
        """Puts every head's best parameters back; a diverged head without any gets its initial ones."""
        known = (self.epoch > 0) | self.bank.diverged
        for group, kept in zip(self._groups(), self.kept, strict=True):
            index = known[group.members].nonzero().squeeze(1)
            for parameter, saved in zip(group.parameters(), kept, strict=True):
                parameter[index] = saved[index]

    def leader(self) -> float:
        """The best score of any head; NaN before the first."""
        known = self.score[~torch.isnan(self.score)]
        if not len(known):
            return float("nan")
        return float(known.max() if self._larger else known.min())

    def _groups(self) -> list[Group | JointGroup]:
        return list(self.bank.groups())

    def _is_better(self, scores: Tensor) -> Tensor:
        return scores > self.score if self._larger else scores < self.score

    def _keep(self, better: Tensor) -> None:
        for group, kept in zip(self._groups(), self.kept, strict=True):
            index = better[group.members].nonzero().squeeze(1)
            for parameter, saved in zip(group.parameters(), kept, strict=True):
                saved[index] = parameter.detach()[index]
