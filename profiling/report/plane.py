"""Pictures with two axes: age against age, curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiling.page.drawing import Drawing, Point, Scale, text_width, tick_text

_LEFT_PX, _TOP_PX, _BOTTOM_PX, _RIGHT_PX = 54.0, 14.0, 44.0, 14.0
_MAX_POINTS = 1500  # more only darken the picture and weigh on the page; a fixed subset is drawn


@dataclass(frozen=True)
class Curve:
    """One line; ``kind`` is a class of ``palette.css``: a to d differ by colour and dashes, thin is one of many."""

    name: str
    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    kind: str
    dots: bool = False


@dataclass(frozen=True)
class Axes:
    """Two scales on a drawing, ready to be drawn on."""

    drawing: Drawing
    x: Scale
    y: Scale

    def at(self, x: float, y: float) -> Point:
        """Where a point lies."""
        return self.x(x), self.y(y)


def axes(
    size: tuple[float, float],
    limits: tuple[tuple[float, float], tuple[float, float]],
    names: tuple[str, str],
    title: str,
    description: str,
) -> Axes:
    """An empty plane with grid, ticks and names.

    Args:
        size: of the drawing in px.
        limits: of x and of y.
        names: of x and of y, with units.
        title: what it is.
        description: what it shows, in words.
    """
    width, height = size
    drawing = Drawing(width, height, title, description)
    x = Scale(*limits[0], _LEFT_PX, width - _RIGHT_PX)
    y = Scale(*limits[1], height - _BOTTOM_PX, _TOP_PX)
    for tick in x.ticks():
        drawing.line((x(tick), y.start_px), (x(tick), y.end_px), "grid")
        drawing.text((x(tick), y.start_px + 16), tick_text(tick), "mute", "middle")
    for tick in y.ticks():
        drawing.line((x.start_px, y(tick)), (x.end_px, y(tick)), "grid")
        drawing.text((x.start_px - 7, y(tick) + 4), tick_text(tick), "mute", "end")
    drawing.text(((x.start_px + x.end_px) / 2, height - 8), names[0], "mute", "middle")
    drawing.text((13, (y.start_px + y.end_px) / 2), names[1], "mute", "middle", turn=-90)
    return Axes(drawing, x, y)


def curves_chart(
    curves: Sequence[Curve],
    limits: tuple[tuple[float, float], tuple[float, float]],
    names: tuple[str, str],
    title: str,
    description: str,
    *,
    diagonal: bool = False,
) -> Drawing:
    """Lines over one another, named in a legend above; ``diagonal``: where y would equal x."""
    plane = axes((460, 320), limits, names, title, description)
    if diagonal:
        low, high = max(limits[0][0], limits[1][0]), min(limits[0][1], limits[1][1])
        plane.drawing.line(plane.at(low, low), plane.at(high, high), "mute")
    for curve in curves:
        points = [plane.at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
        plane.drawing.polyline(points, curve.kind)
        for point in points if curve.dots else []:
            plane.drawing.dot(point, 3.2, curve.kind)
    _legend(plane, [curve for curve in curves if curve.name])
    return plane.drawing


def _legend(plane: Axes, curves: Sequence[Curve]) -> None:
    """Above the plane: room is made there, so that no curve lies under its own name."""
    rows = [curves[start : start + 3] for start in range(0, len(curves), 3)]
    plane.drawing.height += 18.0 * len(rows) + 4
    for number, row in enumerate(rows):
        x, y = plane.x.start_px, plane.drawing.height - 8 - 18.0 * (len(rows) - 1 - number)
        for curve in row:
            plane.drawing.polyline([(x, y - 4), (x + 24, y - 4)], curve.kind)
            plane.drawing.text((x + 29, y), curve.name, "ink")
            x += 45 + text_width(curve.name)


def scatter_chart(
    reference: NDArray[np.float64],
    predicted: NDArray[np.float64],
    constant: float,
    interval: float | None,
    unit: str,
    title: str,
    description: str,
) -> Drawing:
    """Predicted against reference: identity, the constant answer, and the band of the interval.

    Args:
        reference: (n,) true values.
        predicted: (n,) answers.
        constant: the constant predictor's answer.
        interval: half of the interval's width, None without one; points inside the band are those it covers.
        unit: of all of them.
        title: what it is.
        description: what it shows, in words.
    """
    kept = np.arange(len(reference))
    if len(kept) > _MAX_POINTS:
        kept = np.random.default_rng(0).choice(len(kept), _MAX_POINTS, replace=False)
    low, high = _square(reference, predicted, constant)
    plane = axes(
        (440, 430),
        ((low, high), (low, high)),
        (f"reference, {unit}", f"predicted, {unit}"),
        title,
        description,
    )
    drawing = plane.drawing
    if interval is not None:
        drawing.polygon(_band(plane, low, high, interval), "band")
    drawing.line(plane.at(low, low), plane.at(high, high), "mute")
    drawing.line(plane.at(low, constant), plane.at(high, constant), "b")
    for x, y in zip(reference[kept], predicted[kept], strict=True):
        drawing.dot(plane.at(float(x), float(y)), 3.2, "faint")
    return drawing


def _square(*found: NDArray[np.float64] | float) -> tuple[float, float]:
    low, high = (
        float(bound([np.min(f) if bound is min else np.max(f) for f in found])) for bound in (min, max)
    )
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _band(plane: Axes, low: float, high: float, half: float) -> list[Point]:
    """Predicted within ``half`` of the reference, cut off at the plane's edges."""
    corners = [
        (low, low + half),
        (high - half, high),
        (high, high),
        (high, high - half),
        (low + half, low),
        (low, low),
    ]
    return [plane.at(min(max(x, low), high), min(max(y, low), high)) for x, y in corners]
