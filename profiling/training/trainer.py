"""A quiet Lightning trainer for banks of heads."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext

import pytorch_lightning as pl
import torch

from profiling.config import TrainerConfig
from profiling.training.data import BankData
from profiling.training.interruption import Interruption
from profiling.training.module import BankModule
from profiling.training.progress import Progress
from profiling.training.quiet import quiet_lightning


def run_trainer(
    module: BankModule,
    data: BankData,
    config: TrainerConfig,
    device: torch.device,
    callbacks: Sequence[pl.Callback] = (),
    *,
    force_progress: bool = False,
) -> tuple[int, bool]:
    """Trains quietly, with a bar on a terminal; epochs that were begun, and whether Ctrl-C ended it."""
    bar = config.progress and (force_progress or sys.stderr.isatty())
    progress = Progress(config.max_epochs) if bar else None
    interruption = Interruption()
    with interruption, quiet_lightning(), deterministic(), closing(progress) if progress else nullcontext():
        own = [interruption, *([progress] if progress else [])]
        trainer = build_trainer(config, device, [*callbacks, *own])
        with data.placed(device, lambda: trainer.current_epoch):
            trainer.fit(module, data.train_dataloader(), data.val_dataloader())
    return trainer.current_epoch, interruption.requested


def build_trainer(config: TrainerConfig, device: torch.device, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A trainer that trains and validates, and nothing else; the module writes its curves itself."""
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1 if device.index is None else [device.index],
        max_epochs=config.max_epochs,
        logger=False,
        callbacks=callbacks,
        num_sanity_val_steps=0,
        deterministic=True,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def deterministic() -> Iterator[None]:
    """Takes back the process-wide switch that a deterministic trainer turns on."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
