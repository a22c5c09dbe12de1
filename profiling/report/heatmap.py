"""Tables in colour: confusion matrices, and what was trained on one corpus scored on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiling.page.drawing import Drawing, shortened, text_width

_CELL_PX, _CELL_HEIGHT_PX, _TOP_PX, _MARGIN_PX = 64.0, 42.0, 30.0, 14.0
_SLANT = -35.0
_FULL = 0.55  # opacity of a full cell: dark text stays readable on it, and light text in the dark


@dataclass(frozen=True)
class HeatCell:
    """One cell: ``share`` in 0..1 is its colour, ``text`` and the smaller ``below`` stand in it; ``framed``: apart."""

    share: float
    text: str
    below: str = ""
    framed: bool = False


def heatmap(
    cells: Sequence[Sequence[HeatCell]],
    names: tuple[Sequence[str], Sequence[str]],
    axes: tuple[str, str],
    title: str,
    description: str,
) -> Drawing:
    """Rows of cells.

    Args:
        cells: (rows, columns).
        names: of the rows and of the columns.
        axes: what rows and columns are.
        title: what it is.
        description: what it shows, in words.
    """
    rows, columns = names
    left = _MARGIN_PX + 18 + max(text_width(shortened(name, 20)) for name in rows)
    wide = max(_CELL_PX, *(text_width(cell.below) * 0.85 + 10 for row in cells for cell in row))
    straight = all(text_width(name) < wide - 4 for name in columns)
    below = 0.0 if straight else 0.6 * max(text_width(shortened(name, 20)) for name in columns)
    said = f"rows: {axes[0]}, columns: {axes[1]}"
    across = max(wide * len(columns), text_width(said)) + _MARGIN_PX + 20
    size = (left + across, _TOP_PX + _CELL_HEIGHT_PX * len(rows) + below + 28)
    drawing = Drawing(*size, title, description)
    drawing.text((left, _TOP_PX - 12), said, "mute")
    for i, row in enumerate(cells):
        y = _TOP_PX + _CELL_HEIGHT_PX * i
        drawing.text((left - 8, y + _CELL_HEIGHT_PX / 2 + 4), shortened(rows[i], 20), "ink", "end")
        for j, cell in enumerate(row):
            _cell(drawing, cell, (left + wide * j, y), wide)
    _names_below(drawing, columns, (left, _TOP_PX + _CELL_HEIGHT_PX * len(rows)), wide, straight=straight)
    return drawing


def _cell(drawing: Drawing, cell: HeatCell, corner: tuple[float, float], wide: float) -> None:
    x, y = corner
    size = (wide - 2, _CELL_HEIGHT_PX - 2)
    drawing.rect(corner, size, "sheet")
    if cell.share > 0:
        drawing.rect(corner, size, "a", opacity=_FULL * min(cell.share, 1.0))
    middle = x + wide / 2 - 1
    drawing.text((middle, y + (18 if cell.below else 24)), cell.text, "strong", "middle")
    if cell.below:
        drawing.text((middle, y + 33), cell.below, "count", "middle")
    if cell.framed:
        drawing.rect((x + 1, y + 1), (size[0] - 2, size[1] - 2), "self")


def _names_below(
    drawing: Drawing, columns: Sequence[str], corner: tuple[float, float], wide: float, *, straight: bool
) -> None:
    x, y = corner
    for j, name in enumerate(columns):
        middle = x + wide * (j + 0.5)
        if straight:
            drawing.text((middle, y + 16), name, "ink", "middle")
        else:
            drawing.text((middle + 6, y + 14), shortened(name, 20), "ink", "end", turn=_SLANT)
