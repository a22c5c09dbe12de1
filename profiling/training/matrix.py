"""Every corpus trains a head, every other corpus scores it: a matrix of ordinary runs on features computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pandas as pd

from profiling.backbones.protocol import Backbone
from profiling.config import RunConfig, TaskConfig
from profiling.corpora.reading import read_corpus
from profiling.corpora.tasks import task_rows
from profiling.errors import ConfigError, SplitError
from profiling.evaluation.compare import compare_predictions
from profiling.evaluation.comparison import Comparison, correct
from profiling.evaluation.matrix import METRICS, Cell, Matrix, cells_of, heat_map, markdown, png, shown, table
from profiling.evaluation.result import Result
from profiling.features.prepare import Say, load_backbone, prepare_features, utterances_of
from profiling.labels import EMOTION_SCHEMES
from profiling.provenance import atomic_write, write_json
from profiling.training.outcome import PREDICTIONS
from profiling.training.precheck import check_tables, heldout_task
from profiling.training.rows import layers_of, load_rows
from profiling.training.run import train_run
from profiling.training.score import open_run

RUNS = "runs"
JSON, CSV, MARKDOWN, PICTURE = "matrix.json", "matrix.csv", "matrix.md", "matrix.png"


def train_matrix(config: RunConfig, folder: Path, say: Say) -> Matrix:
    """Trains one head per corpus of ``corpus.train`` and scores each on all of them.

    Args:
        config: of every run; ``matrix.labels`` says on which labels pairs are scored.
        folder: gets ``matrix.json``, ``.csv``, ``.md``, ``.png`` and ``runs/<corpus>/``, an ordinary run each.
        say: where lines for the person go.

    Raises:
        ConfigError: fewer than two corpora, a held-out list, or two corpora in one.
        SplitError: speakers or recordings in two corpora, fewer than two labels in common.
    """
    tables = _tables(config)
    config = _with_labels(config, tables, say)
    for (
        name
    ) in tables:  # everything that can be known to be wrong is said before the first feature is computed
        own = _config_of(config, tables, name)
        check_tables(own, tables[name], {other: tables[other] for other in tables if other != name})
    backbone = load_backbone(config, say)
    utterances = [utterance for one in tables.values() for utterance in utterances_of(one)]
    prepare_features(utterances, layers_of(config, backbone), config, backbone, say)
    results = {name: _run(_config_of(config, tables, name), name, folder, backbone, say) for name in tables}
    matrix = _matrix(config, folder, results)
    _write(folder, matrix)
    return matrix


def _tables(config: RunConfig) -> dict[str, pd.DataFrame]:
    """Corpus -> its manifest, in the order named; remembers the spec it was read from."""
    if config.corpus.heldout:
        raise ConfigError("a matrix tests on every corpus of corpus.train; leave corpus.heldout out")
    if len(config.corpus.train) < 2:
        raise ConfigError("a matrix needs at least two corpora: corpus.train=[csv:a.csv,csv:b.csv,...]")
    tables: dict[str, pd.DataFrame] = {}
    for spec in config.corpus.train:
        one = read_corpus(spec, vars(config.paths), config.corpus.drop_labels)
        names = [str(name) for name in one["corpus"].unique()]
        if len(names) > 1 or names[0] in tables:
            raise ConfigError(
                f"{spec} holds {', '.join(names)}: every corpus of a matrix has a name of its own"
            )
        one.attrs["spec"] = spec
        tables[names[0]] = one
    return tables


def _config_of(config: RunConfig, tables: dict[str, pd.DataFrame], name: str) -> RunConfig:
    specs = {corpus: str(one.attrs["spec"]) for corpus, one in tables.items()}
    others = [spec for corpus, spec in specs.items() if corpus != name]
    return replace(config, corpus=replace(config.corpus, train=[specs[name]], heldout=others))


def _with_labels(config: RunConfig, tables: dict[str, pd.DataFrame], say: Say) -> RunConfig:
    """``common`` leaves only the labels that all corpora have, everywhere; ``masked`` changes nothing."""
    if config.matrix.labels == "masked" or config.task.kind == "regression":
        return config
    task = heldout_task(config.task)
    found = [set(task_rows(one, task, config.corpus.drop_labels)["label"]) for one in tables.values()]
    common = sorted(set.intersection(*found))
    if len(common) < 2:
        raise SplitError(
            f"matrix.labels=common: {', '.join(tables)} have {len(common)} labels in common; two are needed: "
            "leave a corpus out, or use matrix.labels=masked"
        )
    extra = _words_of(config.task, set.union(*found) - set(common))
    say(f"labels of all corpora: {', '.join(common)}; left out: {', '.join(extra) or 'none'}")
    drops = [*config.corpus.drop_labels, *(f"{config.task.column}:{word}" for word in extra)]
    return replace(config, corpus=replace(config.corpus, drop_labels=drops))


def _words_of(task: TaskConfig, labels: set[str]) -> list[str]:
    """The corpus's words behind labels of the task's scheme."""
    if task.column != "emotion":
        return sorted(labels)
    scheme = EMOTION_SCHEMES[task.scheme]
    return sorted(word for word, label in scheme.items() if label in labels)


def _run(config: RunConfig, name: str, folder: Path, backbone: Backbone, say: Say) -> Result:
    say(f"--- trained on {name}")
    rows = load_rows(config, say, backbone)
    run = folder / RUNS / name
    train_run(config, rows, run, say)
    return open_run(run, rows)


def _matrix(config: RunConfig, folder: Path, results: dict[str, Result]) -> Matrix:
    corpora, metric = tuple(results), METRICS[config.task.kind]
    cells: list[Cell] = [
        cell for name, result in results.items() for cell in cells_of(name, result, corpora, metric)
    ]
    compared = correct(_comparisons(folder, corpora, metric))
    return Matrix(config.task.name, metric, config.matrix.labels, corpora, tuple(cells), tuple(compared))


def _comparisons(folder: Path, corpora: Sequence[str], metric: str) -> list[Comparison]:
    """On every test corpus, each pair of training corpora; its own head only where that was tested."""
    predictions = {name: pd.read_parquet(folder / RUNS / name / PREDICTIONS) for name in corpora}
    found: list[Comparison] = []
    for test in corpora:
        systems = {train: _on(predictions[train], train, test) for train in corpora}
        for pair in combinations(corpora, 2):
            found += compare_predictions(
                {name: systems[name] for name in pair}, metric, where=test, shared=True
            )
    return found


def _on(predictions: pd.DataFrame, train: str, test: str) -> pd.DataFrame:
    """What a head answered on a corpus: on its own test part, or on all of another's rows."""
    if train == test:
        return predictions[predictions["part"] == "test"].reset_index(drop=True)
    chosen = (predictions["part"] == "heldout") & predictions["utt_id"].str.startswith(f"{test}/")
    return predictions[chosen].reset_index(drop=True)


def _write(folder: Path, matrix: Matrix) -> None:
    atomic_write(folder / CSV, table(matrix).to_csv(index=False))
    atomic_write(folder / PICTURE, png(heat_map(matrix)))
    atomic_write(folder / MARKDOWN, markdown(matrix))
    write_json(folder / JSON, matrix.document())  # last: a folder with it holds a whole matrix


def matrix_lines(matrix: Matrix) -> list[str]:
    """What to print: the matrix and its means."""
    width = max(len(name) for name in [*matrix.corpora, "trained on"])
    values = {(cell.train, cell.test): shown(cell.value, matrix.metric) for cell in matrix.cells}
    unit = "UAR, %" if matrix.metric == "uar" else "MAE"
    lines = [f"{matrix.task}, {unit}, labels={matrix.decision}: trained on (rows) x tested on (columns)"]
    lines.append("  ".join([f"{'':<{width}}", *(f"{name:>{max(len(name), 6)}}" for name in matrix.corpora)]))
    for train in matrix.corpora:
        row = [f"{values[train, test]:>{max(len(test), 6)}}" for test in matrix.corpora]
        lines.append("  ".join([f"{train:<{width}}", *row]))
    means = matrix.means()
    lines.append(
        f"self mean {shown(means['self'], matrix.metric)}, cross mean {shown(means['cross'], matrix.metric)}"
    )
    return lines
