"""SVG drawn by hand: shapes named by what they mean, so that a page's colours (light, dark) reach into its pictures.

Text stays text. A drawing carries a title and a description; without them it is nothing to those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

_PALETTE = Path(__file__).parent / "templates" / "palette.css"
CHARACTER_PX = 6.6  # mean width of a character at 12 px, system-ui

Point = tuple[float, float]


@dataclass
class Drawing:
    """A picture of a size in pixels; shapes take classes of ``palette.css`` (``ink mute grid a b c band``).

    Attributes:
        width: in px.
        height: in px.
        title: what it is, in a few words.
        description: what it shows, for those who do not see it.
    """

    width: float
    height: float
    title: str
    description: str
    _shapes: list[str] = field(default_factory=list)

    def line(self, start: Point, end: Point, kind: str) -> None:
        """A straight line."""
        (x1, y1), (x2, y2) = start, end
        self._add(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def rect(self, corner: Point, size: Point, kind: str, opacity: float = 1.0) -> None:
        """A rectangle; ``corner`` is the upper left one."""
        (x, y), (width, height) = corner, size
        faint = "" if opacity >= 1 else f' fill-opacity="{opacity:.3f}"'
        self._add(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{faint}/>'
        )

    def dot(self, at: Point, radius: float, kind: str, note: str = "") -> None:
        """A filled circle; ``note`` is shown when it is pointed at."""
        said = f"<title>{escape(note)}</title>" if note else ""
        self._add(f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}">{said}</circle>')

    def polyline(self, points: Sequence[Point], kind: str) -> None:
        """Lines from point to point."""
        self._add(f'<polyline class="line {kind}" points="{_points(points)}"/>')

    def polygon(self, points: Sequence[Point], kind: str) -> None:
        """A filled shape."""
        self._add(f'<polygon class="{kind}" points="{_points(points)}"/>')

    def text(self, at: Point, text: str, kind: str = "ink", anchor: str = "start", turn: float = 0) -> None:
        """Text at its baseline; ``anchor``: start, middle or end; ``turn`` in degrees around ``at``."""
        x, y = at
        turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
        self._add(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>{escape(text)}</text>'
        )

    def svg(self, name: str, *, alone: bool = False) -> str:
        """The picture as SVG.

        Args:
            name: unique on its page; links title and description to it.
            alone: as a file of its own, which has to bring its colours along.
        """
        style = f"<style>{_PALETTE.read_text(encoding='utf-8')}</style>" if alone else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" role="img" '
            f'aria-labelledby="{name}-title {name}-description">{style}'
            f'<title id="{name}-title">{escape(self.title)}</title>'
            f'<desc id="{name}-description">{escape(self.description)}</desc>'
            f"{''.join(self._shapes)}</svg>"
        )

    def _add(self, shape: str) -> None:
        self._shapes.append(shape)


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


@dataclass(frozen=True)
class Scale:
    """Numbers to pixels, straight."""

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """Where a value lies, in px."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start_px + share * (self.end_px - self.start_px)

    def ticks(self, count: int = 6) -> list[float]:
        """Round numbers within the range, about ``count`` of them."""
        step = round_step((self.high - self.low) / max(count - 1, 1))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The nearest step of 1, 2, 2.5 or 5 times a power of ten that is not smaller.

    >>> round_step(0.17), round_step(3), round_step(2000)
    (0.2, 5.0, 2000.0)
    """
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def tick_text(value: float) -> str:
    """A tick's number without needless digits."""
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"


def text_width(text: str) -> float:
    """About how wide a label is, in px."""
    return len(text) * CHARACTER_PX


def shortened(text: str, most: int = 34) -> str:
    """A label that fits; its end is dropped."""
    return text if len(text) <= most else text[: most - 1] + "…"
