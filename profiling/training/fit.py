"""Trains a bank with a quiet Lightning trainer and says how each head ended."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from profiling.config import TrainerConfig
from profiling.errors import ConfigError
from profiling.heads.bank import Bank
from profiling.training.best import SCORES, Best
from profiling.training.data import BankData
from profiling.training.interruption import Interruption
from profiling.training.module import BankModule
from profiling.training.probes import Probe, fit_probes, log_paths
from profiling.training.progress import Progress
from profiling.training.quiet import quiet_lightning


@dataclass(frozen=True)
class HeadResult:
    """How one head ended.

    Attributes:
        name: the head's name in the bank.
        status: ``finished`` (all epochs), ``stopped`` (patience), ``diverged`` or ``interrupted``.
        best_score: validation score of the parameters the head has now; None where it never had one.
        best_epoch: the epoch they are from, from 1; None where there was no score.
        epochs: epochs with a validation score in which it was trained; 0 for a probe.
        penalty: a probe's, chosen on validation rows; None for other heads.
    """

    name: str
    status: str
    best_score: float | None
    best_epoch: int | None
    epochs: int
    penalty: float | None = None


@dataclass(frozen=True)
class FitResult:
    """How the training of a bank ended.

    Attributes:
        status: ``finished`` or ``interrupted``.
        score: name of the validation score, ``uar`` or ``mae``.
        epochs: epochs that were begun.
        seconds: wall-clock time.
        heads: in the order of the bank.
    """

    status: str
    score: str
    epochs: int
    seconds: float
    heads: tuple[HeadResult, ...]


def fit_bank(
    bank: Bank,
    data: BankData,
    config: TrainerConfig,
    logs: Sequence[Logger],
    callbacks: Sequence[pl.Callback] = (),
    *,
    force_progress: bool = False,
) -> FitResult:
    """Fits statistics on train rows, trains, and leaves every head at its best validated epoch.

    The bank is on the CPU and in evaluation mode afterwards.

    Args:
        bank: changed in place.
        data: features, targets and folds.
        config: ``trainer.*``.
        logs: where the curves go, see :func:`loggers`.
        callbacks: Lightning's, beyond our own.
        force_progress: show the bar even where stderr is no terminal.

    Raises:
        ConfigError: a device that is not here.
        SplitError: train rows that teach nothing.
        KeyboardInterrupt: a second SIGINT; the first one ends with status ``interrupted``.
    """
    started = time.monotonic()
    device = training_device(config.device)
    bank.fit_statistics(data.source, data.targets, data.train, data.groups)
    probes = fit_probes(bank, data)
    if probes:
        log_paths(list(probes.values()), SCORES[bank.kind][0], logs)
    if not bank.active.any():  # nothing is left for gradient steps
        return _solved(bank.eval(), probes, time.monotonic() - started)
    module = BankModule(bank, config.patience)
    epochs, interrupted = run_trainer(
        module, data, config, device, logs, callbacks, force_progress=force_progress
    )
    module.best.restore()
    bank.cpu().eval()
    result = fit_result(module.best, epochs, interrupted, time.monotonic() - started)
    heads = [_probe_result(probes[i]) if i in probes else head for i, head in enumerate(result.heads)]
    return replace(result, heads=tuple(heads))


def run_trainer(
    module: BankModule,
    data: BankData,
    config: TrainerConfig,
    device: torch.device,
    logs: Sequence[Logger],
    callbacks: Sequence[pl.Callback] = (),
    *,
    force_progress: bool = False,
) -> tuple[int, bool]:
    """Trains quietly, with a bar on a terminal; epochs that were begun, and whether Ctrl-C ended it."""
    bar = config.progress and (force_progress or sys.stderr.isatty())
    progress = Progress(config.max_epochs) if bar else None
    data.device = device
    interruption = Interruption()
    with interruption, quiet_lightning(), deterministic(), closing(progress) if progress else nullcontext():
        own = [interruption, *([progress] if progress else [])]
        trainer = build_trainer(config, device, logs, [*callbacks, *own])
        trainer.fit(module, datamodule=data)
    return trainer.current_epoch, interruption.requested


def build_trainer(
    config: TrainerConfig, device: torch.device, logs: Sequence[Logger], callbacks: list[pl.Callback]
) -> pl.Trainer:
    """A trainer that trains and validates, and nothing else."""
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1 if device.index is None else [device.index],
        max_epochs=config.max_epochs,
        logger=list(logs),
        callbacks=callbacks,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic=True,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def loggers(config: TrainerConfig, folder: Path) -> list[Logger]:
    """CSV always, TensorBoard if asked; curves of an earlier fit in the same folder are replaced."""
    for old in (*folder.glob("csv/metrics.csv"), *folder.glob("tensorboard/events.out.tfevents.*")):
        old.unlink()
    logs: list[Logger] = [CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=1)]
    if config.tensorboard:
        logs.append(TensorBoardLogger(folder, name="", version="tensorboard"))
    return logs


def training_device(asked: str) -> torch.device:
    """``auto | cpu | cuda | cuda:N`` as a device that is here.

    Raises:
        ConfigError: an unknown name, or no such device.
    """
    count = torch.cuda.device_count()
    if asked == "auto":
        return torch.device("cuda" if count else "cpu")
    valid = ["cpu", "cuda"] + [f"cuda:{index}" for index in range(count)]
    if asked not in valid or (asked == "cuda" and not count):
        raise ConfigError(f"trainer.device={asked}: not here; {count} CUDA device(s) found, cpu always works")
    return torch.device(asked)


def fit_result(best: Best, epochs: int, interrupted: bool, seconds: float) -> FitResult:
    """Reads the end of a training from its tensors."""
    heads = []
    for index, name in enumerate(best.bank.names):
        score, epoch = float(best.score[index]), int(best.epoch[index])
        known = not math.isnan(score)
        status = _status(best, index, interrupted)
        heads.append(
            HeadResult(
                name, status, score if known else None, epoch if known else None, int(best.epochs[index])
            )
        )
    status = "interrupted" if interrupted else "finished"
    return FitResult(status, best.name, epochs, seconds, tuple(heads))


def _solved(bank: Bank, probes: Mapping[int, Probe], seconds: float) -> FitResult:
    heads = tuple(_probe_result(probes[index]) for index in range(len(bank.specs)))
    return FitResult("finished", SCORES[bank.kind][0], 0, seconds, heads)


def _probe_result(probe: Probe) -> HeadResult:
    return HeadResult(probe.name, "finished", probe.score, None, 0, probe.penalty)


@contextmanager
def deterministic() -> Iterator[None]:
    """Takes back the process-wide switch that a deterministic trainer turns on."""
    before = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _status(best: Best, index: int, interrupted: bool) -> str:
    if best.bank.diverged[index]:
        return "diverged"
    if not best.bank.active[index]:
        return "stopped"
    return "interrupted" if interrupted else "finished"
