"""``task=multi``: one head for several tasks over a union of corpora; rows without a task's label do not count there.

The speakers are divided once, for all tasks together. What comes out is an ordinary run folder for each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from profiling.config import RunConfig, TaskConfig
from profiling.corpora.protocol import Fold, Protocol, balance, check_fold, summarise
from profiling.corpora.reading import read_corpus
from profiling.corpora.splits import assert_no_overlap, make_protocol, speakers_of
from profiling.errors import ConfigError
from profiling.evaluation.result import Result
from profiling.features.prepare import Say, load_backbone
from profiling.features.store import Verify
from profiling.heads.bank import head_state
from profiling.heads.joint import JointBank
from profiling.provenance import write_json
from profiling.resources import conf_folder
from profiling.training.data import BankData
from profiling.training.escape import GO_ON, InterruptedTrainingError
from profiling.training.fit import FitResult, loggers
from profiling.training.joint import Answers, fit_joint, joint_data
from profiling.training.outcome import LOGS, folds_of, refuse_earlier_run
from profiling.training.precheck import check_settings, label_column, labels_of
from profiling.training.rows import RunRows, TaskRows, load_rows, row_keys, training_rows
from profiling.training.run import Stream, specs_of, targets_of, write_run
from profiling.training.score import open_run

JSON = "multi.json"


@dataclass(frozen=True)
class Task:
    """One of several tasks.

    Attributes:
        config: the run's configuration with this task alone, and the corpora that have its labels.
        rows: its rows.
    """

    config: RunConfig
    rows: RunRows

    def places(self, among: pd.DataFrame) -> NDArray[np.int64]:
        """(its rows,) their positions in a table of more rows."""
        places = pd.Series(np.arange(len(among)), index=among["utt_id"])
        found: NDArray[np.int64] = places[training_rows(self.rows).table["utt_id"]].to_numpy()
        return found


@dataclass(frozen=True)
class Union:
    """The rows of all tasks.

    Attributes:
        tasks: by name, in the order asked.
        rows: rows with a label of any task.
        protocol: the folds over ``rows``.
    """

    tasks: Mapping[str, Task]
    rows: TaskRows
    protocol: Protocol


def train_several(config: RunConfig, folder: Path, say: Say) -> dict[str, Result]:
    """Trains one head for several tasks and opens test and held-out data of each.

    Args:
        config: ``task.tasks`` are the tasks.
        folder: gets ``logs/``, an ordinary run folder for each task, and ``multi.json``.
        say: where lines for the person go.

    Returns:
        Task -> the content of its ``metrics.json``.

    Raises:
        ConfigError: no corpus has a task's labels, or a folder with a run.
        SplitError: a protocol that cannot be kept for every task.
        InterruptedTrainingError: Ctrl-C; the folder then holds no result.
    """
    for name in config.task.tasks:
        refuse_earlier_run(folder / name)
    union = _divided(config, _load(config, say), say)
    streams = {name: _stream(union, task, say) for name, task in union.tasks.items()}
    specs = {name: specs_of(task.config, streams[name]) for name, task in union.tasks.items()}
    bank = JointBank(specs, next(iter(streams.values())).columns)
    answers = _answers(union, streams)
    fits = fit_joint(
        bank, _data(config, union, answers), answers, config.trainer, loggers(config.trainer, folder / LOGS)
    )
    results: dict[str, Result] = {}
    for own, (name, fit) in zip(bank.banks, fits.items(), strict=True):
        if fit.status == "interrupted":
            raise InterruptedTrainingError(f"interrupted in epoch {fit.epochs}: {GO_ON}")
        heads = [(own.specs[i], head_state(own, i)) for i in range(len(own.specs))]
        write_run(folder / name, union.tasks[name].config, streams[name], heads, fit)
    for name, task in union.tasks.items():
        results[name] = open_run(folder / name, task.rows)
    write_json(folder / JSON, _document(results, fits))  # last: a folder with it holds a whole result
    return results


def task_configs(config: RunConfig) -> dict[str, RunConfig]:
    """Each of ``task.tasks`` as the configuration of a run of its own, by the shipped name, column and kind."""
    return {name: replace(config, task=_task(config.task, name)) for name in config.task.tasks}


def _task(shared: TaskConfig, name: str) -> TaskConfig:
    shipped = yaml.safe_load((conf_folder() / "task" / f"{name}.yaml").read_text(encoding="utf-8"))
    return replace(shared, **{"unit": "", **shipped})


def _load(config: RunConfig, say: Say) -> dict[str, Task]:
    """The rows of every task, from the corpora that have its labels."""
    for own in task_configs(config).values():
        check_settings(own)
    tables = {
        spec: read_corpus(spec, vars(config.paths), config.corpus.drop_labels)
        for spec in [*config.corpus.train, *config.corpus.heldout]
    }
    wanted = {name: _with_labels(own, tables, say) for name, own in task_configs(config).items()}
    backbone = load_backbone(config, say)
    return {name: Task(own, load_rows(own, say, backbone)) for name, own in wanted.items()}


def _with_labels(config: RunConfig, tables: Mapping[str, pd.DataFrame], say: Say) -> RunConfig:
    """Leaves out the corpora that have no label of the task, and says so."""
    column, name = config.task.column, config.task.name
    train, heldout = (
        [spec for spec in specs if tables[spec][column].notna().any()]
        for specs in (config.corpus.train, config.corpus.heldout)
    )
    if not train:
        raise ConfigError(f"task.tasks: no training corpus has {column}; leave {name} out of task.tasks")
    without = [spec for spec in tables if spec not in (*train, *heldout)]
    if without:
        say(f"{name}: no {column} in {', '.join(without)}")
    return replace(config, corpus=replace(config.corpus, train=train, heldout=heldout))


def _divided(config: RunConfig, tasks: Mapping[str, Task], say: Say) -> Union:
    """Puts the rows of all tasks together and divides their speakers once."""
    tables = [training_rows(task.rows).table for task in tasks.values()]
    table = pd.concat(tables, ignore_index=True).drop_duplicates("utt_id", ignore_index=True)
    for task in tasks.values():
        for held in task.rows.heldout.values():
            assert_no_overlap(table, held.table)
    some = next(iter(tasks.values())).rows
    verify = cast(Verify, config.store.verify)  # validated
    view = some.store.view(row_keys(table), some.layers, verify=verify)
    rows = TaskRows(table, view, len(table), 0, {}, training_rows(some).manifest_sha256)
    protocol = make_protocol(_stratified(table, tasks), config.split, "label")
    for line in [f"{' and '.join(tasks)}: {len(table)} rows, divided once", *protocol.notes]:
        say(line)
    return Union(tasks, rows, protocol)


def _stratified(table: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """The rows with a class that says the label in every task, or whether there is a number: parts have all of them."""
    marks = np.full((len(table), len(tasks)), "-", dtype=object)
    for number, task in enumerate(tasks.values()):
        own = training_rows(task.rows)
        known = own.answers if own.answers.dtype == object else f"{task.config.task.name} known"
        marks[task.places(table), number] = known
    label = [" | ".join(map(str, row)) for row in marks]
    return table.drop(columns=["label", "target"], errors="ignore").assign(label=label)


def _stream(union: Union, task: Task, say: Say) -> Stream:
    """The task's own rows under the folds of all."""
    table, places = training_rows(task.rows).table, task.places(union.rows.table)
    labels = labels_of(task.config.task, table)
    column = label_column(task.config.task)
    classes = list(table[column]) if labels else None
    speakers = speakers_of(table, task.config.split)

    def own(fold: Fold) -> Fold:
        found = Fold(fold.name, fold.train[places], fold.val[places], fold.test[places])
        return check_fold(found, speakers, classes)

    everyone = union.protocol
    folds = tuple(own(fold) for fold in everyone.folds)
    final = folds[0] if everyone.final is everyone.folds[0] else own(everyone.final)
    summary = summarise([*folds, final][: len(folds) + (final is not folds[0])], table, speakers, column)
    protocol = replace(everyone, folds=folds, final=final, summary=summary)
    say(f"{task.config.task.name}: {len(table)} rows")
    for line in balance(protocol, table):
        say(line)
    if dropped := training_rows(task.rows).dropped:
        say("  left out: " + ", ".join(f"{reason} {count}" for reason, count in dropped.items()))
    return Stream(task.rows, protocol, labels)


def _answers(union: Union, streams: Mapping[str, Stream]) -> Answers:
    """Every task's targets among the rows of all; 0 where it has none."""
    count = len(union.rows.table)
    known = np.zeros((len(streams), count), dtype=np.bool_)
    targets: dict[str, NDArray[Any]] = {}
    for number, (name, stream) in enumerate(streams.items()):
        own, places = targets_of(stream.train, stream.labels), union.tasks[name].places(union.rows.table)
        targets[name] = np.zeros(count, dtype=own.dtype)
        targets[name][places], known[number, places] = own, True
    return Answers(targets, known)


def _data(config: RunConfig, union: Union, answers: Answers) -> BankData:
    folds = folds_of(union.protocol)
    train, val = (np.stack([fold.parts()[part] for fold in folds]) for part in ("train", "val"))
    return joint_data(union.rows.view, answers, train, val, config.data, union.rows.groups)


def _document(results: Mapping[str, Result], fits: Mapping[str, FitResult]) -> dict[str, Any]:
    """The content of ``multi.json``."""
    return {
        "tasks": {
            name: {"folder": name, "score_name": fits[name].score, "scores": result["scores"]}
            for name, result in results.items()
        },
        "epochs": next(iter(fits.values())).epochs,
    }
