"""One run: rows, protocol, a bank of one head per fold, validation scores. Test and held-out stay closed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from profiling.bundle import ProfilerSpec, Seen, write_bundle
from profiling.config import RunConfig
from profiling.corpora.protocol import Fold, Protocol, balance
from profiling.corpora.splits import make_protocol
from profiling.features.prepare import Say
from profiling.heads.bank import Bank, head_state
from profiling.heads.spec import HeadSpec, head_spec
from profiling.provenance import atomic_write, write_json
from profiling.training.data import BankData
from profiling.training.describe import own_facts, profiler_facts, run_signature
from profiling.training.escape import GO_ON, InterruptedTrainingError
from profiling.training.fit import FitResult, fit_bank, loggers
from profiling.training.outcome import (
    LOGS,
    ROWS,
    VALIDATION,
    folds_of,
    head_folder,
    rows_with_parts,
    write_config,
)
from profiling.training.precheck import label_column, labels_of
from profiling.training.rows import RunRows, TaskRows, layers_of, training_rows

Heads = Sequence[tuple[HeadSpec, Mapping[str, Tensor]]]

#: Protocol -> how it is said to people.
_SPLITS = {
    "official": "official",
    "random": "random speakers",
    "loso": "leave one speaker out (loso)",
    "kfold": "k-fold over speakers",
    "session": "leave one session out",
}


@dataclass(frozen=True)
class Stream:
    """What the heads of a bank have in common: the rows, their answers, and who trains on which.

    Attributes:
        rows: backbone, store and rows; ``rows.layers`` are the columns that come in.
        protocol: the folds over the training rows.
        labels: the classes in the order of the outputs; empty for regression.
    """

    rows: RunRows
    protocol: Protocol
    labels: list[str]

    @property
    def train(self) -> TaskRows:
        """The rows of the training corpora."""
        return training_rows(self.rows)

    @property
    def folds(self) -> list[Fold]:
        """Every fold that gets a head, the final one last."""
        return folds_of(self.protocol)

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """(layer, dim) in the order of the columns."""
        return tuple((layer, self.rows.backbone.layers[layer]) for layer in self.rows.layers)


def open_stream(config: RunConfig, rows: RunRows, say: Say) -> Stream:
    """Divides the rows into folds and says so; held-out rows are not looked at.

    Raises:
        SplitError: a protocol that cannot be kept.
    """
    train = training_rows(rows)
    protocol = make_protocol(train.table, config.split, label_column(config.task))
    labels = labels_of(config.task, train.table)
    for line in [_protocol_line(protocol, train), *protocol.notes, *balance(protocol, train.table)]:
        say(line)
    if train.dropped:
        say("left out: " + ", ".join(f"{reason} {count}" for reason, count in train.dropped.items()))
    return Stream(rows, protocol, labels)


def train_run(config: RunConfig, rows: RunRows, folder: Path, say: Say) -> dict[str, Any]:
    """Trains the heads of one configuration and writes them with their validation scores.

    Args:
        config: the configuration.
        rows: its rows; only ``rows.train`` is looked at.
        folder: the run folder.
        say: where lines for the person go.

    Returns:
        The content of ``validation.json``.

    Raises:
        SplitError: a protocol that cannot be kept.
        InterruptedTrainingError: Ctrl-C; the folder then holds no result.
    """
    stream = open_stream(config, rows, say)
    bank = Bank(specs_of(config, stream), stream.columns)
    logs = loggers(config.trainer, folder / LOGS, steps=any(not spec.penalties for spec in bank.specs))
    fit = fit_bank(bank, bank_data(config, stream), config.trainer, logs)
    if fit.status == "interrupted":
        raise InterruptedTrainingError(f"interrupted in epoch {fit.epochs}: {GO_ON}")
    heads = [(bank.specs[i], head_state(bank, i)) for i in range(len(bank.specs))]
    return write_run(folder, config, stream, heads, fit)


def write_run(
    folder: Path,
    config: RunConfig,
    stream: Stream,
    heads: Heads,
    fit: FitResult,
) -> dict[str, Any]:
    """Writes a trained run, ``validation.json`` last.

    Args:
        folder: the run folder.
        config: the resolved configuration.
        stream: what it was trained on.
        heads: spec and tensors of the head of every fold, in the order of ``stream.folds``.
        fit: how their training ended.

    Returns:
        The content of ``validation.json``.
    """
    writing = Writing(config, stream)
    writing.heads(folder, config, stream, heads)
    return writing.validation(folder, config, stream, fit)


class Writing:
    """Writes runs over one stream; what they have in common is worked out once.

    Args:
        config: of any of the runs.
        stream: theirs, but for the layers.
    """

    def __init__(self, config: RunConfig, stream: Stream) -> None:
        table = stream.train.table
        self.stream = stream
        self._rows = rows_with_parts(table, stream.folds)
        self._seen = Seen.of(table["speaker_id"].dropna().unique(), table["audio_sha256"])
        self._facts = profiler_facts(config, stream.rows, stream.protocol, stream.labels)

    def heads(self, folder: Path, config: RunConfig, stream: Stream, heads: Heads) -> None:
        """Writes configuration, rows and heads of a run.

        Args:
            folder: its run folder.
            config: its configuration.
            stream: with the run's own layers.
            heads: spec and tensors of the head of every fold, in the order of ``stream.folds``.
        """
        write_config(folder, config)
        atomic_write(folder / ROWS, self._rows)
        facts = own_facts(self._facts, config, stream.rows)
        for fold, (spec, state) in zip(stream.folds, heads, strict=True):
            profiler = ProfilerSpec(head=spec, **facts)
            write_bundle(head_folder(folder, fold.name), profiler, state, self._seen)

    def validation(self, folder: Path, config: RunConfig, stream: Stream, fit: FitResult) -> dict[str, Any]:
        """Writes ``validation.json`` and returns it; last, so that a folder with it holds a whole trained run."""
        validation = validation_of(config, stream, fit)
        write_json(folder / VALIDATION, validation)
        return validation


def validation_of(config: RunConfig, stream: Stream, fit: FitResult) -> dict[str, Any]:
    """The content of ``validation.json``."""
    heads = zip(fit.heads, stream.folds, strict=True)
    return {
        "task": config.task.name,
        "score_name": fit.score,
        "score": mean_score(fit),
        "status": "diverged" if diverged(fit) else "finished",
        "heads": [asdict(head) | {"fold": fold.name} for head, fold in heads],
        "epochs": fit.epochs,
        "signature": run_signature(config, stream.rows),
    }


def specs_of(config: RunConfig, stream: Stream) -> list[HeadSpec]:
    """One head per fold, alike but for the fold; its layers are among the stream's."""
    chosen = layers_of(config, stream.rows.backbone)
    layers = [(layer, dim) for layer, dim in stream.columns if layer in chosen]
    task = config.task.name
    return [head_spec(config.head, layers, stream.labels, f, task) for f in range(len(stream.folds))]


def diverged(fit: FitResult) -> bool:
    """Whether any head did: then the run has no result, however good an epoch before was."""
    return any(head.status == "diverged" for head in fit.heads)


def mean_score(fit: FitResult) -> float | None:
    """Mean validation score over the heads; None where one diverged."""
    scores = [head.best_score for head in fit.heads]
    known = [score for score in scores if score is not None]
    return None if diverged(fit) or len(known) < len(scores) else float(np.mean(known))


def bank_data(config: RunConfig, stream: Stream) -> BankData:
    """Features, targets and fold masks of a bank over the stream."""
    masks = {part: np.stack([fold.parts()[part] for fold in stream.folds]) for part in ("train", "val")}
    train = stream.train
    targets = targets_of(train, stream.labels)
    return BankData(train.view, targets, masks["train"], masks["val"], config.data, train.groups)


def targets_of(train: TaskRows, labels: list[str]) -> NDArray[Any]:
    """(rows,) class numbers (int64) or numbers (float32)."""
    if not labels:
        return train.answers.astype(np.float32)
    number = {label: index for index, label in enumerate(labels)}
    return np.array([number[label] for label in train.answers], dtype=np.int64)


def _protocol_line(protocol: Protocol, train: TaskRows) -> str:
    speakers = train.table["speaker_id"].nunique() or "unknown"
    folds = f", {len(protocol.folds)} folds" if len(protocol.folds) > 1 else ""
    independent = str(protocol.speaker_independent).lower()
    how = _SPLITS.get(protocol.kind, f"the list {protocol.kind}")
    return (
        f"{len(train.table)} utterances of {speakers} speakers; split: {how}{folds}; "
        f"speaker_independent: {independent}"
    )
