"""``profiling verify manifest reader:path ...``: are the recordings what the manifest says?"""

from __future__ import annotations

from collections.abc import Sequence

from profiling.commands.arguments import Parser, answer
from profiling.commands.places import split_paths
from profiling.errors import ConfigError

_SHOWN = 50


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"--workers {text}: must be at least 1")
    return int(text)


def main(argv: Sequence[str]) -> int:
    """Checks manifests; 0 all well, 1 problems were found."""
    parser = Parser("profiling verify", description="Check the recordings of corpora.")
    parser.add_argument("what", choices=["manifest"])
    parser.add_argument("corpora", nargs="+", metavar="READER:PATH")
    parser.add_argument("--depth", choices=["exists", "hash", "decode"], default="exists")
    parser.add_argument("--workers", type=_threads, default=2, help="threads")
    if {"-h", "--help"} & set(argv):
        parser.parse_args(argv)  # prints and leaves, before anything is imported
    paths, rest = split_paths(argv)
    arguments = parser.parse_args(rest)

    from profiling.corpora.reading import read_corpora
    from profiling.corpora.verify import verify_manifest

    table = read_corpora(arguments.corpora, vars(paths))
    problems = verify_manifest(table, arguments.depth, arguments.workers)
    for row in problems.head(_SHOWN).itertuples():
        answer(f"{row.utt_id}: {row.stage}: {row.reason}")
    if len(problems) > _SHOWN:
        answer(f"... and {len(problems) - _SHOWN} more")
    answer(f"{len(table)} utterances, {len(problems)} problems (depth {arguments.depth})")
    return 1 if len(problems) else 0
