"""Opens test and held-out data for a trained run: scores, predictions, report, bundle. Once per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from profiling.bundle import FOLDER as BUNDLE
from profiling.bundle import Bundle, read_bundle, recording_hash, speaker_hash, write_bundle
from profiling.card import CARD, model_card
from profiling.errors import BundleError, ProfilingError, SplitError
from profiling.evaluation.answers import answer_rows, prediction_table, score_corpus, score_part
from profiling.evaluation.folds import fold_scores
from profiling.evaluation.report import write_report
from profiling.evaluation.result import Result, Scores
from profiling.evaluation.summary import summary_lines
from profiling.evaluation.trust import fit_calibration
from profiling.heads.modules import build_head, layer_weights
from profiling.provenance import atomic_write, read_json, write_json
from profiling.report.pages import write_html
from profiling.training.baselines import baseline_predictions, heldout_key
from profiling.training.describe import describe_backbone, describe_data, provenance
from profiling.training.heldout import head_of, heldout_predictions
from profiling.training.log import say
from profiling.training.outcome import METRICS, PREDICTIONS, Run, head_folder, read_run, write_parquet
from profiling.training.robustness import Scorer, write_robustness
from profiling.training.rows import RunRows, TaskRows, training_rows
from profiling.training.studies import write_studies

LEDGER = "heldout_scored.json"
BASELINES = "baselines"  # folder of their predictions
_PART_NAMES = {"val": "validation", "test": "test"}


def open_run(folder: Path, rows: RunRows, candidates: int = 1) -> Result:
    """Scores a trained run on its test part and its held-out corpora, and writes everything about it.

    Args:
        folder: a run folder after training.
        rows: its rows, training and held-out.
        candidates: how many runs were compared on validation before this one was chosen.

    Returns:
        The content of ``metrics.json``.

    Raises:
        ProfilingError: a head of the run diverged.
    """
    run = read_run(folder)
    if run.validation["status"] == "diverged":
        raise ProfilingError(
            f"{folder}: training diverged (head.lr={run.config['head']['lr']:g}); lower head.lr. "
            "Test and held-out data were not opened"
        )
    bundles = {fold: read_bundle(head_folder(folder, fold)) for fold in run.folds}
    final = bundles[run.folds[-1]]
    own = {part: _own_predictions(run, bundles, training_rows(rows), part) for part in ("val", "test")}
    heldout = heldout_predictions(final, rows.heldout)
    scores = _scores(run, final, own, heldout)
    count_scored(folder / LEDGER, {}, rows.heldout, scores)
    _add_baselines(run, final, rows, scores)
    result = _result(run, final, rows, scores, candidates)
    labels = list(final.spec.head.labels)
    calibration = fit_calibration(own["test"], labels, str(result["split"]["kind"]))
    write_studies(folder, result, calibration, own["test"], heldout)
    if run.config["heldout"]["robustness"]:
        write_robustness(folder, _scorer(run, final), rows, scores)
    write_predictions(folder, result, pd.concat([*own.values(), *heldout.values()], ignore_index=True))
    spec = replace(final.spec, metrics=cast(dict[str, Any], scores), provenance=result["environment"])
    spec = replace(spec, calibration=calibration)
    write_bundle(folder / BUNDLE, spec, final.state, final.seen)
    atomic_write(folder / BUNDLE / CARD, model_card(spec))
    write_json(folder / METRICS, result)  # last: a folder with it holds a whole result
    return result


def _scorer(run: Run, final: Bundle) -> Scorer:
    """What perturbed copies are scored with: the final head, and the settings the run was made with."""
    from profiling.training.hydra_app import schema, to_config

    config = to_config(OmegaConf.merge(OmegaConf.structured(schema()), run.config))
    return Scorer(final, config, train_answers(run, list(final.spec.head.labels)), say)


def write_predictions(folder: Path, result: Result, predictions: pd.DataFrame) -> None:
    """Writes the predictions and the report of a result whose ``metrics.json`` comes last."""
    write_parquet(folder / PREDICTIONS, predictions)
    write_report(folder, result, predictions)
    write_html(folder, result)


def say_result(folder: Path, result: Result) -> None:
    """The answer, where it is, and what can be done with it."""
    for line in summary_lines(result):
        say(line)
    say(f"run folder {folder} (report.html, report.md, metrics.json, predictions.parquet, bundle/)")
    say(f"to ask it about a recording: profiling predict --model {folder} FILE")


def _own_predictions(run: Run, bundles: Mapping[str, Bundle], train: TaskRows, part: str) -> pd.DataFrame:
    """Each row answered by the head for which it is in this part; the final head's test part may be empty."""
    if run.rows["utt_id"].tolist() != train.table["utt_id"].tolist():
        raise BundleError(f"{run.folder}: the corpora are not those it was trained on (utterances differ)")
    folds = run.folds if len(run.folds) == 1 else run.folds[:-1]  # the final head validates on its own again
    tables = []
    for fold in folds:
        chosen = np.flatnonzero(run.part(fold, part))
        if len(chosen):
            outputs = answer_rows(head_of(bundles[fold]), train.view, chosen)
            labels = bundles[fold].spec.head.labels
            rows = train.table.iloc[chosen]
            tables.append(prediction_table(rows, outputs, labels, part=_PART_NAMES[part], fold=fold))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _scores(
    run: Run, final: Bundle, own: Mapping[str, pd.DataFrame], heldout: Mapping[str, pd.DataFrame]
) -> Scores:
    labels = list(final.spec.head.labels)
    answers, unit = train_answers(run, labels), str(final.spec.task["unit"])
    scores: dict[str, Any] = {
        _PART_NAMES[part]: _part_score(table, labels, answers, unit)
        for part, table in own.items()
        if len(table)
    }
    scores["heldout"] = {name: score_corpus(table, labels, answers, unit) for name, table in heldout.items()}
    return cast(Scores, scores)


def _part_score(table: pd.DataFrame, labels: list[str], answers: list[Any], unit: str) -> dict[str, Any]:
    """Pooled over the folds, and each fold by itself where there are several."""
    score, folds = score_part(table, labels, answers, unit), fold_scores(table, labels)
    return score if folds is None else {**score, "folds": folds}


def _add_baselines(run: Run, final: Bundle, rows: RunRows, scores: Scores) -> None:
    """Scores the baselines on the rows the heads were scored on; their answers are kept in ``baselines/``."""
    labels = list(final.spec.head.labels)
    answers, unit = train_answers(run, labels), str(final.spec.task["unit"])
    found: dict[str, Any] = {}
    for name, tables in baseline_predictions(run, rows, final.spec.head).items():
        own = {part: tables[part] for part in ("validation", "test") if part in tables}
        found[name] = {part: score_part(table, labels, answers, unit) for part, table in own.items()}
        found[name]["heldout"] = {
            corpus: score_corpus(tables[heldout_key(corpus)], labels, answers, unit)
            for corpus in rows.heldout
        }
        every = pd.concat(tables.values(), ignore_index=True)
        write_parquet(run.folder / BASELINES / f"{name}.parquet", every)
    scores["baselines"] = cast(dict[str, Scores], found)


def train_answers(run: Run, labels: list[str]) -> list[Any]:
    """Labels or targets of the final head's training rows: what the constant predictor knows."""
    chosen = run.rows[run.part(run.folds[-1], "train")]
    answers: list[Any] = chosen["label" if labels else "target"].tolist()
    return answers


def count_scored(
    ledger: Path, before: Mapping[str, int], heldout: Mapping[str, TaskRows], scores: Scores
) -> None:
    """Notes how often this head was scored on each held-out corpus: looking often is choosing.

    Args:
        ledger: the file that counts, manifest sha256 -> times.
        before: counts of a head that came without its ledger.
        heldout: what is scored now.
        scores: gets ``times_scored``, and the rows without features.
    """
    counts: dict[str, int] = read_json(ledger) if ledger.exists() else dict(before)
    for name, held in heldout.items():
        counts[held.manifest_sha256] = counts.get(held.manifest_sha256, 0) + 1
        scores["heldout"][name]["times_scored"] = counts[held.manifest_sha256]
        _count_quarantined(scores, name, held)
    if heldout:
        write_json(ledger, counts)


def _count_quarantined(scores: Scores, name: str, held: TaskRows) -> None:
    """The number scored is the number asked, or every missing row is named by its reason."""
    score = scores["heldout"][name]
    score["asked"] = held.asked
    if held.quarantined:
        score["not_scored"]["(quarantined)"] = held.quarantined
    if score["scored"] + sum(score["not_scored"].values()) != held.asked:
        raise SplitError(
            f"{name}: {held.asked} rows were asked, {score['scored']} scored, {score['not_scored']} left out"
        )


def refuse_seen(bundle: Bundle, heldout: Mapping[str, TaskRows]) -> None:
    """Refuses held-out corpora that share speakers or recordings with a bundle's training corpora.

    Raises:
        SplitError: names the corpus and how many.
    """
    for name, held in heldout.items():
        known = held.table["speaker_id"].dropna().unique()
        speakers = [speaker for speaker in known if speaker_hash(speaker) in bundle.seen.speakers]
        recordings = int(held.table["audio_sha256"].map(recording_hash).isin(bundle.seen.recordings).sum())
        if speakers or recordings:
            raise SplitError(
                f"{name}: {len(speakers)} speakers and {recordings} recordings are among those "
                f"{bundle.folder} was trained on; score it on another corpus or other speakers"
            )


def _result(run: Run, final: Bundle, rows: RunRows, scores: Scores, candidates: int) -> Result:
    used = {"train": training_rows(rows), **rows.heldout}
    data = [*final.spec.train["data"], *describe_data(rows.heldout, "heldout")]
    environment = {**provenance(rows.store, used), "heads": run.validation["heads"]}
    decision = run.config["heldout"]["decision"]
    said = str(final.spec.train["command"])
    result = result_of(final, scores, data, said, environment, rows, decision, candidates)
    if others := [name for name in run.config["task"]["tasks"] if name != final.spec.task["name"]]:
        result["together"] = others
    result["head"]["penalty"] = run.validation["heads"][-1]["penalty"]
    return result


def result_of(
    bundle: Bundle,
    scores: Scores,
    data: list[Any],
    said: str,
    environment: dict[str, Any],
    rows: RunRows,
    decision: str,
    candidates: int = 1,
) -> Result:
    """Puts ``metrics.json`` together."""
    spec = bundle.spec
    result = {
        "task": {key: spec.task[key] for key in ("name", "kind", "labels", "unit")},
        "backbone": describe_backbone(rows),
        "layers": rows.layers,
        "head": {
            **spec.train["head"],
            "spec": spec.head.name,
            "layer_weights": layer_weights(build_head(spec.head, bundle.state)),
        },
        "candidates": candidates,
        "split": spec.train["split"],
        "heldout_decision": decision,
        "scores": scores,
        "data": data,
        "command": said,
        "environment": {**environment, "signature": spec.train["signature"]},
    }
    return cast(Result, result)
