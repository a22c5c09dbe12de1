"""``profiling report RUN [RUN...]``: one HTML page of a run, several runs, a sweep, a matrix or several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profiling.commands.arguments import Parser, answer

EPILOG = (
    "Every run writes report.html by itself; this writes it again, and for several runs, a sweep, a matrix or the "
    "tasks of one head. Pictures as SVG and tables as CSV are put into <page>_files/ beside it. "
    "Parts whose data is not in the folder are left out."
)


def main(argv: Sequence[str]) -> int:
    """Writes the page and prints its path; 0 done, 2 a mistake."""
    parser = Parser("profiling report", description="A report as one HTML page.", epilog=EPILOG)
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folder of a run, evaluation, sweep, matrix or task=multi; several runs",
    )
    parser.add_argument(
        "--out", help="the HTML file (default: report.html in the folder; several runs need it)"
    )
    parser.add_argument(
        "--audio", action="store_true",
        help="players for the worst errors; the page then names folders of this machine, so do not pass it on",
    )  # fmt: skip
    arguments = parser.parse_args(list(argv))

    from profiling.report.pages import write_report

    out = Path(arguments.out) if arguments.out else None
    answer(str(write_report([Path(run) for run in arguments.runs], out, audio=arguments.audio)))
    return 0
