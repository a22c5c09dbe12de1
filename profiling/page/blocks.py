"""What a page holds, as data: sections of blocks. How it looks is the templates'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from profiling.page.drawing import Drawing


@dataclass(frozen=True)
class Link:
    """A table cell that leads somewhere."""

    text: str
    to: str


@dataclass(frozen=True)
class Sound:
    """A table cell that plays a recording; the file is referred to, never embedded."""

    file: str
    label: str


Cell = str | Link | Sound


@dataclass(frozen=True)
class Text:
    """A paragraph; ``tone``: ``warning`` is what nobody may overlook, ``note`` is small print; ``links`` end it."""

    text: str
    tone: Literal["plain", "warning", "note"] = "plain"
    links: Sequence[Link] = ()
    block: ClassVar[str] = "text"


@dataclass(frozen=True)
class Listing:
    """Sentences one below the other."""

    lines: Sequence[str]
    block: ClassVar[str] = "listing"


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str
    block: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table:
    """Rows under a head; ``name`` names its CSV file, None where it has none."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    name: str | None = None
    block: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A drawing with its caption; ``name`` names its SVG file."""

    name: str
    drawing: Drawing
    caption: str
    block: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Tile:
    """One number of the answer: where, how much, how sure, beside what; ``verdict`` is better, worse or unsure."""

    title: str
    value: str
    details: Sequence[str]
    verdict: Literal["better", "worse", "unsure", "none"]
    verdict_text: str


@dataclass(frozen=True)
class Tiles:
    """The answer at a glance."""

    tiles: Sequence[Tile]
    block: ClassVar[str] = "tiles"


@dataclass(frozen=True)
class Fold:
    """What is shown when asked for, and always in print."""

    summary: str
    blocks: Sequence[Block]
    block: ClassVar[str] = "fold"


@dataclass(frozen=True)
class Group:
    """A smaller heading and what is under it."""

    title: str
    blocks: Sequence[Block]
    block: ClassVar[str] = "group"


@dataclass(frozen=True)
class Row:
    """Blocks side by side where there is room."""

    blocks: Sequence[Block]
    block: ClassVar[str] = "row"


Block = Text | Listing | Code | Table | Picture | Tiles | Fold | Group | Row


@dataclass(frozen=True)
class Section:
    """A heading and what is under it; ``key`` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A whole page: ``lead`` in a sentence or two, ``warnings`` above everything."""

    title: str
    lead: str
    sections: Sequence[Section]
    warnings: Sequence[str] = ()
    foot: str = ""
    kind: str = field(default="report")


def all_blocks(blocks: Sequence[Block]) -> list[Block]:
    """Every block, those within others too, in the order of the page."""
    found: list[Block] = []
    for block in blocks:
        found.append(block)
        if isinstance(block, (Fold, Group, Row)):
            found += all_blocks(block.blocks)
    return found
