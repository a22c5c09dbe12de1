"""Learning curves of a bank: in memory, as CSV and for TensorBoard.

Lightning has loggers for the same; a run that trains nothing by gradient steps would import it for them alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

_STEP = "step"


class Log(Protocol):
    """Where curves go."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Takes the values of an epoch, by their names such as ``train_loss/<head>``."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


def close(logs: Iterable[Log]) -> None:
    """Closes all of them."""
    for log in logs:
        log.close()


class CurvesFile:
    """``csv/metrics.csv``: a line for each epoch, on disk as soon as it is known.

    Args:
        path: replaced where it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[dict[str, float]] = []
        self._names: dict[str, None] = {_STEP: None}  # an ordered set
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a line; names that were not there before make the file be written anew."""
        self._rows.append({_STEP: step, **metrics})
        known = len(self._names)
        self._names |= dict.fromkeys(metrics)
        anew = len(self._names) > known or len(self._rows) == 1
        with self.path.open("w" if anew else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self._names), lineterminator="\n")
            if anew:
                writer.writeheader()
            writer.writerows(self._rows if anew else self._rows[-1:])

    def close(self) -> None:
        """Every line is written already."""


class TensorBoardCurves:
    """An event file for TensorBoard, begun with the first values: its package takes a while to import.

    Args:
        folder: event files of earlier runs in it are removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Adds a point to every curve."""
        if self._writer is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(log_dir=str(self.folder))
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Ends the event file."""
        if self._writer is not None:
            self._writer.close()


class Curves:
    """Kept in memory: each head's are written into the folder of its own job.

    Attributes:
        rows: one per epoch, ``step`` and the values by their names, such as ``train_loss/<head>``.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._indexed: list[tuple[dict[str, float], dict[str, list[str]]]] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Remembers the values of an epoch."""
        self.rows.append({_STEP: float(step), **metrics})

    def close(self) -> None:
        """They stay."""

    def _by_head(self) -> list[tuple[dict[str, float], dict[str, list[str]]]]:
        """Every row with its keys by head, worked out once: a bank of a thousand heads writes a thousand tables."""
        for row in self.rows[len(self._indexed) :]:
            keys: dict[str, list[str]] = {}
            for key in row:
                keys.setdefault(key.partition("/")[2], []).append(key)
            self._indexed.append((row, keys))
        return self._indexed

    def table(self, heads: Collection[str]) -> str:
        """The curves of some heads as CSV, in the form of :class:`CurvesFile`."""
        kept = [
            {key: row[key] for head in heads for key in keys.get(head, ())} for row, keys in self._by_head()
        ]
        names = list(dict.fromkeys(name for row in kept for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *names], lineterminator="\n")
        writer.writeheader()
        steps = (int(row["step"]) for row in self.rows)
        writer.writerows(row | {"step": step} for row, step in zip(kept, steps, strict=True) if row)
        return text.getvalue()
