"""``profiling compare RUN_A RUN_B [more]``: paired tests on the same utterances, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from profiling.commands import dimensional
from profiling.commands.arguments import Parser, answer, say
from profiling.errors import BundleError, SplitError

if TYPE_CHECKING:
    import pandas as pd

    from profiling.evaluation.comparison import Comparison

EPILOG = (
    "Runs are compared on the test part and on every held-out corpus that all of them have. p is the sign-flip test "
    "over speakers, p Holm the same corrected for every test printed; win, tie and loss go by that at 0.05. Runs of "
    "arousal, valence and dominance, one of each, are not compared: their CCCs and the mean over the same utterances."
)


def main(argv: Sequence[str]) -> int:
    """Compares; 0 done, 2 a mistake."""
    parser = Parser("profiling compare", description="Compare runs on the same utterances.", epilog=EPILOG)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two or more run or evaluation folders")
    parser.add_argument(
        "--metric", help="uar (default), wa, macro_f1; for numbers mae (default), rmse, ccc, pearson"
    )
    parser.add_argument(
        "--on", help="only test, or only this held-out corpus (default: all that the runs share)"
    )
    parser.add_argument(
        "--shared", action="store_true", help="leave out utterances that only some runs answered"
    )
    parser.add_argument("--out", help="folder for comparison.json, comparison.csv and wins.csv")
    arguments = parser.parse_args(list(argv))

    from profiling.evaluation.comparison import win_table

    runs = [Path(run) for run in arguments.runs]
    tables = _tables(runs)
    dimensions = dimensional.dimensions_of(runs)
    if dimensions is not None:
        named = dict(zip(dimensions, tables.values(), strict=True))
        return _together(named, arguments.on, shared=arguments.shared, out=arguments.out)
    found = compare_runs(tables, arguments.metric, on=arguments.on, shared=arguments.shared)
    for line in lines(found):
        answer(line)
    if len(tables) > 2:
        answer("")
        answer(win_table(found).to_string())
    if arguments.out:
        write(Path(arguments.out), found)
        say(f"comparison in {arguments.out} (comparison.json, comparison.csv, wins.csv)")
    return 0


def _together(tables: Mapping[str, pd.DataFrame], on: str | None, *, shared: bool, out: str | None) -> int:
    """Runs of arousal, valence and dominance are no rivals: the CCC of each and their mean."""
    rows = dimensional.together(tables, on=on, shared=shared)
    for line in dimensional.lines(rows):
        answer(line)
    if out:
        dimensional.write(Path(out), rows)
        say(f"dimensions in {out} (dimensions.json, dimensions.csv)")
    return 0


def compare_runs(
    tables: Mapping[str, pd.DataFrame], metric: str | None, *, on: str | None = None, shared: bool = False
) -> list[Comparison]:
    """Every pair of runs on every part that all have, corrected together.

    Raises:
        SplitError: no part in common, or utterances that are not shared.
    """
    from profiling.evaluation.compare import compare_predictions
    from profiling.evaluation.comparison import correct
    from profiling.evaluation.joining import common_parts

    found = []
    for part, rows in common_parts(tables, on).items():
        found += compare_predictions(rows, metric, where=part, shared=shared)
    return correct(found)


def lines(comparisons: Sequence[Comparison]) -> list[str]:
    """A line for each comparison, under a head for each part."""
    from profiling.evaluation.summary import NAMES, number_text

    said, where = [], None
    for one in comparisons:
        if one.where != where:
            where = one.where
            said.append(
                f"{where}: {one.n} utterances of {one.speakers or 'unknown'} speakers, {NAMES[one.metric]}"
            )
        ends = "no interval" if one.low is None else f"[{_signed(one, one.low)}, {_signed(one, one.high)}]"
        p_value = "no test" if one.p_value is None else f"p {one.p_value:.4f}, Holm {one.p_holm:.4f}"
        kind = "all swaps" if one.exact else f"{one.swaps} swaps"
        values = f"{number_text(one.metric, one.value_a)} against {number_text(one.metric, one.value_b)}"
        speakers = f"speakers won {one.speakers_won}, tied {one.speakers_tied}, lost {one.speakers_lost}"
        said.append(f"  {one.a} - {one.b}: {values}, difference {_signed(one, one.difference)} {ends}")
        said.append(
            f"    {one.verdict()}: {p_value} ({kind}); {speakers}" + (f"; {one.reason}" if one.reason else "")
        )
    return said


def write(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Writes the comparisons as JSON and CSV, and the table of wins."""
    import pandas as pd

    from profiling.evaluation.comparison import win_table
    from profiling.provenance import atomic_write, write_json

    rows = [one.as_dict() for one in comparisons]
    write_json(folder / "comparison.json", {"comparisons": rows})
    atomic_write(folder / "comparison.csv", pd.DataFrame(rows).to_csv(index=False))
    atomic_write(folder / "wins.csv", win_table(comparisons).to_csv())


def _signed(one: Comparison, value: float | None) -> str:
    from profiling.evaluation.summary import decimals

    return "undefined" if value is None else f"{value:+.{decimals(one.metric)}f}"


def _tables(runs: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Name -> predictions; the folder's name, or its path where two are called alike."""
    import pandas as pd

    from profiling.training.outcome import PREDICTIONS

    for run in runs:
        if not (run / PREDICTIONS).is_file():
            raise BundleError(f"{run} has no {PREDICTIONS}: give a finished run or evaluation folder")
    if len({run.resolve() for run in runs}) < len(runs):
        raise SplitError("a run is named twice: it cannot differ from itself")
    names = [run.resolve().name for run in runs]
    shown = names if len(set(names)) == len(names) else [str(run) for run in runs]
    return {name: pd.read_parquet(run / PREDICTIONS) for name, run in zip(shown, runs, strict=True)}
