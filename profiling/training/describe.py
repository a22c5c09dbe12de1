"""What a run was made of, as the sections of ``metrics.json``: task, backbone, split, data, provenance."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from profiling.backbones.protocol import notice_of
from profiling.config import RunConfig
from profiling.corpora.cards import find_card
from profiling.corpora.protocol import Protocol
from profiling.evaluation.result import BackboneUsed, CorpusUsed, Split, Task
from profiling.features.store import FeatureStore
from profiling.provenance import code_state, environment, signature
from profiling.training.rows import RunRows, TaskRows, training_rows

#: What features of a backbone may be used for. ECAPA2's weights are CC-BY-NC-4.0 (model card).
_ECAPA2_LICENCE = (
    "CC-BY-NC-4.0 (ECAPA2, Thienpondt and Demuynck, ASRU 2023, arXiv 2401.08342): non-commercial"
)

#: The configuration's sections that change a trained head; the others say where and how fast.
_SIGNED = ("task", "split", "head", "data", "trainer")

_GIVEN: ContextVar[str | None] = ContextVar("command_given", default=None)


def describe_task(config: RunConfig, labels: list[str]) -> Task:
    """The task; ``labels`` is empty for regression."""
    kind: Literal["classification", "regression"] = "classification" if labels else "regression"
    return {"name": config.task.name, "kind": kind, "labels": labels or None, "unit": config.task.unit}


def describe_backbone(rows: RunRows) -> BackboneUsed:
    """The backbone; features of the released weights inherit their licence."""
    backbone = rows.backbone
    return {
        "name": backbone.name,
        "training": backbone.training,
        "weights_sha256": str(backbone.identity().get("weights_sha256", "")) or None,
        "licence": _ECAPA2_LICENCE if backbone.training in ("released", "local") else None,
        "notice": notice_of(backbone),
    }


def describe_split(protocol: Protocol, table: pd.DataFrame) -> Split:
    """The protocol; in rotating ones the parts are counted over all folds."""
    counts: dict[str, dict[str, int]] = {}
    for part in ("train", "val", "test"):
        masks = [fold.parts()[part] for fold in (protocol.folds if part == "test" else (protocol.final,))]
        used = table[[any(row) for row in zip(*masks, strict=True)]]
        counts[part] = {"utterances": len(used), "speakers": int(used["speaker_id"].nunique())}
    return {
        "kind": protocol.kind,
        "speaker_independent": protocol.speaker_independent,
        "counts": counts,
    }


def describe_data(rows: Mapping[str, TaskRows], role: Literal["train", "heldout"]) -> list[CorpusUsed]:
    """One entry per corpus: size, licence and citation from its card."""
    return [
        _corpus(str(name), part, role)
        for held in rows.values()
        for name, part in held.table.groupby("corpus", sort=False)
    ]


def _corpus(name: str, part: pd.DataFrame, role: Literal["train", "heldout"]) -> CorpusUsed:
    card = find_card(name)
    hours = part["duration_s"].sum(min_count=1) / 3600
    used: CorpusUsed = {
        "corpus": name,
        "role": role,
        "utterances": len(part),
        "speakers": int(part["speaker_id"].nunique()) or None,
        "hours": None if pd.isna(hours) else round(float(hours), 3),
        "licence": card.licence if card else None,
        "citation": card.citation if card else None,
    }
    if card is not None and card.age_binned:
        used["age_binned"] = True
    return used


def provenance(store: FeatureStore, rows: Mapping[str, TaskRows]) -> dict[str, Any]:
    """Versions, git state, feature key, manifests and what was left out."""
    return {
        **environment(),
        "git": code_state(),
        "feature_key": store.key.sha256,
        "manifests": {
            name: {
                "sha256": held.manifest_sha256,
                "asked": held.asked,
                "used": len(held.table),
                "quarantined": held.quarantined,
                "dropped": held.dropped,
            }
            for name, held in rows.items()
        },
    }


@contextmanager
def command_given(name: str, arguments: Sequence[str]) -> Iterator[None]:
    """Around a command whose arguments may not be those of the process."""
    token = _GIVEN.set(shlex.join([*_program(name), *arguments]))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def command() -> str:
    """The exact command, ready to be pasted into a shell."""
    return _GIVEN.get() or shlex.join([*_program(), *sys.argv[1:]])


def _program(name: str = "") -> list[str]:
    program = Path(sys.argv[0]).name
    if program == "train.py":
        return ["python", sys.argv[0]]  # as given: from another folder its path belongs to the command
    module = ["python", "-m", "profiling"] if program == "__main__.py" else ["profiling"]
    return [*module, *([name] if name else [])]


def run_signature(config: RunConfig, rows: RunRows) -> str:
    """What a trained head depends on, and nothing else: names a run whatever its folder."""
    return _signature(config, rows, _SIGNED, layers=rows.layers)


def stream_signature(config: RunConfig, rows: RunRows) -> str:
    """What the heads of a bank have in common: rows, answers, folds, order and trainer."""
    return _signature(config, rows, [name for name in _SIGNED if name != "head"])


def _signature(config: RunConfig, rows: RunRows, signed: Sequence[str], **more: object) -> str:
    sections = {name: asdict(getattr(config, name)) for name in signed}
    for quiet in ("progress", "tensorboard", "device"):
        del sections["trainer"][quiet]
    return signature(
        {
            **sections,
            **more,
            "feature_key": rows.store.key.sha256,
            "manifest": training_rows(rows).manifest_sha256,
            "drop_labels": sorted(config.corpus.drop_labels),
        }
    )


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


def own_facts(facts: Mapping[str, Any], config: RunConfig, rows: RunRows) -> dict[str, Any]:
    """:func:`profiler_facts` of one of several runs over the same rows: what is its own put in its place."""
    own = {
        "layers": rows.layers,
        "head": asdict(config.head),
        "signature": run_signature(config, rows),
    }
    return {**facts, "train": {**facts["train"], **own}}


def train_answers(train: TaskRows, protocol: Protocol) -> list[list[Any]]:
    """[label or target, count] over the final head's training rows: what the constant predictor knows."""
    answers = pd.Series(train.answers[protocol.final.train]).value_counts(sort=False).sort_index()
    return [[answer, int(count)] for answer, count in answers.items()]
