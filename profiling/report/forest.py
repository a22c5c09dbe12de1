"""Forest plots: one value a row with its interval, and what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiling.page.drawing import Drawing, Scale, shortened, text_width, tick_text

_ROW_PX, _TOP_PX, _BOTTOM_PX = 26.0, 12.0, 42.0
_PLOT_PX = 300.0
_MARGIN_PX = 16.0


@dataclass(frozen=True)
class ForestRow:
    """One row.

    Attributes:
        label: who or what.
        value: None where it is undefined.
        low: lower end, None without an interval.
        high: upper end, None without an interval.
        text: the numbers in words, at the right.
        mark: what a constant answer has, None without one.
        note: shown smaller after the label, such as a small group's remark.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    mark: float | None = None
    note: str = ""


def forest(
    rows: Sequence[ForestRow],
    title: str,
    axis: str,
    *,
    limits: tuple[float, float] | None = None,
    line: float | None = None,
) -> Drawing:
    """A row for each value: dot, interval, and an upright mark for the constant answer.

    Args:
        rows: at least one.
        title: what it is.
        axis: name of the values with their unit.
        limits: of the axis; by default around the values.
        line: an upright line through all rows, such as zero skill.
    """
    left = _MARGIN_PX + max(text_width(shortened(row.label)) for row in rows)
    right = _MARGIN_PX + max(text_width(row.text) for row in rows)
    height = _TOP_PX + _ROW_PX * len(rows) + _BOTTOM_PX
    drawing = Drawing(left + _PLOT_PX + right, height, title, describe(rows, axis))
    low, high = limits or _limits(rows, line)
    scale = Scale(low, high, left, left + _PLOT_PX)
    bottom = height - _BOTTOM_PX
    _axis(drawing, scale, bottom, axis)
    if line is not None:
        drawing.line((scale(line), _TOP_PX), (scale(line), bottom), "b")
    for number, row in enumerate(rows):
        _row(drawing, scale, row, _TOP_PX + _ROW_PX * (number + 0.5), left)
    return drawing


def _axis(drawing: Drawing, scale: Scale, bottom: float, name: str) -> None:
    for tick in scale.ticks():
        drawing.line((scale(tick), _TOP_PX), (scale(tick), bottom), "grid")
        drawing.text((scale(tick), bottom + 16), tick_text(tick), "mute", "middle")
    drawing.line((scale.start_px, bottom), (scale.end_px, bottom), "axis")
    drawing.text(((scale.start_px + scale.end_px) / 2, bottom + 34), name, "mute", "middle")


def _row(drawing: Drawing, scale: Scale, row: ForestRow, y: float, left: float) -> None:
    drawing.text((left - 8, y + 4), shortened(row.label), "ink", "end")
    drawing.text((scale.end_px + 10, y + 4), row.text, "mute")
    if row.low is not None and row.high is not None:
        drawing.line((_within(scale, row.low), y), (_within(scale, row.high), y), "a")
    if row.mark is not None:
        drawing.line((_within(scale, row.mark), y - 8), (_within(scale, row.mark), y + 8), "mark")
    if row.value is not None:
        known = row.low is not None
        drawing.dot(
            (_within(scale, row.value), y),
            5 if known else 4.5,
            "a" if known else "hollow",
            row.note or row.text,
        )


def _within(scale: Scale, value: float) -> float:
    return scale(min(max(value, scale.low), scale.high))


def _limits(rows: Sequence[ForestRow], line: float | None) -> tuple[float, float]:
    values = [v for row in rows for v in (row.value, row.low, row.high, row.mark) if v is not None]
    values += [line] if line is not None else []
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5
    return (0.0 if 0 <= low < 0.35 * high else low - room), high + room


def describe(rows: Sequence[ForestRow], axis: str) -> str:
    """The rows in words."""
    return f"{axis}. " + "; ".join(f"{row.label}: {row.text}" for row in rows) + "."
