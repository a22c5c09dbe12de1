"""What readers there are, for people: a table of all, one card in full, and the table of ``docs/corpora.md``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from profiling.corpora.cards import Card, read_card
from profiling.corpora.reading import reader_names
from profiling.scales import DIMENSIONS

#: Columns of the listing; the longest comes last so that it may be cut by the screen.
HEADER = ("reader", "labels", "languages", "utterances", "speakers", "hours", "grade", "licence")
_WIDTH = 100  # columns of text in which a card is told
_SHOWN_LANGUAGES = 3


def all_cards(column: str | None = None) -> list[Card]:
    """The cards of every reader in alphabetical order; only those that give a label column if one is named."""
    cards = [read_card(name) for name in reader_names()]
    return [card for card in cards if column is None or column in card.gives]


def listing_lines(cards: Sequence[Card]) -> list[str]:
    """An aligned table: a header, then one line per card."""
    rows = [HEADER, *(cells(card) for card in cards)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER) - 1)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]


def markdown_table(cards: Sequence[Card]) -> str:
    """The same table in Markdown, as ``docs/corpora.md`` holds it."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    for card in cards:
        name, *others = (cell.replace("|", "\\|") for cell in cells(card))
        lines.append("| " + " | ".join([f"`{name}`", *others]) + " |")
    return "\n".join(lines)


def cells(card: Card) -> tuple[str, ...]:
    """One row of the table; what the publisher does not state is ``-``, what depends on the user's data too."""
    languages = list(card.languages[:_SHOWN_LANGUAGES])
    if len(card.languages) > _SHOWN_LANGUAGES:
        languages.append(f"+{len(card.languages) - _SHOWN_LANGUAGES}")
    sizes = [f"{card.size[key]:,}" if key in card.size else "-" for key in ("utterances", "speakers")]
    hours = "-" if card.hours is None else f"{card.hours:,g}"
    grade = "-" if card.grade == "none" else card.grade
    return (card.name, _labels(card) or "-", " ".join(languages) or "-", *sizes, hours, grade, card.licence)


def _labels(card: Card) -> str:
    """What the corpus can teach: ``age`` (``binned`` where it stands for a decade or class), ``emotion``, ..."""
    given = [name for name in card.gives if name not in DIMENSIONS and name != "emotion_votes"]
    words = ["age" + " (binned)" * card.age_binned if name == "age_years" else name for name in given]
    return ", ".join(words + ["dimensions"] * any(name in DIMENSIONS for name in card.gives))


def card_lines(card: Card) -> list[str]:
    """Everything a card says, wrapped."""
    return [card.name + " - " + card.title, *(line for entry in _entries(card) for line in _wrapped(*entry))]


def _entries(card: Card) -> Iterator[tuple[str, str]]:
    sizes = [f"{value:,} {key}" for key, value in card.size.items()]
    size = ", ".join(sizes if card.hours is None else [*sizes, f"{card.hours:,g} h"])
    yield "labels", ", ".join(card.gives) or "whatever your data says"
    if card.age_binned:
        yield (
            "ages",
            "binned: an age is the middle of a decade or class, errors below half a bin mean nothing",
        )
    yield "languages", ", ".join(card.languages) or "-"
    yield "size", f"{size} (as published)" if size else "-"
    yield "licence", card.licence
    yield "citation", card.citation
    yield "from", card.homepage
    yield "layout", card.layout
    yield "official split", card.official_split or "none"
    for column, words in card.labels.items():
        yield f"{column} words", ", ".join(f"{word} = {ours or 'no label'}" for word, ours in words.items())
    if card.speakers:
        yield "known speakers", str(len(card.speakers))
    for trap in card.traps:
        yield "beware", trap
    yield "reader", card.grade
    for source in card.sources:
        yield "source", source
    for fact in card.unverified:
        yield "not looked up", fact


def _wrapped(key: str, text: str) -> list[str]:
    indent = " " * 18
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"  {key:<15} ", subsequent_indent=indent, break_on_hyphens=False
    )
