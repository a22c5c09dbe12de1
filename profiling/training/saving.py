"""Saves a bank while Lightning trains it; apart from what is saved, so that solved heads need no Lightning."""

from __future__ import annotations

import json
from typing import Any, cast

import pytorch_lightning as pl

from profiling.features.prepare import Say
from profiling.heads.optimizer import BankAdamW
from profiling.provenance import atomic_write, read_json
from profiling.training.curves import Curves
from profiling.training.module import BankModule
from profiling.training.saved import CURVES, SavedBank, restore, save


class Saving(pl.Callback):
    """Saves a bank every few epochs and at the end, and goes on from what is saved.

    Args:
        saved: where.
        every: epochs between two saves: as many are repeated at most after a kill.
        curves: the losses and scores that go along.
        say: where a line about going on goes.

    Attributes:
        resumed_after: the epoch that was the last one saved; 0 for a new bank.
    """

    def __init__(self, saved: SavedBank, every: int, curves: Curves, say: Say) -> None:
        self.saved, self.every, self.curves, self.say = saved, every, curves, say
        self.resumed_after = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Goes on where the saved bank was; the stream of an epoch depends on its number alone."""
        if not self.saved.begun:
            return
        module = cast(BankModule, pl_module)
        epoch = restore(self.saved.folder, module, _optimizer(trainer))
        self.curves.rows = read_json(self.saved.folder / CURVES)
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = epoch
        trainer.should_stop = not bool(module.bank.active.any())
        self.resumed_after = epoch
        self.say(f"a bank of {len(self.saved.specs)} heads goes on after epoch {epoch}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves; the epoch is validated already, but Lightning counts it after this."""
        epoch, module = trainer.current_epoch + 1, cast(BankModule, pl_module)
        last = epoch == trainer.max_epochs or not bool(module.bank.active.any())
        if last or epoch % self.every == 0:
            atomic_write(self.saved.folder / CURVES, json.dumps(self.curves.rows))  # a diverged head has NaN
            save(self.saved.folder, module, _optimizer(trainer), epoch)


def _optimizer(trainer: pl.Trainer) -> BankAdamW:
    return cast(BankAdamW, trainer.optimizers[0])
