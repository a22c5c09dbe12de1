"""Trains one head for several tasks: labels may be missing, the epoch is chosen on the mean of the tasks' skills.

The skill of a task is 0 for the constant predictor and 1 for a perfect one: ``(UAR - 1/k) / (1 - 1/k)`` with k classes,
``1 - MAE / MAE of the train median`` for numbers. So no task outweighs another by its unit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.config import DataConfig, TrainerConfig
from profiling.errors import SplitError
from profiling.heads.bank import Bank
from profiling.heads.joint import JointBank
from profiling.heads.scaler import Mask, Source
from profiling.training.best import SCORES
from profiling.training.curves import Log, close
from profiling.training.data import BankData, Batch
from profiling.training.fit import FitResult, fit_result, training_device
from profiling.training.head_scores import head_mae, head_uar
from profiling.training.module import BankModule
from profiling.training.trainer import run_trainer


@dataclass(frozen=True)
class Answers:
    """What the rows of several tasks are to be answered with.

    Attributes:
        targets: task -> (rows,) class numbers (int64) or numbers (float32); anything where not known.
        known: (tasks, rows) bool.
    """

    targets: Mapping[str, NDArray[Any]]
    known: Mask


def joint_data(
    source: Source,
    answers: Answers,
    train: Mask,
    val: Mask,
    config: DataConfig,
    groups: Mapping[str, NDArray[np.int64]] | None = None,
) -> BankData:
    """The stream of all rows that have any label; arguments as :class:`profiling.training.data.BankData`.

    Raises:
        SplitError: a fold in which a task has no train or no validation row.
    """
    for part, masks in (("train", train), ("validation", val)):
        counts = (masks[:, None] & answers.known).sum(2)  # (folds, tasks)
        if (counts == 0).any():
            fold, task = np.argwhere(counts == 0)[0]
            raise SplitError(
                f"fold {fold}: no {part} row has a label of {list(answers.targets)[task]}; choose another "
                "split.kind or split.seed, or leave the task out of task.tasks"
            )
    nothing = np.zeros(answers.known.shape[1], dtype=np.int64)
    return BankData(source, nothing, train, val, config, groups)


class JointModule(BankModule):
    """Trains a joint bank until every head is frozen.

    Args:
        bank: with its statistics fitted.
        patience: epochs without a better mean skill after which a head is frozen.
        answers: of all rows.
        medians: (tasks, heads) median target of each head's train rows; NaN for classes.
        logs: where the curves go.

    Attributes:
        history: for each epoch (tasks, heads) validation scores.
    """

    def __init__(
        self,
        bank: JointBank,
        patience: int,
        answers: Answers,
        medians: NDArray[np.float64],
        logs: Sequence[Log] = (),
    ) -> None:
        super().__init__(cast(Bank, bank), patience, logs)  # it has what the training of a bank needs
        self.joint, self.answers, self.medians = bank, answers, medians
        self.history: list[NDArray[np.float64]] = []
        self._seen: list[tuple[list[Tensor], Tensor, Tensor]] = []

    def on_fit_start(self) -> None:
        """The bank is on its device now; the answers follow."""
        super().on_fit_start()
        values = self.answers.targets.values()
        self._targets = [torch.from_numpy(target).to(self.device) for target in values]
        self._known = torch.from_numpy(self.answers.known).to(self.device)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The sum over heads and tasks."""
        rows, folds = batch.rows, batch.folds[self.joint.folds]
        targets = [target[rows] for target in self._targets]
        losses = self.joint.losses(batch.features, targets, self._known[:, rows], rows, folds)
        self._loss_sum += losses.detach()
        self._steps += self.joint.update
        return losses.sum()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collects the predictions of all tasks."""
        folds = batch.folds[self.joint.folds]
        self._seen.append((self.joint.predictions(batch.features), batch.rows, folds))

    def on_validation_epoch_end(self) -> None:
        """Scores every head, keeps the best, freezes the impatient, and ends when none is left."""
        rows = torch.cat([rows for _, rows, _ in self._seen]).cpu().numpy()
        folds = torch.cat([folds for _, _, folds in self._seen], dim=-1).cpu().numpy()
        answers = [
            torch.cat(parts, dim=-1).cpu().numpy()
            for parts in zip(*(a for a, _, _ in self._seen), strict=True)
        ]
        self._seen.clear()
        found = [self._scored(task, answers[task], rows, folds) for task in range(len(answers))]
        self.history.append(np.stack([scores for scores, _ in found]))
        skill = np.mean([skills for _, skills in found], axis=0)
        trained = self.joint.active.clone()
        self.best.observe(self.current_epoch + 1, torch.from_numpy(skill).to(self.device))
        self._log_tasks(trained.cpu(), skill)
        if not self.joint.active.any():
            self.trainer.should_stop = True

    def _scored(
        self, task: int, answers: NDArray[Any], rows: NDArray[np.int64], folds: Mask
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(heads,) score and (heads,) skill of a task."""
        true = list(self.answers.targets.values())[task][rows]
        masks = folds & self.answers.known[task, rows]
        classes = len(self.joint.banks[task].labels)
        if classes:
            recall = head_uar(answers, true, masks, classes)
            return recall, (recall - 1 / classes) / (1 - 1 / classes)
        error = head_mae(answers, true, masks)
        constant = np.repeat(self.medians[task][:, None], len(rows), axis=1).astype(np.float32)
        return error, 1 - error / np.maximum(head_mae(constant, true, masks), np.finfo(np.float32).tiny)

    def _log_tasks(self, trained: Tensor, skill: NDArray[np.float64]) -> None:
        losses = (self._loss_sum / self._steps.clamp(min=1)).cpu()
        self.train_loss = float(losses[trained].mean())
        values: dict[str, float] = {}
        for index in trained.nonzero().squeeze(1).tolist():
            name = self.joint.names[index]
            values |= {f"train_loss/{name}": float(losses[index]), f"val_skill/{name}": float(skill[index])}
            for task, bank, scores in zip(self.joint.tasks, self.joint.banks, self.history[-1], strict=True):
                values[f"val_{SCORES[bank.kind][0]}/{task}/{name}"] = float(scores[index])
        self._write(values)


def fit_joint(
    bank: JointBank, data: BankData, answers: Answers, config: TrainerConfig, logs: Sequence[Log]
) -> dict[str, FitResult]:
    """Fits statistics on train rows, trains, and leaves every head at its best validated epoch.

    The bank is on the CPU and in evaluation mode afterwards.

    Args:
        bank: changed in place.
        data: from :func:`joint_data`.
        answers: of all its rows.
        config: ``trainer.*``.
        logs: where the curves go.

    Returns:
        Task -> how its heads ended: the task's own scores in the epoch that the mean skill chose.

    Raises:
        ConfigError: a device that is not here.
        SplitError: train rows that teach nothing.
        KeyboardInterrupt: a second SIGINT; the first one ends with status ``interrupted``.
    """
    started = time.monotonic()
    device = training_device(config.device)
    targets = list(answers.targets.values())
    bank.fit_statistics(data.source, targets, answers.known, data.train, data.groups)
    module = JointModule(bank, config.patience, answers, _medians(bank, answers, data.train), logs)
    epochs, interrupted = run_trainer(module, data, config, device)
    close(logs)
    module.best.restore()
    bank.cpu().eval()
    together = fit_result(module.best, epochs, interrupted, time.monotonic() - started)
    return {
        task: _of_task(together, own, number, module.history)
        for number, (task, own) in enumerate(zip(bank.tasks, bank.banks, strict=True))
    }


def _medians(bank: JointBank, answers: Answers, train: Mask) -> NDArray[np.float64]:
    found = np.full((len(bank.tasks), len(bank.specs)), np.nan)
    for task, (own, target) in enumerate(zip(bank.banks, answers.targets.values(), strict=True)):
        if own.kind == "regression":
            for head, spec in enumerate(own.specs):
                found[task, head] = np.median(target[train[spec.fold] & answers.known[task]])
    return found


def _of_task(together: FitResult, bank: Bank, task: int, history: Sequence[NDArray[np.float64]]) -> FitResult:
    heads = []
    for index, (name, head) in enumerate(zip(bank.names, together.heads, strict=True)):
        score = None if head.best_epoch is None else float(history[head.best_epoch - 1][task, index])
        heads.append(replace(head, name=name, best_score=score))
    return replace(together, score=SCORES[bank.kind][0], heads=tuple(heads))
