"""Pictures of a score: confusion matrix, recall of each class, age against age. For paper and screen.

Colours are from the Okabe-Ito palette and matplotlib's sequential maps, told apart by colour-blind eyes
and in grey. Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from profiling.evaluation.result import Confusion
from profiling.provenance import atomic_write

DPI = 160
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
_MAX_POINTS = 20_000  # more points only darken a scatter; a fixed subset is drawn


def confusion_figure(confusion: Confusion, title: str) -> Figure:
    """Row-normalised confusion matrix: share of each reference label, and the counts.

    Rows without a reference are left out; columns are everything that may be answered.
    """
    counts = np.asarray(confusion["matrix"], dtype=np.float64)
    rows = np.flatnonzero(counts.sum(1) > 0)
    counts = counts[rows]
    shares = counts / counts.sum(1, keepdims=True)
    figure, axes = canvas(max(5.0, 2.2 + 0.85 * counts.shape[1]), 1.9 + 0.72 * len(rows))
    axes.imshow(shares, cmap=colormaps["Blues"], vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(*counts.shape):
        colour = "white" if shares[i, j] > 0.55 else "black"
        axes.text(
            j, i - 0.08, f"{100 * shares[i, j]:.0f} %", ha="center", va="center", color=colour, fontsize=11
        )
        axes.text(j, i + 0.24, f"{counts[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    labels = confusion["labels"]
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [labels[row] for row in rows])
    axes.set_xlabel("answered")
    axes.set_ylabel("reference")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _titled(figure, title)


def recall_figure(recall: dict[str, dict[str, Any]], constant: float | None, title: str) -> Figure:
    """Recall of each class with its interval over speakers; the dashed line is the constant's UAR."""
    figure, axes = canvas(6.2, 1.5 + 0.42 * len(recall))
    for row, found in enumerate(recall.values()):
        if found["low"] is not None:
            axes.plot(
                [found["low"], found["high"]],
                [row, row],
                color=BLUE,
                linewidth=2.5,
                alpha=0.55,
                solid_capstyle="butt",
            )
        axes.plot(found["value"], row, "o", color=BLUE, markersize=8)
    if constant is not None:
        axes.axvline(constant, color=ORANGE, linestyle="--", linewidth=1.5, zorder=1)
        axes.annotate(
            "UAR of a constant",
            (constant, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, 3),
            textcoords="offset points",
            color=ORANGE,
            fontsize=9,
        )
    axes.set_yticks(range(len(recall)), [f"{label}  (n = {found['n']})" for label, found in recall.items()])
    axes.set_ylim(len(recall) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("recall, 95 % interval over speakers")
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    return _titled(figure, title, pad=20)


def layer_weights_figure(weights: dict[str, float], title: str) -> Figure:
    """What a layer-mix reads; the dashed line is an equal share."""
    figure, axes = canvas(6.2, 1.5 + 0.42 * len(weights))
    rows = range(len(weights))
    axes.barh(rows, list(weights.values()), color=BLUE, height=0.6)
    for row, weight in zip(rows, weights.values(), strict=True):
        axes.text(weight + 0.01, row, f"{weight:.2f}", va="center", fontsize=9)
    axes.axvline(1 / len(weights), color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(rows, list(weights))
    axes.invert_yaxis()
    axes.set_xlim(0, min(1.1, max(weights.values()) * 1.2))
    axes.set_xlabel("weight")
    axes.spines[["top", "right"]].set_visible(False)
    return _titled(figure, title)


def scatter_figure(
    reference: Sequence[float] | NDArray[np.float64],
    predicted: Sequence[float] | NDArray[np.float64],
    constant: float,
    unit: str,
    title: str,
) -> Figure:
    """Predicted against reference, with the identity and the constant predictor's answer."""
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if len(x) > _MAX_POINTS:
        kept = np.random.default_rng(0).choice(len(x), _MAX_POINTS, replace=False)
        x, y = x[kept], y[kept]
    figure, axes = canvas(5.6, 5.4)
    low, high = float(min(x.min(), y.min(), constant)), float(max(x.max(), y.max(), constant))
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    alpha = float(np.clip(60 / np.sqrt(len(x)) / 6, 0.08, 0.7))
    axes.scatter(x, y, s=14, color=BLUE, alpha=alpha, linewidths=0, label="utterance")
    axes.plot(limits, limits, color=GREY, linewidth=1.5, label="predicted = reference")
    axes.axhline(
        constant, color=ORANGE, linestyle="--", linewidth=1.5, label=f"constant answer, {constant:.1f} {unit}"
    )
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    axes.set_xlabel(f"reference, {unit}")
    axes.set_ylabel(f"predicted, {unit}")
    axes.grid(color="#e5e5e5")
    axes.set_axisbelow(True)
    legend = axes.legend(loc="upper left", fontsize=9, framealpha=0.9)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return _titled(figure, title)


def save(figure: Figure, path: Path) -> Path:
    """Writes a PNG, whole or not at all; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    atomic_write(path, buffer.getvalue())
    return path


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own in inches; no pyplot, so that servers and threads may draw."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _titled(figure: Figure, title: str, pad: float = 10) -> Figure:
    figure.axes[0].set_title(title, loc="left", fontsize=11, pad=pad)
    return figure
