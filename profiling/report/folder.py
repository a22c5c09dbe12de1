"""A result's folder read back: everything a report is made of. What is not there is left out, never made up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd
import yaml

from profiling.errors import BundleError
from profiling.evaluation.result import Part, Result, check_result, parts
from profiling.evaluation.summary import NAMES
from profiling.provenance import read_json

METRICS, PREDICTIONS, ROWS, CONFIG = "metrics.json", "predictions.parquet", "rows.parquet", "config.yaml"
_CURVES = "logs/csv/metrics.csv"
_LEVEL = 0.9  # of the intervals and label sets shown, as in a bundle's default


@dataclass(eq=False)
class RunFolder:
    """A folder with a result, as ``docs/run_folder.md`` describes it.

    Attributes:
        folder: where.
        result: the content of ``metrics.json``.
    """

    folder: Path
    result: Result

    @property
    def name(self) -> str:
        """How the run is called where there are several."""
        return self.folder.name

    @property
    def metric(self) -> str:
        """The metric of the answer: UAR for labels, MAE for numbers."""
        return "uar" if self.result["task"]["labels"] else "mae"

    @property
    def unit(self) -> str:
        """Of the task's numbers; empty for labels."""
        return self.result["task"]["unit"]

    @cached_property
    def parts(self) -> list[Part]:
        """Validation, test and held-out corpora, each with every decision."""
        return list(parts(self.result))

    @cached_property
    def answers(self) -> list[Part]:
        """What the answer is made of: test and each held-out corpus by the asked decision; else validation."""
        first: dict[tuple[str, str | None], Part] = {}
        for part in self.parts:
            first.setdefault((part.part, part.corpus), part)
        shown = [part for part in first.values() if part.part != "validation"]
        return shown or list(first.values())

    @cached_property
    def predictions(self) -> pd.DataFrame | None:
        """One row for each answered utterance and part."""
        path = self.folder / PREDICTIONS
        return pd.read_parquet(path) if path.is_file() else None

    def rows(self, part: Part) -> pd.DataFrame | None:
        """Predictions of a part; of held-out corpora the open decision stands in ``predicted``."""
        if self.predictions is None:
            return None
        chosen = self.predictions["part"] == part.part
        if part.corpus is not None:
            chosen &= self.predictions["corpus"] == part.corpus
        return self.predictions[chosen]

    @cached_property
    def together(self) -> dict[str, Path]:
        """Task -> folder of the runs that one head learned with this one and that are still beside it."""
        others = {name: self.folder.parent / name for name in self.result.get("together", [])}
        return {name: folder for name, folder in others.items() if (folder / CONFIG).is_file()}

    @cached_property
    def calibration(self) -> dict[str, Any]:
        """The content of ``calibration.json``, {} without one."""
        return self._json("calibration.json") or {}

    @cached_property
    def groups(self) -> dict[str, Any]:
        """Part -> groups and gaps."""
        found: dict[str, Any] = (self._json("groups.json") or {}).get("parts", {})
        return found

    @cached_property
    def published(self) -> list[dict[str, Any]]:
        """Published numbers of the task, each comparable or not."""
        return self._json("published.json") or []

    @cached_property
    def robustness(self) -> list[dict[str, Any]]:
        """Held-out scores of perturbed copies."""
        found: list[dict[str, Any]] = (self._json("robustness.json") or {}).get("rows", [])
        return found

    @cached_property
    def curves(self) -> pd.DataFrame | None:
        """Learning curves: ``step``, ``<what>/<head>``."""
        path = self.folder / _CURVES
        return pd.read_csv(path) if path.is_file() and path.stat().st_size else None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, {} without one."""
        path = self.folder / CONFIG
        return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def interval(self) -> float | None:
        """Half of the width of the intervals of numbers, None without."""
        for entry in self.calibration.get("calibration", {}).get("conformal", []):
            if entry["kind"] == "interval" and abs(entry["level"] - _LEVEL) < 1e-9:
                return cast(float | None, entry["quantile"])
        return None

    def _json(self, name: str) -> Any:
        path = self.folder / name
        return read_json(path) if path.is_file() else None


def read_folder(folder: Path, result: Result | None = None) -> RunFolder:
    """A result's folder.

    Args:
        folder: a run or evaluation folder.
        result: the content of ``metrics.json`` where that is not written yet.

    Raises:
        BundleError: no result there, or one of another version.
    """
    if result is None:
        if not (folder / METRICS).is_file():
            raise BundleError(
                f"{folder} has no {METRICS}: name the folder of a run, an evaluation, a sweep or a matrix that ended"
            )
        result = cast(Result, in_order(read_json(folder / METRICS)))
    check_result(result)
    return RunFolder(folder, result)


def in_order(value: Any) -> Any:
    """JSON with its metrics as they are always named, UAR before WA: a file has its keys sorted by letters.

    >>> in_order({"b": {"wa": 1, "uar": 2}})
    {'b': {'uar': 2, 'wa': 1}}
    """
    if isinstance(value, list):
        return [in_order(one) for one in value]
    if not isinstance(value, dict):
        return value
    names = [name for name in NAMES if name in value] if set(value) <= set(NAMES) else list(value)
    return {name: in_order(value[name]) for name in names}


def study_key(part: Part) -> str:
    """How ``calibration.json`` and ``groups.json`` name a part."""
    return f"heldout:{part.corpus}" if part.corpus is not None else part.part


def anchor(text: str) -> str:
    """A text as the name of a file or an anchor.

    >>> anchor("held-out emodb, masked")
    'held-out-emodb-masked'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
