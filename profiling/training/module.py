"""A bank as a LightningModule: the summed loss, one validation score per head, and its logging.

Lightning's EarlyStopping, ModelCheckpoint and gradient clipping know one number per run and are not used;
their work is done per head in ``best.py`` and ``heads/optimizer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.heads.bank import Bank
from profiling.heads.optimizer import BankAdamW
from profiling.training.best import Best
from profiling.training.curves import Log
from profiling.training.data import Batch
from profiling.training.head_scores import head_mae, head_uar


class BankModule(pl.LightningModule):
    """Trains a bank until every head is frozen.

    Args:
        bank: with its statistics fitted.
        patience: epochs without a better validation score after which a head is frozen.
        logs: where the curves go; Lightning's own loggers would be imported by runs that train nothing with it.

    Attributes:
        best: each head's best epoch, from the start of the training on.
        train_loss: mean loss over heads and steps of the last epoch, over the heads still trained.
    """

    best: Best

    def __init__(self, bank: Bank, patience: int, logs: Sequence[Log] = ()) -> None:
        super().__init__()
        self.bank, self.patience, self.logs = bank, patience, logs
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
        for log in self.logs:
            log.log_metrics(values, step=self.current_epoch + 1)
