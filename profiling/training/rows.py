"""Corpora to trainable rows: manifests read, features on disk, labels joined by key, overlap refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.backbones.protocol import Backbone
from profiling.config import RunConfig, parse_layers
from profiling.content_table import Span
from profiling.corpora.manifest import manifest_hash
from profiling.corpora.reading import read_corpora, read_corpus
from profiling.corpora.splits import assert_no_overlap, assert_one_label_each, assert_one_speaker_each
from profiling.corpora.tasks import task_rows
from profiling.errors import ConfigError, ManifestError
from profiling.features.extract import Extraction
from profiling.features.prepare import Say, load_backbone, prepare_features, utterances_of
from profiling.features.store import FeatureStore, FeatureView, RowKey, Verify
from profiling.snr_index import SnrIndex
from profiling.training.precheck import check_tables, heldout_task


@dataclass(frozen=True)
class TaskRows:
    """Rows of one task with their features, joined by key.

    Attributes:
        table: manifest columns and ``label`` or ``target``; one row per utterance that has features.
        view: the features of ``table``'s rows, in its order.
        asked: rows that have a label, with or without features.
        quarantined: of them, those without features.
        dropped: what was left out before, reason -> rows.
        manifest_sha256: of the whole manifest, audio hashes included, before anything was left out.
    """

    table: pd.DataFrame
    view: FeatureView
    asked: int
    quarantined: int
    dropped: dict[str, int]
    manifest_sha256: str

    @property
    def answers(self) -> NDArray[Any]:
        """(rows,) labels (str) or targets (float64)."""
        column = "label" if "label" in self.table.columns else "target"
        values: NDArray[Any] = self.table[column].to_numpy()
        return values

    @property
    def groups(self) -> dict[str, NDArray[np.int64]]:
        """(rows,) numbers of each row's ``speaker`` and ``corpus``; a row without a speaker is one of its own."""
        speakers = self.table["speaker_id"].fillna(self.table["utt_id"])
        columns = {"speaker": speakers, "corpus": self.table["corpus"]}
        return {name: pd.factorize(column)[0].astype(np.int64) for name, column in columns.items()}


@dataclass(frozen=True)
class RunRows:
    """Everything a run reads.

    Attributes:
        backbone: what computed the features.
        store: where they are.
        layers: the layers asked for, in network order.
        train: rows of the training corpora (all parts).
        heldout: corpus name -> its rows.
    """

    backbone: Backbone
    store: FeatureStore
    layers: list[str]
    train: TaskRows | None
    heldout: dict[str, TaskRows]


def training_rows(rows: RunRows) -> TaskRows:
    """The rows of the training corpora.

    Raises:
        ConfigError: no training corpus is named.
    """
    if rows.train is None:
        raise ConfigError("corpus.train is empty; write corpus.train=[csv:path/to/manifest.csv]")
    return rows.train


def layers_of(config: RunConfig, backbone: Backbone) -> list[str]:
    """The layers asked for, in network order.

    Raises:
        ConfigError: the backbone has no such layer.
    """
    layers = parse_layers(config.features.layers)
    missing = [layer for layer in layers if layer not in backbone.layers]
    if missing:
        raise ConfigError(
            f"features.layers={'|'.join(layers)}: backbone {backbone.name} has no {', '.join(missing)}; "
            f"write features.layers={'|'.join(backbone.layers)}"
        )
    return layers


def load_rows(config: RunConfig, say: Say, backbone: Backbone | None = None) -> RunRows:
    """Reads the corpora, makes sure that their features are on disk, and joins the two.

    Raises:
        ManifestError, LabelError: a corpus that cannot be read or has no label of the task.
        SplitError: a held-out corpus shares speakers, files or recordings with the training corpora, or these
            have a recording under two speakers or with contradicting labels.
    """
    train = _training_table(config)
    heldout = _heldout_tables(config)
    if train is not None:
        check_tables(config, train, heldout)
    backbone = backbone or load_backbone(config, say)
    layers = layers_of(config, backbone)
    tables = ([] if train is None else [train]) + list(heldout.values())
    extraction = _features(tables, layers, config, backbone, say)
    _attach(tables, extraction)
    if not config.audio.perturb:  # of perturbed copies nobody measured it
        _attach_snr(tables, extraction, config)
    if train is not None:
        assert_one_speaker_each(train)
        assert_one_label_each(train)
        for table in heldout.values():
            assert_no_overlap(train, table)
    join = _Join(config, extraction.store, layers)
    return RunRows(
        backbone,
        extraction.store,
        layers,
        None if train is None else join(train),
        {name: join(table, heldout=True) for name, table in heldout.items()},
    )


def _training_table(config: RunConfig) -> pd.DataFrame | None:
    if not config.corpus.train:
        return None
    return read_corpora(config.corpus.train, vars(config.paths), config.corpus.drop_labels)


def _heldout_tables(config: RunConfig) -> dict[str, pd.DataFrame]:
    tables: dict[str, pd.DataFrame] = {}
    for spec in config.corpus.heldout:
        table = read_corpus(spec, vars(config.paths), config.corpus.drop_labels)
        for name, part in table.groupby("corpus", sort=False):
            if str(name) in tables:
                raise ManifestError(f"corpus.heldout names corpus {name!r} twice (the second time in {spec})")
            part.attrs = dict(table.attrs)
            tables[str(name)] = part.reset_index(drop=True)
    return tables


def _features(
    tables: Sequence[pd.DataFrame], layers: list[str], config: RunConfig, backbone: Backbone, say: Say
) -> Extraction:
    utterances = [utterance for table in tables for utterance in utterances_of(table)]
    if not utterances:
        raise ManifestError("no corpus named; write corpus.train=[csv:path/to/manifest.csv]")
    return prepare_features(utterances, layers, config, backbone, say).extraction


def _attach(tables: Sequence[pd.DataFrame], extraction: Extraction) -> None:
    """Fills ``audio_sha256`` and adds ``duration_s``; rows in quarantine keep None and NaN."""
    done = 0
    for table in tables:
        span = range(done, done + len(table))
        keys = [extraction.keys[i] for i in span]
        table["audio_sha256"] = [None if key is None else key.audio_sha256 for key in keys]
        table["duration_s"] = [extraction.durations_s.get(i, np.nan) for i in span]
        done += len(table)


def _attach_snr(tables: Sequence[pd.DataFrame], extraction: Extraction, config: RunConfig) -> None:
    """Adds ``snr_db`` as remembered from when the features were computed; NaN where it was not measured."""
    channel = config.audio.channel
    spans = [None if key is None else Span(*key, channel) for key in extraction.keys]
    known = SnrIndex(Path(config.paths.cache)).lookup(span for span in spans if span is not None)
    found = iter([np.nan if span is None else known.get(span, np.nan) for span in spans])
    for table in tables:
        table["snr_db"] = [next(found) for _ in range(len(table))]


@dataclass(frozen=True)
class _Join:
    """Labels and features of a manifest, by key."""

    config: RunConfig
    store: FeatureStore
    layers: list[str]

    def __call__(self, table: pd.DataFrame, *, heldout: bool = False) -> TaskRows:
        task = self.config.task
        if heldout:
            task = heldout_task(task)
        labelled = task_rows(table, task, self.config.corpus.drop_labels)
        present = labelled["audio_sha256"].notna()
        kept = labelled[present].reset_index(drop=True)
        if kept.empty:
            raise ManifestError(
                f"none of {len(labelled)} rows of {task.name} has features: all are quarantined"
            )
        verify = cast(Verify, self.config.store.verify)  # validated
        return TaskRows(
            table=kept,
            view=self.store.view(row_keys(kept), self.layers, verify=verify),
            asked=len(labelled),
            quarantined=int((~present).sum()),
            dropped=dict(labelled.attrs.get("dropped", {})),
            manifest_sha256=manifest_hash(table),
        )


def row_keys(table: pd.DataFrame) -> list[RowKey]:
    """The row key of every row of a manifest whose hashes are known."""
    columns = zip(table["audio_sha256"], table["start_sample"], table["end_sample"], strict=True)
    return [RowKey(str(sha256), int(start), int(end)) for sha256, start, end in columns]
