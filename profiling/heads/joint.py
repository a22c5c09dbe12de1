"""One head for several tasks: a trunk they share, a last map for each, and labels that may be missing.

The loss is the **sum** of the tasks' losses; a row counts in those whose label it has. The gradients of the trunk and
of every last map are clipped apart, so that a linear head of two tasks, which has no trunk to share, is the same as
two linear heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiling.errors import SplitError
from profiling.heads.bank import Bank
from profiling.heads.group import Group
from profiling.heads.scaler import Mask, Source, fit_scalers
from profiling.heads.spec import HeadSpec, Layers


class JointBank(nn.Module):
    """Heads of several tasks, such as one for every fold: an ordinary bank for each task, their trunks the same.

    Args:
        tasks: task -> its spec of every head; those of a head differ in target and loss alone.
        stream: (label, dim) of the feature columns that come in, in their order.

    Attributes:
        active, diverged, update, folds: as in :class:`profiling.heads.bank.Bank`.

    Raises:
        ValueError: no task, or specs that cannot share a trunk.
    """

    active: Tensor
    diverged: Tensor
    update: Tensor
    folds: Tensor
    kind = "several"

    def __init__(self, tasks: Mapping[str, Sequence[HeadSpec]], stream: Layers) -> None:
        super().__init__()
        if len({tuple(_trunk_of(spec) for spec in specs) for specs in tasks.values()}) != 1:
            raise ValueError("the heads of several tasks share everything but target, loss and bins")
        self.tasks = tuple(tasks)
        self._banks = nn.ModuleList(Bank(specs, stream) for specs in tasks.values())
        first = self.banks[0]
        self.specs, self.names = first.specs, first.names
        for bank in self.banks[1:]:
            for own, shared in zip(bank.groups(), first.groups(), strict=True):
                _share(own, shared)
        self._groups = nn.ModuleList(
            JointGroup(own) for own in zip(*(b.groups() for b in self.banks), strict=True)
        )
        for name in ("active", "diverged", "update", "folds"):
            self.register_buffer(name, getattr(first, name).clone())

    @property
    def banks(self) -> list[Bank]:
        """One for each task, in the order of ``tasks``."""
        return cast("list[Bank]", list(self._banks))

    def groups(self) -> Iterator[JointGroup]:
        """The stacks of heads of equal shape."""
        return iter(cast("list[JointGroup]", list(self._groups)))

    def trainable(self) -> Iterator[tuple[Bank | JointBank, Group, list[nn.Parameter]]]:
        """Parameters that are clipped and stepped together: every trunk, and every task's last map."""
        for group in self.groups():
            if trunk := group.trunk_parameters():
                yield self, group.parts[0], trunk
            for bank, part in zip(self.banks, group.parts, strict=True):
                yield bank, part, [part.weights[-1], part.biases[-1]]

    def fit_statistics(
        self,
        source: Source,
        targets: Sequence[NDArray[Any]],
        known: Mask,
        train: Mask,
        groups: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> None:
        """Fits scalers on all train rows of a fold, and what belongs to a target on those that have it.

        Args:
            source: feature rows.
            targets: for each task (rows,) class numbers or numbers; anything where they are not known.
            known: (tasks, rows) bool.
            train: (folds, rows) bool.
            groups: ``speaker`` and ``corpus`` -> (rows,) number of each row's.

        Raises:
            SplitError: train rows that teach a task nothing.
        """
        used = sorted({spec.fold for spec in self.specs})
        scalers = dict(zip(used, fit_scalers(source, train[used]), strict=True))
        for group in self.groups():
            group.parts[0].fit_scaler(scalers[group.parts[0].specs[0].fold])
        for task, bank, wanted, labelled in zip(self.tasks, self.banks, targets, known, strict=True):
            rows = train & labelled
            if not rows[used].any(1).all():
                raise SplitError(
                    f"{task}: a fold has no train row with a label of it; use another split.kind"
                )
            bank.objective.fit(wanted, rows)
            bank.balance.fit(rows, groups or {})

    def losses(
        self, features: Tensor, targets: Sequence[Tensor], known: Tensor, rows: Tensor, folds: Tensor
    ) -> Tensor:
        """Loss per head, (heads,): the sum over its tasks, 0 for heads that take no part.

        Args:
            features: (batch, stream dim) float32.
            targets: for each task (batch,) class numbers or numbers.
            known: (tasks, batch) bool.
            rows: (batch,) positions of the rows, for row weights.
            folds: (heads, batch) bool, the head's train rows.
        """
        self._agree()
        total = features.new_zeros(len(self.specs))
        taken: list[Tensor] = []
        each = zip(self.banks, self.outputs(features), targets, known, strict=True)
        for bank, outputs, wanted, labelled in each:
            weights = (folds & labelled) * bank.balance.weights(rows)
            values: Tensor = bank.objective(outputs.float(), wanted, weights)
            self.mark_diverged(~torch.isfinite(values.detach()))
            taken.append(weights.sum(1) > 0)
            total = total + torch.where(taken[-1] & self.active, values, torch.zeros_like(values))
        for bank, takes in zip(self.banks, taken, strict=True):
            bank.update.copy_(self.active & takes)
        self.update.copy_(self.active & torch.stack(taken).any(0))
        return torch.where(self.update, total, torch.zeros_like(total))

    def outputs(self, features: Tensor) -> list[Tensor]:
        """(batch, stream dim) -> for each task (heads, batch, outputs); the trunk is computed once."""
        parts = [group(features) for group in self.groups()]
        return [bank.joined([part[task] for part in parts]) for task, bank in enumerate(self.banks)]

    @torch.no_grad()
    def predictions(self, features: Tensor) -> list[Tensor]:
        """For each task what :meth:`profiling.heads.bank.Bank.predictions` gives."""
        return [bank.answers(o.float()) for bank, o in zip(self.banks, self.outputs(features), strict=True)]

    def freeze(self, heads: Tensor) -> None:
        """Ends the training of some heads, all their tasks; (heads,) bool."""
        self.active &= ~heads
        self._agree()

    def mark_diverged(self, heads: Tensor) -> None:
        """Freezes active heads whose numbers are no longer finite; (heads,) bool."""
        self.diverged |= heads & self.active
        self.freeze(self.diverged)

    def skip_frozen_groups(self) -> None:
        """Stops computing groups that have no active head left."""
        for bank in self.banks:
            bank.skip_frozen_groups()

    def _agree(self) -> None:
        """A head that diverged in one task is lost in all."""
        for bank in self.banks:
            self.diverged |= bank.diverged
        self.active &= ~self.diverged
        for bank in self.banks:
            bank.diverged.copy_(self.diverged)
            bank.active.copy_(self.active)


class JointGroup(nn.Module):
    """The groups of equal heads of all tasks: (batch, stream dim) -> for each task (group, batch, outputs).

    Args:
        parts: one for each task, their trunks shared.
    """

    def __init__(self, parts: Sequence[Group]) -> None:
        super().__init__()
        self._parts = nn.ModuleList(parts)

    @property
    def parts(self) -> list[Group]:
        """One for each task."""
        return cast("list[Group]", list(self._parts))

    @property
    def members(self) -> Tensor:
        """(group,) numbers of the heads."""
        return self.parts[0].members

    def trunk_parameters(self) -> list[nn.Parameter]:
        """All but the last maps; none in a linear head."""
        last = {id(p) for part in self.parts for p in (part.weights[-1], part.biases[-1])}
        return [parameter for parameter in self.parameters() if id(parameter) not in last]

    def forward(self, features: Tensor) -> list[Tensor]:
        """(batch, stream dim) -> for each task (group, batch, outputs)."""
        if self.parts[0].idle:
            return [part.nothing(features) for part in self.parts]
        hidden = self.parts[0].trunk(features)
        return [part.outputs(hidden) for part in self.parts]


def _trunk_of(spec: HeadSpec) -> HeadSpec:
    """A spec without what its target decides."""
    return replace(
        spec, labels=("a", "b"), loss="cross_entropy", bins=0, class_weights=False, label_smoothing=0
    )


def _share(own: Group, shared: Group) -> None:
    own.scaler, own.mix = shared.scaler, shared.mix
    for level in range(len(own.weights) - 1):
        own.weights[level], own.biases[level] = shared.weights[level], shared.biases[level]
