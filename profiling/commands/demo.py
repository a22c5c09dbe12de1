"""``profiling demo``: generated voices to a report, offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profiling.commands.arguments import Parser, answer, say


def main(argv: Sequence[str]) -> int:
    """Runs the demo and ends by saying where the report is."""
    parser = Parser("profiling demo", description="Generated voices to a report, offline, in two minutes.")
    parser.add_argument("--folder", default="demo", help="everything is kept inside (default: ./demo)")
    parser.add_argument("--backbone", default="native_mini", help="native_mini, spectral_stats, ecapa2, ...")
    arguments = parser.parse_args(argv)

    from profiling.demo import describe, run_demo

    done = run_demo(Path(arguments.folder), arguments.backbone, say)
    answer(f"{done.recording} says:")
    for given in done.answers:
        answer(f"  {describe(given)}")
    answer(f"report: {done.report}")
    return 0
