"""The stream of batches every head of a bank sees: index selections from placed features, no workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.config import DataConfig
from profiling.errors import SplitError
from profiling.heads.scaler import Mask, Source
from profiling.training.placement import Placed

_VAL_ROWS = 1024  # in one validation batch


class Batch(NamedTuple):
    """Rows of one step.

    Attributes:
        features: (batch, dim) float32.
        targets: (batch,) class numbers (int64) or years (float32).
        folds: (folds, batch) bool, which folds train (or validate) on a row.
        rows: (batch,) int64 positions of the rows.
    """

    features: Tensor
    targets: Tensor
    folds: Tensor
    rows: Tensor


class Batches:
    """Cuts rows into batches; asks for the order anew whenever it is iterated.

    Args:
        size: rows in a batch; the last one may be shorter.
        count: rows in all.
        order: gives (count,) positions.
        cut: (n,) positions -> batch.
    """

    def __init__(
        self,
        size: int,
        count: int,
        order: Callable[[], NDArray[np.int64]],
        cut: Callable[[NDArray[np.int64]], Batch],
    ) -> None:
        self.size, self.count, self.order, self.cut = size, count, order, cut

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def __iter__(self) -> Iterator[Batch]:
        rows = self.order()
        for start in range(0, len(rows), self.size):
            yield self.cut(rows[start : start + self.size])


class BankData:
    """Features, targets and folds of a bank.

    One epoch is one permutation, by ``data.order_seed`` and the number of the epoch alone, of all rows that
    any fold trains on; validation goes over all rows that any fold validates on. A head of one fold therefore
    sees the same stream alone and in a bank, as long as the fold masks are the same.

    Args:
        source: feature rows.
        targets: (rows,) class numbers or years; rows outside all folds may hold anything.
        train: (folds, rows) bool.
        val: (folds, rows) bool.
        config: ``data.*``.
        groups: ``speaker`` and ``corpus`` -> (rows,) number of each row's, for heads that balance them.

    Raises:
        SplitError: a fold without train or validation rows, or with a row in both.
        ValueError: shapes that do not agree, or a target in use that is missing.
    """

    def __init__(
        self,
        source: Source,
        targets: NDArray[Any],
        train: Mask,
        val: Mask,
        config: DataConfig,
        groups: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> None:
        self.groups = dict(groups or {})
        self.source, self.targets, self.train, self.val, self.config = source, targets, train, val, config
        _check_folds(targets, train, val)
        self.train_rows, self.val_rows = (np.flatnonzero(mask.any(0)) for mask in (train, val))
        self.device = torch.device("cpu")  # of the placed features
        self._epoch: Callable[[], int] = lambda: 0

    @contextmanager
    def placed(self, device: torch.device, epoch: Callable[[], int]) -> Iterator[None]:
        """Features on a device, or near it, for as long as a training lasts.

        Args:
            device: where batches are wanted.
            epoch: number of the epoch that is trained; every one has an order of its own.
        """
        self.device, self._epoch = device, epoch
        self.setup()
        try:
            yield
        finally:
            self.teardown()

    def setup(self, stage: str = "fit") -> None:
        """Places the features."""
        used = np.union1d(self.train_rows, self.val_rows)
        self._placed = Placed(self.source, used, self.device)
        kind = torch.int64 if np.issubdtype(self.targets.dtype, np.integer) else torch.float32
        self._targets = torch.as_tensor(self.targets).to(self.device, kind)
        self._train, self._val = (torch.from_numpy(mask).to(self.device) for mask in (self.train, self.val))

    def teardown(self, stage: str = "fit") -> None:
        """Lets go of the placed features."""
        del self._placed, self._targets, self._train, self._val

    def train_dataloader(self) -> Batches:
        """The stream of the current epoch."""
        return Batches(self.config.batch_size, len(self.train_rows), self._shuffled, self._train_batch)

    def val_dataloader(self) -> Batches:
        """All validation rows, in their order."""
        return Batches(_VAL_ROWS, len(self.val_rows), lambda: self.val_rows, self._val_batch)

    def _shuffled(self) -> NDArray[np.int64]:
        generator = np.random.default_rng([self.config.order_seed, self._epoch()])
        return generator.permutation(self.train_rows)

    def _train_batch(self, rows: NDArray[np.int64]) -> Batch:
        return self._cut(rows, self._train)

    def _val_batch(self, rows: NDArray[np.int64]) -> Batch:
        return self._cut(rows, self._val)

    def _cut(self, rows: NDArray[np.int64], folds: Tensor) -> Batch:
        index = torch.from_numpy(rows).to(self.device)
        return Batch(self._placed.take(rows), self._targets[index], folds[:, index], index)


def _check_folds(targets: NDArray[Any], train: Mask, val: Mask) -> None:
    if train.shape != val.shape or train.shape[1:] != targets.shape:
        raise ValueError(f"train {train.shape}, val {val.shape} and targets {targets.shape} do not agree")
    for fold, (trained, validated) in enumerate(zip(train, val, strict=True)):
        if not trained.any() or not validated.any():
            counts = f"{int(trained.sum())} train and {int(validated.sum())} validation rows"
            raise SplitError(f"fold {fold} has {counts}; both are needed, check the split")
        if both := int((trained & validated).sum()):
            raise SplitError(f"fold {fold} trains and validates on the same {both} row(s)")
    used = targets[(train | val).any(0)]
    missing = used < 0 if np.issubdtype(used.dtype, np.integer) else ~np.isfinite(used)
    if missing.any():
        raise ValueError(f"{int(missing.sum())} of {len(used)} rows in use have no target")
