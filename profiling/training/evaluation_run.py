"""Scores a trained head on other corpora: ``profiling evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd

from profiling.backbones.build import build_backbone
from profiling.bundle import Bundle, read_bundle
from profiling.config import RunConfig, TaskConfig
from profiling.errors import BundleError, ConfigError
from profiling.evaluation.answers import score_corpus
from profiling.evaluation.result import Result, Scores
from profiling.features.prepare import Say, say_backbone
from profiling.predict import backbone_config, check_same_features
from profiling.provenance import write_json
from profiling.training.describe import command, describe_data, provenance
from profiling.training.escape import caught
from profiling.training.heldout import heldout_predictions
from profiling.training.outcome import METRICS, VALIDATION
from profiling.training.robustness import Scorer, chains, write_robustness
from profiling.training.rows import RunRows, load_rows
from profiling.training.score import (
    LEDGER,
    count_scored,
    refuse_seen,
    result_of,
    write_predictions,
)
from profiling.training.studies import write_studies


def evaluate_bundle(path: Path, config: RunConfig, folder: Path, say: Say) -> Result:
    """Scores a head on ``config.corpus.heldout`` and writes metrics, predictions and report.

    Args:
        path: run folder or bundle folder.
        config: corpora, paths and extraction settings; task, backbone and audio come from the bundle.
        folder: where the result goes; must not hold one yet.
        say: where lines for the person go.

    Raises:
        ConfigError: no held-out corpus, or a folder that is taken.
        BundleError: the bundle cannot be trusted, or its backbone is not this one.
        SplitError: speakers or recordings it was trained on.
    """
    bundle = read_bundle(path)
    if not config.corpus.heldout:
        raise ConfigError("no corpus named; write corpus.heldout=[csv:path/to/manifest.csv]")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; name another folder with --out")
    chains(config.heldout.robustness)  # a misspelt step is said before anything is computed
    rows = _rows(bundle, config, say)
    refuse_seen(bundle, rows.heldout)
    predictions = heldout_predictions(bundle, rows.heldout)
    scores = _scores(bundle, predictions)
    data = [*bundle.spec.train["data"], *describe_data(rows.heldout, "heldout")]
    environment = {**provenance(rows.store, rows.heldout), "bundle": bundle.signature}
    with caught(folder):
        count_scored(ledger_of(bundle), counted_before(bundle), rows.heldout, scores)
        result = result_of(bundle, scores, data, command(), environment, rows, config.heldout.decision)
        write_studies(folder, result, bundle.spec.calibration, None, predictions)
        if config.heldout.robustness:
            write_robustness(folder, Scorer(bundle, config, _answers(bundle), say), rows, scores)
        write_predictions(folder, result, pd.concat(predictions.values(), ignore_index=True))
        write_json(folder / METRICS, result)  # last: a folder with it holds a whole result
    return result


def ledger_of(bundle: Bundle) -> Path:
    """Where it is counted how often a head was scored: in its run folder, or in a bundle that stands alone."""
    run = bundle.folder.parent
    return (run if (run / VALIDATION).is_file() else bundle.folder) / LEDGER


def counted_before(bundle: Bundle) -> dict[str, int]:
    """Manifest sha256 -> times scored when the bundle was written, for one that left its run folder."""
    if not bundle.spec.metrics:  # a head of a fold, which was never scored
        return {}
    manifests = bundle.spec.provenance["manifests"]
    scored = bundle.spec.metrics["heldout"]
    return {manifests[name]["sha256"]: score["times_scored"] for name, score in scored.items()}


def _rows(bundle: Bundle, config: RunConfig, say: Say) -> RunRows:
    """The held-out rows, with exactly the features the head was trained on."""
    spec = bundle.spec
    config.corpus.train = []
    config.task = TaskConfig(**spec.task["settings"])
    config.backbone = backbone_config(bundle, config.backbone.device)
    config.audio = type(config.audio)(**spec.audio)
    config.store.dtype = str(spec.feature_key["dtype"])
    config.features.layers = [label for label, _ in spec.head.layers]
    backbone = build_backbone(config.backbone, Path(config.paths.cache))
    say_backbone(backbone, say)
    check_same_features(bundle, backbone, config.audio)
    return load_rows(config, say, backbone)


def _scores(bundle: Bundle, predictions: dict[str, pd.DataFrame]) -> Scores:
    labels = list(bundle.spec.head.labels)
    counted = _answers(bundle)
    unit = str(bundle.spec.task["unit"])
    heldout = {name: score_corpus(table, labels, counted, unit) for name, table in predictions.items()}
    return cast(Scores, {"heldout": heldout})


def _answers(bundle: Bundle) -> list[Any]:
    """Labels or numbers of the training rows, which the constant predictor is made of."""
    answers = bundle.spec.train["answers"]
    if not answers:
        raise BundleError(f"{bundle.folder} does not say what it was trained on; train it again")
    return [value for value, count in answers for _ in range(count)]
