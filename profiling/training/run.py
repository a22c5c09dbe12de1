"""One run: rows, protocol, a bank of one head per fold, validation scores. Test and held-out stay closed here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.bundle import ProfilerSpec, Seen, write_bundle
from profiling.config import RunConfig
from profiling.corpora.protocol import Fold, Protocol
from profiling.corpora.splits import make_protocol
from profiling.errors import ConfigError, ProfilingError, SplitError
from profiling.features.prepare import Say
from profiling.heads.bank import Bank, head_state
from profiling.heads.spec import HeadSpec, head_spec
from profiling.provenance import signature, write_json
from profiling.training.data import BankData
from profiling.training.describe import (
    command,
    describe_backbone,
    describe_data,
    describe_split,
    describe_task,
    provenance,
)
from profiling.training.fit import FitResult, fit_bank
from profiling.training.outcome import VALIDATION, folds_of, head_folder, write_config, write_rows
from profiling.training.rows import RunRows, TaskRows

#: The configuration's sections that change a trained head; the others say where and how fast.
_SIGNED = ("task", "split", "head", "data", "trainer")


class InterruptedTrainingError(ProfilingError):
    """Ctrl-C during training."""

    exit_code = 130


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
    column = "label" if config.task.kind == "classification" else "target"
    protocol = make_protocol(train.table, config.split, column)
    labels = labels_of(config, train)
    say(_protocol_line(protocol, train))
    folds = folds_of(protocol)
    bank = Bank(specs_of(config, rows, labels, len(folds)), _stream(rows))
    fit = fit_bank(bank, _bank_data(config, train, folds, labels), config.trainer, folder)
    if fit.status == "interrupted":
        raise InterruptedTrainingError(
            f"interrupted in epoch {fit.epochs}: no result was written; features are kept, so the same command "
            "starts the training again in seconds"
        )
    write_config(folder, config)
    write_rows(folder, train.table, folds)
    _write_heads(folder, config, rows, protocol, bank)
    validation = {
        "task": config.task.name,
        "score_name": fit.score,
        "score": mean_score(fit),
        "status": "diverged" if any(head.status == "diverged" for head in fit.heads) else "finished",
        "heads": [asdict(head) | {"fold": fold.name} for head, fold in zip(fit.heads, folds, strict=True)],
        "epochs": fit.epochs,
        "signature": run_signature(config, rows),
    }
    write_json(folder / VALIDATION, validation)  # last: a folder with it holds a whole trained run
    return validation


def training_rows(rows: RunRows) -> TaskRows:
    """The rows of the training corpora.

    Raises:
        ConfigError: no training corpus is named.
    """
    if rows.train is None:
        raise ConfigError("corpus.train is empty; write corpus.train=[csv:path/to/manifest.csv]")
    return rows.train


def labels_of(config: RunConfig, train: TaskRows) -> list[str]:
    """The classes in the order of the outputs; empty for regression.

    Raises:
        SplitError: a label of ``task.labels`` that no training row has.
    """
    if config.task.kind == "regression":
        return []
    found = sorted(set(train.table["label"]))
    if config.task.labels is None:
        return found
    absent = [label for label in config.task.labels if label not in found]
    if absent:
        raise SplitError(f"task.labels: no training row has {', '.join(absent)}; found {', '.join(found)}")
    return list(config.task.labels)


def specs_of(config: RunConfig, rows: RunRows, labels: list[str], folds: int) -> list[HeadSpec]:
    """One head per fold, alike but for the fold."""
    return [head_spec(config.head, _stream(rows), labels, fold) for fold in range(folds)]


def mean_score(fit: FitResult) -> float | None:
    """Mean validation score over the heads; None where one has none."""
    scores = [head.best_score for head in fit.heads]
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else None


def run_signature(config: RunConfig, rows: RunRows) -> str:
    """What a trained head depends on, and nothing else: names a run whatever its folder."""
    sections = {name: asdict(getattr(config, name)) for name in _SIGNED}
    for quiet in ("progress", "tensorboard", "device"):
        del sections["trainer"][quiet]
    return signature(
        {
            **sections,
            "layers": rows.layers,
            "feature_key": rows.store.key.sha256,
            "manifest": training_rows(rows).manifest_sha256,
            "drop_labels": sorted(config.corpus.drop_labels),
        }
    )


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
    speakers = train.table["speaker_id"].nunique()
    folds = f"{len(protocol.folds)} folds" if len(protocol.folds) > 1 else "one split"
    independent = str(protocol.speaker_independent).lower()
    return (
        f"{len(train.table)} utterances of {speakers} speakers, {protocol.kind}, {folds}, "
        f"speaker_independent: {independent}"
    )


def _write_heads(folder: Path, config: RunConfig, rows: RunRows, protocol: Protocol, bank: Bank) -> None:
    train = training_rows(rows)
    seen = Seen.of(train.table["speaker_id"].dropna().unique(), train.table["audio_sha256"])
    shared = profiler_facts(config, rows, protocol, list(bank.labels))
    for index, fold in enumerate(folds_of(protocol)):
        spec = ProfilerSpec(head=bank.specs[index], **shared)
        write_bundle(head_folder(folder, fold.name), spec, head_state(bank, index), seen)


def profiler_facts(config: RunConfig, rows: RunRows, protocol: Protocol, labels: list[str]) -> dict[str, Any]:
    """What every head of a run has in common, as fields of :class:`ProfilerSpec`."""
    train = training_rows(rows)
    used = {"train": train}
    data = describe_data(used, "train")
    return {
        "task": {
            **describe_task(config, labels),
            "column": config.task.column,
            "settings": asdict(config.task),
        },
        "backbone": asdict(config.backbone),
        "feature_key": rows.store.key.fields(),
        "backbone_training": rows.backbone.training,
        "audio": asdict(config.audio),
        "train": {
            "backbone": describe_backbone(rows),
            "layers": rows.layers,
            "head": asdict(config.head),
            "split": describe_split(protocol, train.table),
            "data": data,
            "signature": run_signature(config, rows),
            "answers": train_answers(train, protocol),
            "command": command(),
        },
        "licences": [f"{c['corpus']}: {c['licence']}" for c in data if c["licence"]],
        "citations": [str(c["citation"]) for c in data if c["citation"]],
        "provenance": provenance(rows.store, used),
    }


def train_answers(train: TaskRows, protocol: Protocol) -> list[list[Any]]:
    """[label or target, count] over the final head's training rows: what the constant predictor knows."""
    answers = pd.Series(train.answers[protocol.final.train]).value_counts(sort=False).sort_index()
    return [[answer, int(count)] for answer, count in answers.items()]
