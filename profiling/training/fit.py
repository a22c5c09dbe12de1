"""Solves or trains the heads of a bank and says how each one ended; Lightning is imported where heads are trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from profiling.config import TrainerConfig
from profiling.errors import ConfigError
from profiling.heads.bank import Bank
from profiling.training.best import SCORES, Best
from profiling.training.curves import CurvesFile, Log, TensorBoardCurves, close
from profiling.training.data import BankData
from profiling.training.probes import Probe, fit_probes, log_paths

if TYPE_CHECKING:
    import pytorch_lightning as pl


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
    logs: Sequence[Log],
    callbacks: Callable[[], Sequence[pl.Callback]] = tuple,
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
        callbacks: makes Lightning's, beyond our own; called where heads are trained by gradient steps.
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
        close(logs)
        return _solved(bank.eval(), probes, time.monotonic() - started)
    from profiling.training.module import BankModule
    from profiling.training.trainer import run_trainer

    module = BankModule(bank, config.patience, logs)
    epochs, interrupted = run_trainer(
        module, data, config, device, callbacks(), force_progress=force_progress
    )
    close(logs)
    module.best.restore()
    bank.cpu().eval()
    result = fit_result(module.best, epochs, interrupted, time.monotonic() - started)
    heads = [_probe_result(probes[i]) if i in probes else head for i, head in enumerate(result.heads)]
    return replace(result, heads=tuple(heads))


def loggers(config: TrainerConfig, folder: Path, *, steps: bool = True) -> list[Log]:
    """CSV always, TensorBoard if asked; curves of an earlier fit in the same folder are replaced.

    Args:
        config: ``trainer.*``.
        folder: gets ``csv/`` and ``tensorboard/``.
        steps: some head makes gradient steps; the path of a probe's penalties is in the CSV alone.
    """
    logs: list[Log] = [CurvesFile(folder / "csv" / "metrics.csv")]
    if config.tensorboard and steps:
        logs.append(TensorBoardCurves(folder / "tensorboard"))
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


def _status(best: Best, index: int, interrupted: bool) -> str:
    if best.bank.diverged[index]:
        return "diverged"
    if not best.bank.active[index]:
        return "stopped"
    return "interrupted" if interrupted else "finished"
