"""Held-out corpora scored again under perturbed copies: how fast a head loses its grip as recordings get worse."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from profiling.bundle import Bundle
from profiling.config import RunConfig
from profiling.errors import ConfigError
from profiling.evaluation.answers import score_corpus
from profiling.evaluation.result import Scores
from profiling.evaluation.summary import NAMES, number_text
from profiling.features.prepare import Say, prepare_features, utterances_of
from profiling.perturbations import parse_perturbations
from profiling.provenance import atomic_write, write_json
from profiling.training.heldout import heldout_predictions
from profiling.training.rows import RunRows, TaskRows

ROBUSTNESS, ROBUSTNESS_CSV = "robustness.json", "robustness.csv"
#: ``heldout.robustness=standard``: each step alone, from mild to severe.
STANDARD = (
    "noise:20", "noise:10", "noise:5", "noise:0", "noise:10:pink", "telephone", "speed:0.9", "speed:1.1", "gain:-20",
    "reverb:0.3", "reverb:0.8", "truncate:2", "truncate:1",
)  # fmt: skip


@dataclass(frozen=True)
class Scorer:
    """A head and what scoring it needs.

    Attributes:
        bundle: the head.
        config: corpora and extraction settings, audio as the head was trained with.
        answers: labels or numbers of its training rows.
        say: where lines for the person go.
    """

    bundle: Bundle
    config: RunConfig
    answers: list[Any]
    say: Say


def chains(asked: Any) -> list[list[str]]:
    """The perturbations asked for: ``standard``, or a list whose entries are steps or lists of steps.

    Raises:
        ConfigError: an unknown step.

    >>> chains(["noise:10", ["telephone", "noise:10"]])
    [['noise:10'], ['telephone', 'noise:10']]
    """
    if asked == "standard":
        asked = list(STANDARD)
    if isinstance(asked, str):
        raise ConfigError(
            f"heldout.robustness={asked}: write standard, or a list such as [noise:10,telephone]"
        )
    found = [[one] if isinstance(one, str) else list(one) for one in asked]
    for chain in found:
        parse_perturbations(chain)  # a misspelt step is an error; the words stay as they were written
    return found


def write_robustness(folder: Path, scorer: Scorer, rows: RunRows, clean: Scores) -> list[dict[str, Any]]:
    """Scores every chain and writes ``robustness.json`` and ``.csv``.

    Args:
        folder: of the result.
        scorer: the head.
        rows: the held-out rows with their clean features.
        clean: their scores, the curves' first point.

    Returns:
        Rows of ``steps``, ``step``, ``severity``, ``corpus``, ``decision``, ``metric``, ``value``, ``low``, ``high``,
        ``reason``, ``n``, ``speakers``, ``lost`` (rows the perturbed copy of which cannot be used).
    """
    asked = chains(scorer.config.heldout.robustness)
    table = _rows([], clean["heldout"], {})
    for number, steps in enumerate(asked, 1):
        scorer.say(f"robustness {number} of {len(asked)}: {', '.join(steps)}")
        heldout, lost = _perturbed(scorer, rows, steps)
        predictions = heldout_predictions(scorer.bundle, heldout)
        labels, unit = list(scorer.bundle.spec.head.labels), str(scorer.bundle.spec.task["unit"])
        scores = {name: score_corpus(one, labels, scorer.answers, unit) for name, one in predictions.items()}
        table += _rows(steps, scores, lost)
    for line in _said(table, str(scorer.config.heldout.decision)):
        scorer.say(line)
    write_json(folder / ROBUSTNESS, {"chains": asked, "rows": table})
    atomic_write(folder / ROBUSTNESS_CSV, pd.DataFrame(table).to_csv(index=False))
    return table


def _said(table: list[dict[str, Any]], decision: str) -> list[str]:
    """A line for each corpus: every copy by the first metric."""
    metric = table[0]["metric"]
    shown = [row for row in table if (row["metric"], row["decision"]) == (metric, decision)]
    return [
        f"{corpus}, {NAMES[metric]} of perturbed copies: "
        + ", ".join(
            f"{row['steps']} {number_text(metric, row['value'])}" for row in shown if row["corpus"] == corpus
        )
        for corpus in dict.fromkeys(row["corpus"] for row in shown)
    ]


def _perturbed(
    scorer: Scorer, rows: RunRows, steps: Sequence[str]
) -> tuple[dict[str, TaskRows], dict[str, int]]:
    """The same rows with features of their perturbed copies, joined by row key."""
    config = copy.deepcopy(scorer.config)
    config.audio.perturb = [*config.audio.perturb, *steps]
    heldout, lost = {}, {}
    for name, held in rows.heldout.items():
        prepared = prepare_features(utterances_of(held.table), rows.layers, config, rows.backbone, scorer.say)
        keys = prepared.extraction.keys
        kept = [i for i, key in enumerate(keys) if key is not None]
        lost[name] = len(keys) - len(kept)
        if not kept:
            raise ConfigError(f"{name}: no row can be used after {', '.join(steps)}; leave that step out")
        view = prepared.extraction.store.view([key for key in keys if key is not None], rows.layers)
        heldout[name] = replace(held, table=held.table.iloc[kept].reset_index(drop=True), view=view)
    return heldout, lost


def _rows(
    steps: Sequence[str], scores: Mapping[str, Mapping[str, Any]], lost: Mapping[str, int]
) -> list[dict[str, Any]]:
    name, _, severity = steps[-1].partition(":") if steps else ("clean", "", "")
    facts = {"steps": "+".join(steps) or "clean", "step": name, "severity": _number(severity)}
    return [
        {
            **facts, "corpus": corpus, "decision": decision, "metric": metric,
            **{key: value[key] for key in ("value", "low", "high", "reason")},
            "n": score[decision]["n"], "speakers": score[decision]["speakers"], "lost": lost.get(corpus, 0),
        }
        for corpus, score in scores.items()
        for decision in ("masked", "open")
        for metric, value in score[decision]["metrics"].items()
    ]  # fmt: skip


def _number(severity: str) -> float | None:
    """The first number of a step, its severity; None for a step without one."""
    first = severity.partition(":")[0]
    try:
        return float(first)
    except ValueError:
        return None
