"""What a run leaves behind while it goes: a checkpoint to resume from, snapshots, a log. All atomic."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from profiling.backbones.checkpoint import save_weights
from profiling.pretraining.config import PretrainConfig
from profiling.pretraining.data import Batch
from profiling.pretraining.module import Pretraining
from profiling.pretraining.norms import folded
from profiling.provenance import fsync_folder, publish

LAST = "last.ckpt"
LOG = "log.jsonl"


class Checkpoints(pl.Callback):
    """Writes ``last.ckpt``, ``step-000200.safetensors`` and ``log.jsonl`` into a folder."""

    def __init__(self, folder: Path, config: PretrainConfig) -> None:
        self.folder = folder
        self.config = config
        self._sums: dict[str, float] = {}
        self._count = 0
        self._audio_s = 0.0
        self._since = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Counts, and writes what is due."""
        step = trainer.global_step
        self._add(trainer, batch)
        if step % self.config.log_every == 0:
            self._log(trainer, step)
        last = step >= trainer.max_steps
        if step % self.config.snapshot_every == 0 or last:
            self._snapshot(pl_module, step)
        if step % self.config.checkpoint_every == 0 or last:
            self._checkpoint(trainer)

    def _add(self, trainer: pl.Trainer, batch: Batch) -> None:
        for name, value in trainer.callback_metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += 1
        self._audio_s += batch.waveforms.numel() / 16_000

    def _log(self, trainer: pl.Trainer, step: int) -> None:
        spent = time.perf_counter() - self._since
        row = {name: round(total / self._count, 4) for name, total in self._sums.items()}
        row |= {"step": step, "lr": max(group["lr"] for group in trainer.optimizers[0].param_groups)}
        row |= {"step_s": round(spent / self._count, 3), "audio_s_per_s": round(self._audio_s / spent, 1)}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._sums, self._count, self._audio_s, self._since = {}, 0, 0.0, time.perf_counter()

    def _snapshot(self, module: pl.LightningModule, step: int) -> None:
        if not isinstance(module, Pretraining):
            raise TypeError(f"Checkpoints follows Pretraining, not {type(module).__name__}")
        path = self.folder / f"step-{step:06d}.safetensors"
        save_weights(
            folded(module.net), path, {"step": step, "of": self.config.steps, "seed": self.config.seed}
        )

    def _checkpoint(self, trainer: pl.Trainer) -> None:
        temporary = self.folder / f".{LAST}.{os.getpid()}.tmp"
        trainer.save_checkpoint(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        publish(temporary, self.folder / LAST)
        fsync_folder(self.folder)
