"""One line on stderr while heads are trained: epoch, loss, best validation score."""

from __future__ import annotations

import sys

import pytorch_lightning as pl
from tqdm import tqdm

from profiling.training.module import BankModule


class Progress(pl.Callback):
    """A bar over epochs.

    Args:
        epochs: most epochs there can be.
    """

    def __init__(self, epochs: int) -> None:
        self.bar = tqdm(total=epochs, desc="heads", unit="epoch", file=sys.stderr, leave=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows the epoch that ended."""
        if not isinstance(pl_module, BankModule):
            raise TypeError(f"the bar shows banks, this is a {type(pl_module).__name__}")
        best, active = pl_module.best, pl_module.bank.active
        shown = {"loss": f"{pl_module.train_loss:.3f}", f"best {best.name}": f"{best.leader():.3f}"}
        if len(active) > 1:
            shown["training"] = f"{int(active.sum())}/{len(active)}"
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Ends the line."""
        self.bar.close()
