"""What a run was made of, as the sections of ``metrics.json``: task, backbone, split, data, provenance."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from profiling.config import RunConfig
from profiling.corpora.cards import find_card
from profiling.corpora.protocol import Protocol
from profiling.evaluation.result import BackboneUsed, CorpusUsed, Split, Task
from profiling.features.store import FeatureStore
from profiling.provenance import environment, git_state
from profiling.training.rows import RunRows, TaskRows

#: What features of a backbone may be used for. ECAPA2's weights are CC-BY-NC-4.0 (model card).
_ECAPA2_LICENCE = (
    "CC-BY-NC-4.0 (ECAPA2, Thienpondt and Demuynck, ASRU 2023, arXiv 2401.08342): non-commercial"
)


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
    return {
        "corpus": name,
        "role": role,
        "utterances": len(part),
        "speakers": int(part["speaker_id"].nunique()) or None,
        "hours": None if pd.isna(hours) else round(float(hours), 3),
        "licence": card.licence if card else None,
        "citation": card.citation if card else None,
    }


def provenance(store: FeatureStore, rows: Mapping[str, TaskRows]) -> dict[str, Any]:
    """Versions, git state, feature key, manifests and what was left out."""
    return {
        **environment(),
        "git": git_state(Path.cwd()),
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


def command() -> str:
    """The exact command, ready to be pasted into a shell."""
    program = Path(sys.argv[0]).name
    prefix = ["python", program] if program.endswith(".py") else [program]
    return shlex.join([*prefix, *sys.argv[1:]])
