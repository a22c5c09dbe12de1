"""A bank as a LightningModule: the summed loss, one validation score per head, and its logging.

Lightning's EarlyStopping, ModelCheckpoint and gradient clipping know one number per run and are not used;
their work is done per head in ``best.py`` and ``heads/optimizer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.evaluation.metrics import uar
from profiling.heads.bank import Bank
from profiling.heads.optimizer import BankAdamW
from profiling.heads.scaler import Mask
from profiling.training.best import Best
from profiling.training.data import Batch


class BankModule(pl.LightningModule):
    """Trains a bank until every head is frozen.

    Args:
        bank: with its statistics fitted.
        patience: epochs without a better validation score after which a head is frozen.

    Attributes:
        best: each head's best epoch, from the start of the training on.
        train_loss: mean loss over heads and steps of the last epoch, over the heads still trained.
    """

    best: Best

    def __init__(self, bank: Bank, patience: int) -> None:
        super().__init__()
        self.bank, self.patience = bank, patience
        self.train_loss = float("nan")
        self._validated: list[tuple[Tensor, Tensor, Tensor]] = []

    def configure_optimizers(self) -> BankAdamW:
        """AdamW per head."""
        return BankAdamW(self.bank)

    def on_fit_start(self) -> None:
        """The bank is on its device now."""
        self.best = Best(self.bank, self.patience)

    def on_train_epoch_start(self) -> None:
        """Starts the sums of the epoch's losses."""
        self._loss_sum = torch.zeros(len(self.bank.specs), device=self.device)
        self._steps = torch.zeros(len(self.bank.specs), device=self.device)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The sum over heads: a mean would rescale every learning rate."""
        weights = batch.folds[self.bank.folds] * self.bank.balance.weights(batch.rows)  # (heads, batch)
        losses = self.bank.losses(batch.features, batch.targets, weights)
        self._loss_sum += losses.detach()
        self._steps += self.bank.update
        return losses.sum()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collects predictions: scores such as UAR do not add up over batches."""
        predictions = self.bank.predictions(batch.features)
        self._validated.append((predictions, batch.targets, batch.folds[self.bank.folds]))

    def on_validation_epoch_end(self) -> None:
        """Scores every head, keeps the best, freezes the impatient, and ends when none is left."""
        predictions, targets, masks = (
            torch.cat(parts, dim=-1).cpu().numpy() for parts in zip(*self._validated, strict=True)
        )
        self._validated.clear()
        classes = len(self.bank.labels)
        scores = (
            head_uar(predictions, targets, masks, classes)
            if classes
            else head_mae(predictions, targets, masks)
        )
        trained = self.bank.active.clone()
        self.best.observe(self.current_epoch + 1, torch.from_numpy(scores).to(self.device))
        self._log_epoch(trained.cpu(), scores)
        if not self.bank.active.any():
            self.trainer.should_stop = True

    def _log_epoch(self, trained: Tensor, scores: NDArray[np.float64]) -> None:
        losses = (self._loss_sum / self._steps.clamp(min=1)).cpu()
        self.train_loss = float(losses[trained].mean())
        values: dict[str, float] = {}
        for index in trained.nonzero().squeeze(1).tolist():
            name = self.bank.names[index]
            values[f"train_loss/{name}"] = float(losses[index])
            values[f"val_{self.best.name}/{name}"] = float(scores[index])
        self._write(values)

    def _write(self, values: Mapping[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(dict(values), step=self.current_epoch + 1)


def head_uar(
    predicted: NDArray[np.int64], true: NDArray[np.int64], masks: Mask, classes: int
) -> NDArray[np.float64]:
    """UAR of each head over its own rows, in [0, 1].

    Args:
        predicted: (heads, rows) class numbers, -1 where there is none.
        true: (rows,) class numbers.
        masks: (heads, rows) bool.
        classes: number of classes.

    Returns:
        (heads,); NaN for a head with a row without prediction.
    """
    scores = np.full(len(predicted), np.nan)
    for head, (answers, mask) in enumerate(zip(predicted, masks, strict=True)):
        if (answers[mask] >= 0).all():
            cells = true[mask] * classes + answers[mask]
            confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
            scores[head] = uar(confusion)
    return scores


def head_mae(predicted: NDArray[np.float32], true: NDArray[np.float32], masks: Mask) -> NDArray[np.float64]:
    """Mean absolute error of each head over its own rows, in years.

    Args:
        predicted: (heads, rows) years, NaN where there is none.
        true: (rows,) years.
        masks: (heads, rows) bool.

    Returns:
        (heads,); NaN for a head with a row without prediction.
    """
    errors = abs(predicted.astype(np.float64) - true)
    return np.array([row[mask].mean() for row, mask in zip(errors, masks, strict=True)])
