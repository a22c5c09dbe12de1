"""Blocks to HTML, and the files beside a page: pictures as SVG, tables as CSV."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from profiling import __version__
from profiling.page.blocks import Cell, Link, Page, Picture, Sound, Table, all_blocks
from profiling.provenance import atomic_write

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, page: Page) -> Path:
    """Writes the page, and its pictures and tables into the folder ``<name>_files`` beside it.

    Args:
        path: of the HTML file.
        page: what it holds.

    Returns:
        ``path``.
    """
    folder = path.with_name(f"{path.stem}_files")
    for block in (block for section in page.sections for block in all_blocks(section.blocks)):
        if isinstance(block, Picture):
            _put(folder / f"{block.name}.svg", block.drawing.svg(block.name, alone=True))
        elif isinstance(block, Table) and block.name:
            _put(folder / f"{block.name}.csv", table_csv(block))
    atomic_write(path, render(page, quote(folder.name)))
    return path


def _put(path: Path, text: str) -> None:
    """Without fsync, which for dozens of small files takes longer than the report; it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def render(page: Page, files: str) -> str:
    """The HTML.

    Args:
        page: what it holds.
        files: relative address of the folder of its pictures and tables.
    """
    template = _templates().get_template("page.html")
    return template.render(page=page, files=files, style=style(), version=__version__)


def framed(title: str, body: str) -> str:
    """A page whose body is HTML already, in the same frame."""
    from markupsafe import Markup

    return _templates().get_template("frame.html").render(title=title, body=Markup(body), style=style())  # noqa: S704


@cache
def style() -> str:
    """The style of every page."""
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("palette.css", "page.css"))


@cache
def _templates() -> Environment:
    # Here, because the command line pays for every import at the top.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["picture"] = lambda block: Markup(block.drawing.svg(block.name))  # noqa: S704 - Drawing escapes
    found.filters["numeric"] = numeric
    return found


def numeric(cell: Cell) -> bool:
    """Whether a cell is a number, to be set flush right.

    >>> numeric("0.32 [0.26, 0.38]"), numeric("-3"), numeric("nemo"), numeric("20 to 29")
    (True, True, False, False)
    """
    if not isinstance(cell, str) or not cell:
        return False
    first = cell.split(" [")[0].removesuffix("%").strip()
    return first.lstrip("+-").replace(".", "", 1).isdigit()


def table_csv(table: Table) -> str:
    """A table as CSV, links and sounds by their words."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.head)
    writer.writerows([[_plain(cell) for cell in row] for row in table.rows])
    return text.getvalue()


def _plain(cell: Cell) -> str:
    match cell:
        case Link(text, _):
            return text
        case Sound(_, label):
            return label
        case str(text):
            return text
