"""``profiling push RUN user/name``: a trained profiler with its card on the Hugging Face hub."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from profiling.commands.arguments import Parser, answer, say


def main(argv: Sequence[str]) -> int:
    """Shows what would travel, or pushes it and prints the commit."""
    asked = _arguments(argv)
    from profiling.bundle import bundle_files, read_bundle
    from profiling.card import CARD, model_card

    bundle = read_bundle(Path(asked.run).expanduser())
    if asked.dry_run:
        answer(model_card(bundle.spec, asked.repo_id))
        say(f"would push {', '.join(bundle_files())} and this {CARD} to {asked.repo_id}; nothing was sent")
        return 0
    from profiling.hub import push

    commit = push(bundle.folder, asked.repo_id, private=asked.private, branch=asked.branch)
    answer(commit)
    say(f'pushed; Profiler.from_pretrained("{asked.repo_id}", revision="{commit}") loads it')
    return 0


def _arguments(argv: Sequence[str]) -> Namespace:
    parser = Parser(
        "profiling push",
        description="Put a bundle with its card on the hub. Names of speakers do not travel; hashes of them and of"
        " the recordings do, so that an overlap with test data can be refused. Log in first: hf auth login.",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder or a bundle folder")
    parser.add_argument("repo_id", metavar="USER/NAME")
    parser.add_argument("--private", action="store_true", help="of a repository that is made")
    parser.add_argument("--branch", default="main", help="made when it does not exist")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the card and what would travel; send nothing"
    )
    return parser.parse_args(argv)
