"""What stands beside ``metrics.json``: calibration, groups, and published numbers. Schema: docs/run_folder.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profiling.evaluation.answers import masked_answers
from profiling.evaluation.groups import group_scores
from profiling.evaluation.published import beside_published
from profiling.evaluation.result import Result
from profiling.evaluation.trust import calibration_report
from profiling.provenance import atomic_write, write_json

CALIBRATION, GROUPS, PUBLISHED = "calibration.json", "groups.json", "published.json"
GROUPS_CSV, GAPS_CSV = "groups.csv", "gaps.csv"


def write_studies(
    folder: Path,
    result: Result,
    calibration: Mapping[str, Any],
    test: pd.DataFrame | None,
    heldout: Mapping[str, pd.DataFrame],
) -> None:
    """Writes the studies of a result.

    Args:
        folder: the run folder.
        result: content of ``metrics.json``.
        calibration: the bundle's section; may be {}.
        test: predictions of the test part; None or empty where there is none.
        heldout: corpus -> predictions.
    """
    labels = list(result["task"]["labels"] or [])
    parts = {} if test is None or test.empty else {"test": test}
    parts |= {f"heldout:{name}": table for name, table in heldout.items()}
    write_json(folder / CALIBRATION, calibration_report(calibration, parts, labels))
    write_groups(folder, {name: _grouped(name, table, labels, result) for name, table in parts.items()})
    write_json(folder / PUBLISHED, beside_published(result))


def write_groups(folder: Path, parts: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> None:
    """Writes ``groups.json`` and the same as two tables, for people with a spreadsheet."""
    write_json(folder / GROUPS, {"parts": dict(parts)})
    for file, key in ((GROUPS_CSV, "groups"), (GAPS_CSV, "gaps")):
        rows = [{"part": name, **row} for name, part in parts.items() for row in part[key]]
        atomic_write(folder / file, pd.DataFrame(rows).to_csv(index=False) if rows else "")


def _grouped(
    name: str, table: pd.DataFrame, labels: list[str], result: Result
) -> dict[str, list[dict[str, Any]]]:
    scored, known = masked_answers(table, labels)
    return group_scores(scored, known, _constant(name, result))


def _constant(name: str, result: Result) -> float:
    """The constant predictor's number, for the skill; NaN for labels."""
    if result["task"]["labels"]:
        return float(np.nan)
    scores = result["scores"]
    score = scores["test"] if name == "test" else scores["heldout"][name.removeprefix("heldout:")]["masked"]
    return float(score["constant"]["median"])
