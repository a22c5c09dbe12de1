"""Learning curves of a bank, kept in memory: each head's are written into the folder of its own job."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger


class Curves(Logger):
    """A Lightning logger that remembers.

    Attributes:
        rows: one per epoch, ``step`` and the values by their names, such as ``train_loss/<head>``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._indexed: list[tuple[dict[str, float], dict[str, list[str]]]] = []

    @property
    def name(self) -> str:
        """Lightning asks for one."""
        return "curves"

    @property
    def version(self) -> str:
        """Likewise."""
        return "memory"

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """A job's configuration is in its folder."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Remembers the values of an epoch."""
        self.rows.append({"step": float(step or 0), **metrics})

    def _by_head(self) -> list[tuple[dict[str, float], dict[str, list[str]]]]:
        """Every row with its keys by head, worked out once: a bank of a thousand heads writes a thousand tables."""
        for row in self.rows[len(self._indexed) :]:
            keys: dict[str, list[str]] = {}
            for key in row:
                keys.setdefault(key.partition("/")[2], []).append(key)
            self._indexed.append((row, keys))
        return self._indexed

    def table(self, heads: Collection[str]) -> str:
        """The curves of some heads as CSV, in the form of Lightning's own CSV logger."""
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
