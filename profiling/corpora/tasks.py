"""The rows of a task: those of a manifest that have its label, with everything left out counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
import pandas as pd

from profiling.config import TaskConfig
from profiling.corpora.labelling import drops_of
from profiling.corpora.manifest import shown
from profiling.errors import ConfigError, LabelError, ManifestError, UnlabelledError, did_you_mean
from profiling.labels import EMOTION_SCHEMES
from profiling.scales import DIMENSIONS
from profiling.votes import majority, parse_votes

CHILD = "child"
LABEL_COLUMNS = ("age_years", "emotion", "gender", *DIMENSIONS)
NO_MAJORITY = "no majority of votes"


def task_rows(table: pd.DataFrame, task: TaskConfig, drop_labels: Collection[str] = ()) -> pd.DataFrame:
    """Keeps the rows that have the task's label.

    Args:
        table: a manifest.
        task: column, kind, labels, emotion scheme and what to do with children.
        drop_labels: ``corpus.drop_labels``: ``word`` or ``column:word``.

    Returns:
        The manifest's columns and ``label`` (str) for classification or ``target`` (float64) for regression,
        in the manifest's order. ``attrs["dropped"]`` counts what was left out, reason -> rows.

    Raises:
        ManifestError: no such column, or no row left.
        UnlabelledError: a corpus without a single label in it.
        LabelError: a label outside ``task.labels``, with counts.
    """
    if task.column not in LABEL_COLUMNS:
        near = did_you_mean(task.column, LABEL_COLUMNS)
        raise ManifestError(f"task.column={task.column}: no label of a manifest; {near}")
    dropped: Counter[str] = Counter(table.attrs.get("dropped", {}))
    if task.column == "emotion" and task.votes == "majority":
        table = _voted(table, dropped)
    _check_labelled(table, task)
    rows = _count(table, table[task.column].notna(), f"no {task.column}", dropped)
    if task.kind == "regression":
        rows["target"] = _numbers(rows, task)
    else:
        rows = _with_labels(rows, task, drop_labels, dropped)
    if rows.empty:
        raise ManifestError(f"no row is left for {task.name}: {dict(dropped)}")
    rows = rows.reset_index(drop=True)
    rows.attrs["dropped"] = dict(dropped)
    return rows


def _voted(table: pd.DataFrame, dropped: Counter[str]) -> pd.DataFrame:
    """The word with the most votes as the emotion; a row nobody voted on keeps its label, a tie has none."""
    shares = parse_votes(table["emotion_votes"])
    voted = [
        own if votes is None else majority(votes) for own, votes in zip(table["emotion"], shares, strict=True)
    ]
    tied = [votes is not None and majority(votes) is None for votes in shares]
    return _count(
        table.assign(emotion=pd.Series(voted, index=table.index, dtype=object)),
        pd.Series([not tie for tie in tied], index=table.index),
        NO_MAJORITY,
        dropped,
    )


def _check_labelled(table: pd.DataFrame, task: TaskConfig) -> None:
    for corpus, part in table.groupby("corpus", sort=False):
        if part[task.column].isna().all():
            has = [c for c in LABEL_COLUMNS if part[c].notna().any()]
            raise UnlabelledError(
                f"corpus {corpus!r} has no {task.column} in any of its {len(part)} rows, so {task.name} "
                f"cannot be learned or scored on it; it has {', '.join(has) or 'no labels at all'}"
            )


def _count(rows: pd.DataFrame, keep: pd.Series, reason: str, dropped: Counter[str]) -> pd.DataFrame:
    left_out = int((~keep).sum())
    if left_out:
        dropped[reason] += left_out
    return rows[keep].copy()


def _numbers(rows: pd.DataFrame, task: TaskConfig) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(rows[task.column]):
        raise ConfigError(
            f"task.column={task.column} holds words; a regression needs age_years or {', '.join(DIMENSIONS)}"
        )
    return rows[task.column].astype("float64")


def _with_labels(
    rows: pd.DataFrame, task: TaskConfig, drop_labels: Collection[str], dropped: Counter[str]
) -> pd.DataFrame:
    if pd.api.types.is_numeric_dtype(rows[task.column]):
        raise ConfigError(
            f"task.column={task.column} holds numbers; a classification needs words, such as gender"
        )
    rows["label"] = rows[task.column]
    for label in sorted(drops_of(task.column, drop_labels) & set(rows["label"])):
        rows = _count(rows, rows["label"] != label, f"{task.column}:{label}", dropped)
    if task.column == "emotion":
        rows = _in_scheme(rows, task.scheme, dropped)
    if task.column == "gender":
        rows = _with_children(rows, task, dropped)
    _check_wanted(rows, task)
    return rows


def _in_scheme(rows: pd.DataFrame, scheme: str, dropped: Counter[str]) -> pd.DataFrame:
    if scheme not in EMOTION_SCHEMES:
        raise ConfigError(f"task.scheme={scheme}: {did_you_mean(scheme, EMOTION_SCHEMES)}")
    mapping = EMOTION_SCHEMES[scheme]
    for label in sorted({word for word in rows["label"] if mapping[word] is None}):
        rows = _count(rows, rows["label"] != label, f"not in {scheme}: {label}", dropped)
    return rows.assign(label=rows["label"].map(dict(mapping)).astype(object))


def _with_children(rows: pd.DataFrame, task: TaskConfig, dropped: Counter[str]) -> pd.DataFrame:
    """``keep`` leaves the labels as they are; a missing age is nobody's childhood."""
    child = (rows["age_years"] < task.child_below_age) | (rows["label"] == CHILD)
    if task.children == "drop":
        return _count(rows, ~child, f"child (below {task.child_below_age:g} years)", dropped)
    if task.children == "child":
        return rows.assign(label=np.where(child, CHILD, rows["label"]).astype(object))
    return rows


def _check_wanted(rows: pd.DataFrame, task: TaskConfig) -> None:
    if task.labels is None:
        return
    extra = Counter(label for label in rows["label"] if label not in task.labels)
    if extra:
        counts = ", ".join(f"{label!r} ({count} rows)" for label, count in extra.most_common())
        raise LabelError(
            f"{task.column} of {shown(rows['corpus'])}: not in task.labels={task.labels}: {counts}; "
            f"add them or drop their rows (corpus.drop_labels=[{','.join(extra)}])"
        )
