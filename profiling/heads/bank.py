"""A bank: many heads over one stream of batches. A single run is a bank of one.

All heads see the same rows in the same order. The loss is the **sum** over heads (a mean would rescale every
learning rate), so no head feels another. A fold is a row mask and a scaler per head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.errors import ConfigError
from profiling.heads.augment import Mixing
from profiling.heads.balance import Balance
from profiling.heads.group import Group, group_key
from profiling.heads.modules import Head, build_head
from profiling.heads.objective import Objective
from profiling.heads.scaler import Mask, Source, fit_scalers
from profiling.heads.spec import HeadSpec, Layers


class Bank(nn.Module):
    """Heads trained together, each as if it were alone.

    Args:
        specs: the heads: of one target, any mix of architecture, layers, rates, seeds, folds and losses.
        stream: (label, dim) of the feature columns that come in, in their order.

    Attributes:
        active: (heads,) bool, still trained.
        diverged: (heads,) bool, a loss or gradient was not finite; frozen since then.
        update: (heads,) bool, takes part in the current step: active, finite, and with rows in the batch.
        folds: (heads,) int64, row of the fold masks.

    Raises:
        ConfigError: the same head twice.
        ValueError: no heads, or heads of different targets.
    """

    active: Tensor
    diverged: Tensor
    update: Tensor
    folds: Tensor
    order: Tensor

    def __init__(self, specs: Sequence[HeadSpec], stream: Layers) -> None:
        super().__init__()
        if len({spec.labels for spec in specs}) != 1:
            raise ValueError(
                "the heads of a bank share one target: their labels differ, or there are no heads"
            )
        self.specs = tuple(specs)
        self.names = unique_names(specs)
        self.kind, self.labels = specs[0].kind, specs[0].labels
        members = _members(specs)
        self._groups = nn.ModuleList(Group([specs[i] for i in own], stream, own) for own in members)
        self.objective = Objective(specs)
        self.balance = Balance(specs)
        self.register_buffer("active", torch.ones(len(specs), dtype=torch.bool))
        self.register_buffer("diverged", torch.zeros(len(specs), dtype=torch.bool))
        self.register_buffer("update", torch.ones(len(specs), dtype=torch.bool))
        self.register_buffer("folds", torch.tensor([spec.fold for spec in specs]))
        self.register_buffer("order", torch.tensor([i for own in members for i in own]).argsort())

    def groups(self) -> Iterator[Group]:
        """The stacks of heads of equal shape."""
        return iter(cast("list[Group]", list(self._groups)))

    def trainable(self) -> Iterator[tuple[Bank, Group, list[nn.Parameter]]]:
        """Parameters that are clipped and stepped together, with their group and whose ``update`` they follow."""
        return ((self, group, list(group.parameters())) for group in self.groups())

    def fit_statistics(
        self,
        source: Source,
        targets: NDArray[Any],
        train: Mask,
        groups: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> None:
        """Fits scalers, class weights, target scalers and row weights, each on its fold's train rows alone.

        Args:
            source: feature rows.
            targets: (rows,) class numbers or years.
            train: (folds, rows) bool; a head's rows are ``train[spec.fold]``.
            groups: ``speaker`` and ``corpus`` -> (rows,) number of each row's; for heads that balance them.

        Raises:
            ConfigError: a head balances what is not known of the rows.
            SplitError: train rows with one class only, with one age only, or none.
            StoreError: a feature that is not finite.
        """
        used = sorted({spec.fold for spec in self.specs})
        scalers = dict(zip(used, fit_scalers(source, train[used]), strict=True))
        for group in self.groups():
            group.fit_scaler(scalers[group.specs[0].fold])
        self.objective.fit(targets, train)
        self.balance.fit(train, groups or {})

    def forward(self, features: Tensor, mixing: Mixing | None = None) -> Tensor:
        """(batch, stream dim) -> (heads, batch, outputs); zeros for groups with no active head left.

        Heads with fewer outputs than others have zeros behind theirs.
        """
        return self.joined([group(features, mixing) for group in self.groups()])

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """The groups' outputs, (group, batch, outputs) each -> (heads, batch, outputs) in the order of the heads."""
        widest = max(part.shape[2] for part in parts)
        parts = [
            F.pad(part, (0, widest - part.shape[2])) if part.shape[2] < widest else part for part in parts
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts).index_select(0, self.order)

    def losses(self, features: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Loss per head, (heads,), 0 for heads that take no part; sum them and go backward.

        Args:
            features: (batch, stream dim) float32.
            targets: (batch,) class numbers (int64) or years (float32).
            weights: (heads, batch) row weights, 0 outside a head's train rows.
        """
        mixing = self._mixing(weights)
        outputs = self(features, mixing).float()
        values: Tensor = self.objective(outputs, targets, weights)
        if mixing is not None:
            others = targets.expand(len(weights), -1).gather(1, mixing.partner)
            mixed: Tensor = self.objective(outputs, others, weights)
            values = mixing.share * values + (1 - mixing.share) * mixed
        finite = torch.isfinite(values.detach())
        self.mark_diverged(~finite)
        self.update.copy_(self.active & (weights.sum(1) > 0))
        return torch.where(self.update, values, torch.zeros_like(values))

    @torch.no_grad()
    def predictions(self, features: Tensor) -> Tensor:
        """(heads, batch) class numbers (int64) or years (float32); -1 or NaN where not finite."""
        return self.answers(self(features).float())

    def answers(self, outputs: Tensor) -> Tensor:
        """(heads, batch, outputs) -> what :meth:`predictions` gives."""
        if self.kind == "regression":
            years = self.objective.years(outputs)
            return torch.where(torch.isfinite(years), years, torch.nan)
        return torch.where(torch.isfinite(outputs).all(-1), outputs.argmax(-1), -1)

    def _mixing(self, weights: Tensor) -> Mixing | None:
        """The rows to be mixed in this step, (heads, batch); None if no head mixes."""
        if not (self.training and any(spec.mixup for spec in self.specs)):
            return None
        share = torch.ones(len(weights), device=weights.device)
        partner = torch.arange(weights.shape[1], device=weights.device).repeat(len(weights), 1)
        for group in self.groups():
            if any(spec.mixup for spec in group.specs) and not group.idle:
                drawn = group.draw_mixing(weights[group.members])
                share[group.members], partner[group.members] = drawn
        return Mixing(share, partner)

    def freeze(self, heads: Tensor) -> None:
        """Ends the training of some heads, (heads,) bool; the others do not notice."""
        self.active &= ~heads

    def mark_diverged(self, heads: Tensor) -> None:
        """Freezes active heads whose numbers are no longer finite, (heads,) bool."""
        self.diverged |= heads & self.active
        self.freeze(heads)

    def skip_frozen_groups(self) -> None:
        """Stops computing groups that have no active head left."""
        for group in self.groups():
            group.idle = not bool(self.active[group.members].any())


def unique_names(specs: Sequence[HeadSpec]) -> tuple[str, ...]:
    """The heads' names, as many as heads.

    Raises:
        ConfigError: two specs are the same.
    """
    names = tuple(spec.name for spec in specs)
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ConfigError(f"the same head is asked for twice: {name}")
    return names


def head_state(bank: Bank, index: int) -> dict[str, Tensor]:
    """One head's tensors on the CPU, for :func:`profiling.heads.modules.build_head`."""
    group = next(group for group in bank.groups() if index in group.members.tolist())
    tensors = group.head_tensors(group.members.tolist().index(index))
    if bank.kind == "regression":
        own = slice(index, index + 1)
        if bank.specs[index].bins:
            tensors["levels.low"] = bank.objective.low[index].cpu().clone()
            tensors["levels.high"] = bank.objective.high[index].cpu().clone()
        tensors["target.mean"] = bank.objective.target_mean[own].cpu().clone()
        tensors["target.scale"] = bank.objective.target_scale[own].cpu().clone()
    return tensors


def head_of(bank: Bank, index: int) -> Head:
    """One head of the bank as a module of its own, on the CPU, in evaluation mode."""
    return build_head(bank.specs[index], head_state(bank, index))


def _members(specs: Sequence[HeadSpec]) -> list[list[int]]:
    members: dict[tuple[object, ...], list[int]] = {}
    for index, spec in enumerate(specs):
        members.setdefault(group_key(spec), []).append(index)
    return list(members.values())
