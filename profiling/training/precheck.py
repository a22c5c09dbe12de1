"""What can be known to be wrong before anything is computed: extraction may take hours, these take seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from profiling.config import RunConfig, TaskConfig
from profiling.corpora.splits import assert_no_overlap, make_protocol
from profiling.corpora.tasks import task_rows
from profiling.errors import ConfigError, LabelError, SplitError, did_you_mean
from profiling.evaluation.decisions import shared_labels
from profiling.heads.spec import head_spec
from profiling.labels import EMOTIONS, GENDERS
from profiling.validation import MULTI


def check_settings(config: RunConfig) -> None:
    """Checks what needs no corpus.

    Raises:
        ConfigError: no training corpus, a part of one, a head that cannot be, or perturbed copies of nothing.
    """
    if not config.corpus.train:
        raise ConfigError("corpus.train is empty; write corpus.train=[csv:path/to/manifest.csv]")
    if config.extract.shard is not None:
        raise ConfigError(
            f"extract.shard={config.extract.shard}: heads are trained on whole corpora; the setting is for "
            "`profiling extract`, one part for each machine"
        )
    _check_robustness(config)
    if config.task.name == MULTI:
        return  # each task is checked by itself
    any_classes = ["a", "b"] if config.task.kind == "classification" else []
    head_spec(config.head, [("any", 1)], any_classes)


def _check_robustness(config: RunConfig) -> None:
    """A misspelt step is said before hours of training, not after."""
    if not config.heldout.robustness:
        return
    from profiling.training.robustness import chains

    chains(config.heldout.robustness)
    if not config.corpus.heldout and not config.matrix.enabled:
        raise ConfigError(
            "heldout.robustness scores held-out corpora again under perturbed copies, and there is none; name one: "
            "corpus.heldout=[csv:path/to/manifest.csv]"
        )


def check_tables(config: RunConfig, train: pd.DataFrame, heldout: Mapping[str, pd.DataFrame]) -> None:
    """Checks manifests: overlap, the protocol, and that every held-out corpus can be scored.

    Only the names of held-out labels are looked at.

    Raises:
        ManifestError, LabelError: a corpus without the task's labels, or a label to drop that nobody has.
        SplitError: overlap, a protocol that cannot be kept, or fewer than two shared labels.
    """
    for table in heldout.values():
        assert_no_overlap(train, table)
    drop = config.corpus.drop_labels
    check_drops(drop, [train, *heldout.values()])
    rows = task_rows(train, config.task, drop)
    make_protocol(rows, config.split, label_column(config.task))
    labels = labels_of(config.task, rows)
    for name, table in heldout.items():
        held = task_rows(table, heldout_task(config.task), drop)
        if labels:
            _check_shared(name, list(held["label"]), labels)


def check_drops(drop: Sequence[str], tables: Sequence[pd.DataFrame]) -> None:
    """Refuses a word to drop that is neither in a vocabulary nor written in any of the corpora.

    Raises:
        LabelError: names the word and the nearest labels.
    """
    written = {key.partition(":")[2] for table in tables for key in table.attrs.get("dropped", {})}
    known = {*GENDERS, *EMOTIONS}
    for word in drop:
        name = word.rpartition(":")[2]
        if name not in known | written:
            raise LabelError(
                f"corpus.drop_labels: no row of any corpus has {name!r}; {did_you_mean(name, known)}"
            )


def _check_shared(name: str, found: list[str], labels: list[str]) -> None:
    try:
        shared_labels(found, labels)
    except SplitError as error:
        raise SplitError(f"{name}: {error}") from error


def heldout_task(task: TaskConfig) -> TaskConfig:
    """A held-out corpus may have labels the head will not know; they are counted when it is scored."""
    return replace(task, labels=None)


def label_column(task: TaskConfig) -> str:
    """Where task rows have their answer."""
    return "label" if task.kind == "classification" else "target"


def labels_of(task: TaskConfig, rows: pd.DataFrame) -> list[str]:
    """The classes in the order of the outputs; empty for regression.

    Raises:
        SplitError: a label of ``task.labels`` that no training row has.
    """
    if task.kind == "regression":
        return []
    found = sorted(set(rows["label"]))
    if task.labels is None:
        return found
    absent = [label for label in task.labels if label not in found]
    if absent:
        raise SplitError(f"task.labels: no training row has {', '.join(absent)}; found {', '.join(found)}")
    return list(task.labels)
