"""What a trained run leaves on disk, and reading it back: the boundary between training and scoring.

- ``config.yaml``: the resolved configuration
- ``rows.parquet``: task rows of the training corpora, with the part of each in every fold
- ``logs/``: learning curves
- ``heads/<fold>/``: one bundle per fold; the final head among them
- ``validation.json``: validation scores, the only ones a selection may read
- ``metrics.json``, ``predictions.parquet``, ``report.md``, ``bundle/``: once test and held-out are opened
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from profiling.config import RunConfig
from profiling.corpora.protocol import Fold, Protocol
from profiling.errors import BundleError, ConfigError
from profiling.evaluation.summary import NAMES
from profiling.provenance import atomic_write, read_json

CONFIG, ROWS, HEADS, VALIDATION = "config.yaml", "rows.parquet", "heads", "validation.json"
LOGS = "logs"
METRICS, PREDICTIONS = "metrics.json", "predictions.parquet"
#: The worst validation score there is.
WORST = {"uar": 0.0, "mae": math.inf}
_PART_PREFIX, _SKIPPED = "part:", "skipped"
#: libyaml's, where PyYAML was built with it: a sweep reads and writes a configuration for every job.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Run:
    """A trained run read back.

    Attributes:
        folder: the run folder.
        config: the resolved configuration as plain values.
        rows: task rows of the training corpora, with one ``part:<fold>`` column per fold.
        validation: the content of ``validation.json``.
    """

    folder: Path
    config: dict[str, Any]
    rows: pd.DataFrame
    validation: dict[str, Any]

    @property
    def folds(self) -> list[str]:
        """Names of the folds with a head, the final one last."""
        columns = [str(column) for column in self.rows.columns]
        return [name.removeprefix(_PART_PREFIX) for name in columns if name.startswith(_PART_PREFIX)]

    def part(self, fold: str, part: str) -> np.ndarray:
        """(rows,) mask of a part of a fold."""
        mask: np.ndarray = (self.rows[_PART_PREFIX + fold] == part).to_numpy()
        return mask


def refuse_earlier_run(folder: Path) -> None:
    """Before anything is computed: a second run must not mix its files with those of a first.

    Raises:
        ConfigError: the folder holds a run, finished or not.
    """
    if (folder / VALIDATION).exists() or (folder / METRICS).exists():
        raise ConfigError(
            f"{folder} holds a run already; name another folder (hydra.run.dir=..., for a sweep hydra.sweep.dir=...)"
        )
    if (folder / HEADS).exists():
        raise ConfigError(f"{folder} holds a run that did not finish; remove the folder or name another")


def finished_before(folder: Path, signed: str) -> dict[str, Any] | None:
    """The ``validation.json`` of a job of a sweep that has run already; None where it has not.

    Args:
        folder: the job's folder.
        signed: signature of the run that is asked for.

    Raises:
        ConfigError: the folder holds another run.
    """
    if not (folder / VALIDATION).exists():
        return None
    validation: dict[str, Any] = read_json(folder / VALIDATION)
    if validation["signature"] != signed:
        raise ConfigError(
            f"{folder} holds a run with other settings or corpora; name another folder (hydra.sweep.dir=...)"
        )
    return validation


def clear_unfinished(folder: Path) -> None:
    """Removes what a killed job of a sweep left: heads without the scores that make a run whole."""
    if not (folder / VALIDATION).exists():
        shutil.rmtree(folder / HEADS, ignore_errors=True)


def skipped(config: RunConfig) -> dict[str, Any]:
    """What stands for the ``validation.json`` of a job whose corpus has no label of its task; never written."""
    name = "uar" if config.task.kind == "classification" else "mae"
    return {"task": config.task.name, "score_name": name, "score": None, "status": _SKIPPED}


def returned_score(validation: Mapping[str, Any]) -> float:
    """The validation score, or the worst there is where training diverged: a sweeper has to learn from it."""
    score: float | None = validation["score"]
    return WORST[validation["score_name"]] if score is None else score


def validation_line(validation: Mapping[str, Any]) -> str:
    """What is said at the end of a job of a sweep."""
    if validation["status"] == _SKIPPED:
        return f"skipped: the corpus has no label of task {validation['task']}"
    score = validation["score"]
    shown = "none, training diverged" if score is None else f"{score:.4f}"
    name = NAMES[validation["score_name"]]
    return f"validation {name} {shown}; test and held-out stay closed until a winner is chosen"


def folds_of(protocol: Protocol) -> list[Fold]:
    """Every fold that gets a head, the final one last."""
    return [*(fold for fold in protocol.folds if fold is not protocol.final), protocol.final]


def write_config(folder: Path, config: object) -> None:
    """Writes the resolved configuration as YAML."""
    text = yaml.dump(asdict(config), Dumper=_DUMPER, sort_keys=False)  # type: ignore[call-overload]
    atomic_write(folder / CONFIG, text)


def rows_with_parts(rows: pd.DataFrame, folds: Sequence[Fold]) -> bytes:
    """The task rows with their part in every fold, as Parquet."""
    table = rows.copy()
    for fold in folds:
        part = np.full(len(rows), "", dtype=object)
        for name, mask in fold.parts().items():
            part[mask] = name
        table[_PART_PREFIX + fold.name] = part
    return as_parquet(table)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Atomic Parquet."""
    atomic_write(path, as_parquet(table))


def as_parquet(table: pd.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file, without its ``attrs``."""
    buffer = io.BytesIO()
    plain = table.copy()
    plain.attrs = {}
    plain.to_parquet(buffer, index=False)
    return buffer.getvalue()


def head_folder(folder: Path, fold: str) -> Path:
    """Where the head of a fold is kept; fold names may hold a speaker's id with a slash."""
    return folder / HEADS / fold.replace("/", "~")


def read_run(folder: Path) -> Run:
    """Reads a trained run.

    Raises:
        BundleError: not a run folder, or training did not finish.
    """
    for name in (CONFIG, ROWS, VALIDATION):
        if not (folder / name).is_file():
            raise BundleError(f"{folder} has no {name}: not a run folder, or its training did not finish")
    config = yaml.load((folder / CONFIG).read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe one
    return Run(folder, config, pd.read_parquet(folder / ROWS), read_json(folder / VALIDATION))
