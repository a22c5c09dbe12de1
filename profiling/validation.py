"""``validate``: what the types of :mod:`profiling.config` cannot say: choices, ranges, and what fits together."""

from __future__ import annotations

import math
import re
from typing import Any

from profiling.config import RunConfig, parse_layers
from profiling.errors import ConfigError, did_you_mean
from profiling.perturbations import parse_perturbations

_CHOICES: dict[str, tuple[str, ...]] = {
    "backbone.name": ("ecapa2", "native", "native_mini", "spectral_stats"),
    "backbone.engine": ("torchscript", "native", "auto"),
    "backbone.precision": ("fp32", "tf32", "fp16"),
    "store.dtype": ("float32", "float16"),
    "store.verify": ("none", "sample", "all"),
    "extract.engine": ("local", "ray"),
    "task.name": ("age", "emotion", "gender", "arousal", "valence", "dominance", "multi"),
    "task.kind": ("classification", "regression"),
    "task.children": ("keep", "drop", "child"),
    "task.scheme": ("native", "superb4", "ekman6"),
    "task.votes": ("ignore", "majority"),
    "split.kind": ("auto", "official", "random", "loso", "kfold", "session"),
    "split.group": ("speaker", "text"),
    "head.name": ("linear", "mlp", "layer_mix", "probe"),
    "head.balance": ("none", "speaker", "corpus"),
    "head.loss": ("auto", "cross_entropy", "l1", "l2", "ccc", "distribution", "ordinal"),
    "heldout.decision": ("masked", "open"),
    "matrix.labels": ("masked", "common"),
}

MULTI = "multi"  # the name of several tasks

_POSITIVE = (
    "audio.max_duration_s",
    "store.shard_bytes",
    "store.commit_every_s",
    "extract.workers",
    "extract.processes",
    "extract.batch_size",
    "extract.seconds_in_flight",
    "task.child_below_age",
    "data.batch_size",
    "trainer.max_epochs",
    "trainer.patience",
    "bank.max_bytes",
    "bank.save_every",
    "head.lr",
    "head.clip_norm",
    "head.project",
)

_SHARES = (
    "extract.max_failed",
    "split.val_fraction",
    "split.test_fraction",
    "head.dropout",
    "head.label_smoothing",
)

_SEEDS = ("seed", "head.seed", "split.seed", "data.order_seed", "backbone.native.seed")
_SEED_LIMIT = 2**32  # what every generator of random numbers here takes

_FOLDERS = ("paths.features", "paths.runs", "paths.cache")

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")

_BASELINES = ("linear", "ridge", "svm")

#: What a task reads; another column under its name would put the wrong name on every result.
_COLUMNS = {
    "age": "age_years",
    "emotion": "emotion",
    "gender": "gender",
    "arousal": "arousal",
    "valence": "valence",
    "dominance": "dominance",
}


def validate(config: RunConfig) -> None:
    """Checks every value that a type cannot.

    Raises:
        ConfigError: names the key, the value and the valid ones.
    """
    parse_layers(config.features.layers)
    parse_perturbations(config.audio.perturb)
    for key, valid in _CHOICES.items():
        value = _get(config, key)
        if value not in valid:
            raise ConfigError(f"{key}={value}: {did_you_mean(str(value), valid)}")
    _check_numbers(config)
    _check_names(config)
    _check_task(config)
    _check_split(config)
    _check_hidden(config)
    for name in config.baselines:
        if name not in _BASELINES:
            raise ConfigError(f"baselines=[{','.join(config.baselines)}]: {did_you_mean(name, _BASELINES)}")


def _check_numbers(config: RunConfig) -> None:
    for key in _POSITIVE:
        value = _get(config, key)
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{key}={value}: must be above 0, and finite")
    for key in _SHARES:
        if not 0 <= _get(config, key) < 1:
            raise ConfigError(f"{key}={_get(config, key)}: must be at least 0 and below 1")
    for key in _SEEDS:
        if not 0 <= (_get(config, key) or 0) < _SEED_LIMIT:
            raise ConfigError(f"{key}={_get(config, key)}: must be at least 0 and below {_SEED_LIMIT}")
    for key in ("head.weight_decay", "head.mixup", "head.noise", "extract.streams"):
        value = _get(config, key)
        if not (value >= 0 and math.isfinite(value)):
            raise ConfigError(f"{key}={value}: must be at least 0, and finite")


def _check_names(config: RunConfig) -> None:
    for key in _FOLDERS:
        if not _get(config, key).strip():
            raise ConfigError(f"{key} is empty; name a folder ({key}=. is the one you are in)")
    for key in ("backbone.device", "trainer.device"):
        if not _DEVICE.fullmatch(_get(config, key)):
            raise ConfigError(f"{key}={_get(config, key)}: no such device; write auto, cpu, cuda or cuda:0")
    channel = config.audio.channel
    if channel != "mix" and not channel.isdecimal():
        raise ConfigError(f"audio.channel={channel}: write mix, or a channel's number from 0")


def _check_task(config: RunConfig) -> None:
    task = config.task
    if task.column in _COLUMNS.values() and task.column != _COLUMNS.get(task.name):
        raise ConfigError(
            f"task.name={task.name} but task.column={task.column}: choose a task by task={task.name}, "
            "which sets name, column and kind"
        )
    _check_several(config)
    labels = task.labels or []
    if len(set(labels)) < len(labels):
        raise ConfigError(f"task.labels=[{','.join(labels)}]: a label is named twice")


def _check_several(config: RunConfig) -> None:
    """What one head for several tasks needs, and what it cannot be."""
    task, head = config.task, config.head
    listed = f"task.tasks=[{','.join(task.tasks)}]"
    for name in task.tasks:
        if name not in _COLUMNS:
            raise ConfigError(f"{listed}: {did_you_mean(name, _COLUMNS)}")
    if task.name != "multi":
        if task.tasks:
            raise ConfigError(f"{listed}: one head for several tasks is task=multi, this is task={task.name}")
        return
    if len(set(task.tasks)) < 2 or len(set(task.tasks)) < len(task.tasks):
        raise ConfigError(f"{listed}: task=multi needs at least two, each once: task.tasks=[gender,age]")
    refused = {
        "task.labels": task.labels is not None,
        "head=probe": head.name == "probe",
        f"head.mixup={head.mixup}": head.mixup > 0,
        "matrix.enabled": config.matrix.enabled,
    }
    for what, given in refused.items():
        if given:
            raise ConfigError(f"{what}: not with task=multi; train each task by itself")


def _check_split(config: RunConfig) -> None:
    split = config.split
    if split.protocol is not None and split.kind != "auto":
        raise ConfigError(
            f"split.protocol={split.protocol} and split.kind={split.kind}: a list is a protocol, leave one out"
        )
    if split.text_groups < 2:
        raise ConfigError(
            f"split.text_groups={split.text_groups}: texts need at least 2 turns to be kept apart"
        )
    if split.kind == "kfold" and split.folds < 2:
        raise ConfigError(f"split.folds={split.folds}: k-fold needs at least 2")
    if split.val_fraction + split.test_fraction >= 1:
        raise ConfigError(
            f"split.val_fraction={split.val_fraction} and split.test_fraction={split.test_fraction}: "
            "together they have to leave speakers to train on, so less than 1"
        )


def _check_hidden(config: RunConfig) -> None:
    hidden = config.head.hidden
    for penalty in config.head.penalties:
        if not (penalty > 0 and math.isfinite(penalty)):
            raise ConfigError(f"head.penalties: {penalty} must be above 0, and finite")
    if config.head.name == "mlp" and not hidden:
        raise ConfigError("head.hidden=[]: an MLP needs hidden widths, such as head.hidden=[256]")
    if any(width < 1 for width in hidden):
        raise ConfigError(f"head.hidden={hidden}: widths must be above 0")


def _get(config: RunConfig, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
