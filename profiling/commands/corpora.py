"""``profiling corpora [NAME ...]``: which corpora can be read, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence

from profiling.commands.arguments import Parser, answer
from profiling.errors import ConfigError, did_you_mean

EPILOG = "profiling corpora NAME prints a corpus's card: licence, citation, layout, label map, traps."
#: Task -> the manifest's column.
_TASKS = {
    "age": "age_years",
    **{name: name for name in ("gender", "emotion", "arousal", "valence", "dominance")},
}


def main(argv: Sequence[str]) -> int:
    """Prints the table of readers, or the cards of those named."""
    parser = Parser("profiling corpora", description="List the corpora that can be read.", epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="print these cards in full")
    parser.add_argument("--task", choices=list(_TASKS), help="only corpora with labels for it")
    parser.add_argument("--markdown", action="store_true", help="the table as docs/corpora.md holds it")
    arguments = parser.parse_args(argv)

    from profiling.corpora.cards import read_card
    from profiling.corpora.listing import all_cards, card_lines, listing_lines, markdown_table
    from profiling.corpora.reading import reader_names

    if arguments.names and arguments.markdown:
        raise ConfigError("--markdown prints the table of all corpora; leave the names out")
    for name in arguments.names:
        if name not in (known := reader_names()):
            raise ConfigError(f"no corpus reader {name!r}; {did_you_mean(name, known)}")
        answer("\n".join(card_lines(read_card(name))))
    if not arguments.names:
        cards = all_cards(_TASKS.get(arguments.task))
        answer(markdown_table(cards) if arguments.markdown else "\n".join(listing_lines(cards)))
    return 0
