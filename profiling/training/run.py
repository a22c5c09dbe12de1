"""One run: rows, protocol, a bank of one head per fold, validation scores. Test and held-out stay closed here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.bundle import ProfilerSpec, Seen, write_bundle
from profiling.config import RunConfig
from profiling.corpora.protocol import Fold, Protocol
from profiling.corpora.splits import make_protocol
from profiling.features.prepare import Say
from profiling.heads.bank import Bank, head_state
from profiling.heads.spec import HeadSpec, head_spec
from profiling.provenance import write_json
from profiling.training.data import BankData
from profiling.training.describe import profiler_facts, run_signature
from profiling.training.escape import GO_ON, InterruptedTrainingError
from profiling.training.fit import FitResult, fit_bank
from profiling.training.outcome import VALIDATION, folds_of, head_folder, write_config, write_rows
from profiling.training.precheck import label_column, labels_of
from profiling.training.rows import RunRows, TaskRows, training_rows

#: Protocol -> how it is said to people.
_SPLITS = {
    "official": "official",
    "random": "random speakers",
    "loso": "leave one speaker out (loso)",
    "kfold": "k-fold over speakers",
}


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
    train = training_rows(rows)
    protocol = make_protocol(train.table, config.split, label_column(config.task))
    labels = labels_of(config.task, train.table)
    say(_protocol_line(protocol, train))
    if train.dropped:
        say("left out: " + ", ".join(f"{reason} {count}" for reason, count in train.dropped.items()))
    folds = folds_of(protocol)
    bank = Bank(specs_of(config, rows, labels, len(folds)), _stream(rows))
    fit = fit_bank(bank, _bank_data(config, train, folds, labels), config.trainer, folder)
    if fit.status == "interrupted":
        raise InterruptedTrainingError(f"interrupted in epoch {fit.epochs}: {GO_ON}")
    write_config(folder, config)
    write_rows(folder, train.table, folds)
    _write_heads(folder, config, rows, protocol, bank)
    validation = {
        "task": config.task.name,
        "score_name": fit.score,
        "score": mean_score(fit),
        "status": "diverged" if diverged(fit) else "finished",
        "heads": [asdict(head) | {"fold": fold.name} for head, fold in zip(fit.heads, folds, strict=True)],
        "epochs": fit.epochs,
        "signature": run_signature(config, rows),
    }
    write_json(folder / VALIDATION, validation)  # last: a folder with it holds a whole trained run
    return validation


def specs_of(config: RunConfig, rows: RunRows, labels: list[str], folds: int) -> list[HeadSpec]:
    """One head per fold, alike but for the fold."""
    return [head_spec(config.head, _stream(rows), labels, fold) for fold in range(folds)]


def diverged(fit: FitResult) -> bool:
    """Whether any head did: then the run has no result, however good an epoch before was."""
    return any(head.status == "diverged" for head in fit.heads)


def mean_score(fit: FitResult) -> float | None:
    """Mean validation score over the heads; None where one diverged."""
    scores = [head.best_score for head in fit.heads]
    known = [score for score in scores if score is not None]
    return None if diverged(fit) or len(known) < len(scores) else float(np.mean(known))


def _stream(rows: RunRows) -> tuple[tuple[str, int], ...]:
    return tuple((layer, rows.backbone.layers[layer]) for layer in rows.layers)


def _bank_data(config: RunConfig, train: TaskRows, folds: list[Fold], labels: list[str]) -> BankData:
    masks = {part: np.stack([fold.parts()[part] for fold in folds]) for part in ("train", "val")}
    return BankData(train.view, _targets(train, labels), masks["train"], masks["val"], config.data)


def _targets(train: TaskRows, labels: list[str]) -> NDArray[Any]:
    if not labels:
        return train.answers.astype(np.float32)
    number = {label: index for index, label in enumerate(labels)}
    return np.array([number[label] for label in train.answers], dtype=np.int64)


def _protocol_line(protocol: Protocol, train: TaskRows) -> str:
    speakers = train.table["speaker_id"].nunique() or "unknown"
    folds = f", {len(protocol.folds)} folds" if len(protocol.folds) > 1 else ""
    independent = str(protocol.speaker_independent).lower()
    return (
        f"{len(train.table)} utterances of {speakers} speakers; split: {_SPLITS[protocol.kind]}{folds}; "
        f"speaker_independent: {independent}"
    )


def _write_heads(folder: Path, config: RunConfig, rows: RunRows, protocol: Protocol, bank: Bank) -> None:
    train = training_rows(rows)
    seen = Seen.of(train.table["speaker_id"].dropna().unique(), train.table["audio_sha256"])
    shared = profiler_facts(config, rows, protocol, list(bank.labels))
    for index, fold in enumerate(folds_of(protocol)):
        spec = ProfilerSpec(head=bank.specs[index], **shared)
        write_bundle(head_folder(folder, fold.name), spec, head_state(bank, index), seen)
