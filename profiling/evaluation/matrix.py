"""Train x test over a list of corpora: a score for every pair, self and cross means, tables and a heat map.

Rows are the corpora a head was trained on, columns those it was scored on. The diagonal is scored on the training
corpus's own test speakers; everything else on people, microphones and mostly languages the head never heard.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from profiling.evaluation.comparison import Comparison
from profiling.evaluation.result import Result, Score

METRICS = {"classification": "uar", "regression": "mae"}
LARGER_IS_BETTER = {"uar": True, "mae": False}
_PERCENT = {"uar"}


@dataclass(frozen=True)
class Cell:
    """One head on one corpus.

    Attributes:
        train: corpus the head was trained on.
        test: corpus it was scored on; the same on the diagonal.
        value: the metric; None where it is undefined.
        low: lower end of its 95 % interval over speakers; None without one.
        high: upper end.
        constant: the metric of the constant predictor.
        n: utterances scored.
        speakers: their speakers; None where ids are missing.
        labels: how many labels were told apart; 0 for numbers.
        not_scored: utterances whose label the head does not know.
    """

    train: str
    test: str
    value: float | None
    low: float | None
    high: float | None
    constant: float | None
    n: int
    speakers: int | None
    labels: int
    not_scored: int = 0

    @property
    def own(self) -> bool:
        """Whether it is on the diagonal."""
        return self.train == self.test


@dataclass(frozen=True)
class Matrix:
    """All of it.

    Attributes:
        task: what is predicted.
        metric: ``uar`` or ``mae``.
        decision: ``masked`` (each pair on the labels it shares) or ``common`` (all on the labels of all corpora).
        corpora: in the order given, rows and columns.
        cells: one per pair.
        comparisons: of training corpora on the same utterances of each test corpus.
    """

    task: str
    metric: str
    decision: str
    corpora: tuple[str, ...]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...] = ()

    def values(self) -> NDArray[np.float64]:
        """(corpora, corpora) trained on x tested on; NaN where undefined."""
        found = {(cell.train, cell.test): cell.value for cell in self.cells}
        rows = [[found[train, test] for test in self.corpora] for train in self.corpora]
        return np.array([[np.nan if value is None else value for value in row] for row in rows])

    def means(self) -> dict[str, Any]:
        """Mean of the diagonal, of everything else, and of everything else by training and by test corpus."""
        values, own = self.values(), np.eye(len(self.corpora), dtype=bool)
        cross = np.where(own, np.nan, values)
        return {
            "self": _mean(values[own]),
            "cross": _mean(cross),
            "cross_by_train": {name: _mean(row) for name, row in zip(self.corpora, cross, strict=True)},
            "cross_by_test": {
                name: _mean(column) for name, column in zip(self.corpora, cross.T, strict=True)
            },
        }

    def document(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "task": self.task,
            "metric": self.metric,
            "larger_is_better": LARGER_IS_BETTER[self.metric],
            "decision": self.decision,
            "corpora": list(self.corpora),
            "cells": [asdict(cell) | {"self": cell.own} for cell in self.cells],
            "means": self.means(),
            "comparisons": [one.as_dict() for one in self.comparisons],
        }


def _mean(values: NDArray[np.float64]) -> float | None:
    present = values[np.isfinite(values)]
    return float(present.mean()) if len(present) else None


def cells_of(corpus: str, result: Result, corpora: Sequence[str], metric: str) -> list[Cell]:
    """The row of a head: its own test speakers, and every other corpus, masked."""
    scores = result["scores"]
    cells = []
    for test in corpora:
        if test == corpus:
            cells.append(_cell(corpus, test, scores["test"], metric, 0, len(result["task"]["labels"] or ())))
        else:
            held = scores["heldout"][test]
            missed = sum(held["not_scored"].values())
            cells.append(_cell(corpus, test, held["masked"], metric, missed, len(held["shared_labels"])))
    return cells


def _cell(train: str, test: str, score: Score, metric: str, missed: int, labels: int) -> Cell:
    found = score["metrics"][metric]
    constant = score["constant"].get(metric)
    known = None if constant is None else float(constant)
    return Cell(
        train,
        test,
        found["value"],
        found["low"],
        found["high"],
        known,
        score["n"],
        score["speakers"],
        labels,
        missed,
    )


def table(matrix: Matrix) -> pd.DataFrame:
    """One row per cell, for a CSV."""
    return pd.DataFrame([asdict(cell) | {"self": cell.own, "metric": matrix.metric} for cell in matrix.cells])


def shown(value: float | None, metric: str) -> str:
    """As people read it: UAR in percent."""
    if value is None or not np.isfinite(value):
        return "n/a"
    return f"{100 * value:.1f}" if metric in _PERCENT else f"{value:.2f}"


def markdown(matrix: Matrix) -> str:
    """The matrix, its means, and what was told apart."""
    unit = "UAR in %" if matrix.metric == "uar" else "MAE"
    means = matrix.means()
    lines = [
        f"# {matrix.task}: trained on (rows) x tested on (columns), {unit}, labels={matrix.decision}",
        "",
    ]
    lines += _grid(matrix, means)
    lines += [
        "",
        f"Self mean {shown(means['self'], matrix.metric)}, cross mean {shown(means['cross'], matrix.metric)}.",
        "",
    ]
    lines += [
        "The diagonal is scored on speakers of the same corpus that were not trained on. In brackets: 95 % interval "
        "over speakers; c: the constant predictor; k: labels told apart. Cells with another k are not comparable: "
        "use matrix.labels=common for that.",
        "",
        "![heat map](matrix.png)",
        "",
        "## On the same utterances",
        "",
        *_compared(matrix),
    ]
    return "\n".join(lines) + "\n"


def _grid(matrix: Matrix, means: dict[str, Any]) -> list[str]:
    cells = {(cell.train, cell.test): cell for cell in matrix.cells}
    lines = [
        f"| trained on | {' | '.join(matrix.corpora)} | mean of others |",
        "|---" * (len(matrix.corpora) + 2) + "|",
    ]
    for train in matrix.corpora:
        row = [_cell_text(cells[train, test], matrix.metric) for test in matrix.corpora]
        lines.append(
            f"| {train} | {' | '.join(row)} | {shown(means['cross_by_train'][train], matrix.metric)} |"
        )
    by_test = [shown(means["cross_by_test"][test], matrix.metric) for test in matrix.corpora]
    lines.append(f"| mean of others | {' | '.join(by_test)} | {shown(means['cross'], matrix.metric)} |")
    return lines


def _cell_text(cell: Cell, metric: str) -> str:
    interval = "" if cell.low is None else f" [{shown(cell.low, metric)}, {shown(cell.high, metric)}]"
    value = shown(cell.value, metric)
    told = f", k {cell.labels}" if cell.labels else ""
    return f"{f'**{value}**' if cell.own else value}{interval} (c {shown(cell.constant, metric)}{told})"


def _compared(matrix: Matrix) -> Iterable[str]:
    if not matrix.comparisons:
        yield "Nothing was compared."
        return
    yield "Sign-flip test over speakers, p corrected for everything here (Holm)."
    yield ""
    yield "| tested on | trained on A | trained on B | A | B | A - B [95 %] | speakers | p | verdict for A |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in matrix.comparisons:
        interval = (
            "" if one.low is None else f" [{shown(one.low, one.metric)}, {shown(one.high, one.metric)}]"
        )
        p_value = "none" if one.p_holm is None else f"{one.p_holm:.3f}"
        values = [shown(value, one.metric) for value in (one.value_a, one.value_b, one.difference)]
        yield (
            f"| {one.where} | {one.a} | {one.b} | {values[0]} | {values[1]} | {values[2]}{interval} | "
            f"{one.speakers or 'unknown'} | {p_value} | {one.verdict()} |"
        )


def heat_map(matrix: Matrix) -> Figure:
    """The matrix as a picture; the diagonal is framed."""
    values, size = matrix.values(), len(matrix.corpora)
    figure = Figure(figsize=(2.6 + 1.3 * size, 1.9 + 0.95 * size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    low, high = _limits(matrix, values)
    palette = "viridis" if LARGER_IS_BETTER[matrix.metric] else "viridis_r"
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=colormaps[palette], vmin=low, vmax=high, aspect="auto"
    )
    for cell in matrix.cells:
        row, column = matrix.corpora.index(cell.train), matrix.corpora.index(cell.test)
        place = 0.0 if cell.value is None else (cell.value - low) / (high - low)
        bright = place > 0.6 if LARGER_IS_BETTER[matrix.metric] else place < 0.4
        colour = "black" if bright else "white"
        told = f"\n{cell.labels} labels" if cell.labels else ""
        axes.text(
            column,
            row,
            f"{shown(cell.value, matrix.metric)}{told}",
            ha="center",
            va="center",
            color=colour,
            fontsize=10,
        )
        if cell.own:
            frame = {"fill": False, "edgecolor": "#D55E00", "linewidth": 2.5}
            axes.add_patch(_rectangle(column - 0.48, row - 0.48, frame))
    axes.set_xticks(range(size), list(matrix.corpora), rotation=25, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), list(matrix.corpora))
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    unit = "UAR, %" if matrix.metric == "uar" else "MAE"
    axes.set_title(f"{matrix.task}, {unit}, labels={matrix.decision}", loc="left", fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def _rectangle(x: float, y: float, style: dict[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.96, 0.96, **style)


def _limits(matrix: Matrix, values: NDArray[np.float64]) -> tuple[float, float]:
    if matrix.metric == "uar":
        return 0.0, 1.0
    present = values[np.isfinite(values)]
    return 0.0, float(present.max()) if len(present) else 1.0


def png(figure: Figure, dpi: int = 160) -> bytes:
    """The picture's bytes; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
