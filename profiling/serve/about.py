"""Who answers: the bundles behind the page, as ``GET /api/profilers`` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiling.card import misuse
from profiling.features.prepare import TRAINING_NOTES
from profiling.predict.calibrated import LEVEL
from profiling.predict.profiler import Profiler


def about(profiler: Profiler) -> dict[str, Any]:
    """One bundle as JSON values: what it answers, on what, and what it is not for."""
    spec, calibration = profiler.bundle.spec, profiler.calibration
    fitted = calibration.quantile is not None
    return {
        "task": profiler.task,
        "profiler": profiler.name,
        "kind": spec.head.kind,
        "labels": list(spec.head.labels),
        "unit": str(spec.task["unit"]),
        "backbone": profiler.backbone_name,
        "backbone_training": profiler.backbone.training,
        "backbone_note": TRAINING_NOTES[profiler.backbone.training],
        "layers": profiler.layers,
        "trained_on": _trained_on(spec.train.get("data", [])),
        "calibrated": calibration.temperature is not None,
        "coverage": LEVEL if fitted else None,
        "no_interval_because": None if fitted else calibration.reason,
        "perturb": list(profiler.audio.perturb),
        "not_for": misuse(profiler.task),
        "licences": spec.licences,
        "citations": spec.citations,
    }


def _trained_on(data: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{row['corpus']}: {row['utterances']} utterances of {row.get('speakers') or 'unnamed'} speakers"
        for row in data
        if row["role"] == "train"
    ]
