"""How often do the intervals of ``evaluation/intervals.py`` hold the truth? The table of docs/metrics.md.

Nominal: 0.95. Every run draws new speakers of ``coverage_scenarios.py``, asks for the interval as the scores do and
looks whether it holds the value of 50,000 speakers.

``python benchmarks/interval_coverage.py measure counts.csv --runs 250 --seeds 1 2 3 4`` appends how many intervals of
each cell were given and held the truth, a pass over all scenarios for each seed (it can be stopped after any);
``python benchmarks/interval_coverage.py table counts.csv`` adds the seeds up. A cell is the share of the given
intervals that held the truth, with the share of runs that gave one where that is below 99 %, and **bold** outside
0.93 to 0.97.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from coverage_scenarios import FRESH, Make, Scenario

from profiling.evaluation.intervals import speaker_interval
from profiling.evaluation.metrics import Array

SPEAKERS = (3, 5, 10, 20, 50, 100)
NOMINAL = (0.93, 0.97)
_CHUNK, _CHUNKS = 5_000, 10  # speakers the truth is taken of
_FEW = 200  # intervals: below, a share is not worth printing


def truth_of(scenario: Scenario) -> float:
    """The metric of 50,000 speakers: at 100 speakers its own error is a twentieth of the interval's."""
    some = scenario.make(10, np.random.default_rng(0))
    return float(scenario.estimand(some).metric(population(scenario.make)))


@cache
def population(make: Make) -> Array:
    """The statistic of 50,000 speakers, added up."""
    random = np.random.default_rng(987_654_321)
    return np.sum([make(_CHUNK, random).sum(0) for _ in range(_CHUNKS)], axis=0)


def coverage(scenario: Scenario, truth: float, speakers: int, runs: int, seed: int) -> tuple[int, int]:
    """How many of ``runs`` gave an interval, and how many of these hold ``truth``."""
    random = np.random.default_rng([seed, speakers])
    given = held = 0
    for _ in range(runs):
        statistics = scenario.make(speakers, random)
        found = speaker_interval(statistics, scenario.estimand(statistics)) if len(statistics) > 1 else None
        if found is not None and found.low is not None and found.high is not None:
            given += 1
            held += found.low <= truth <= found.high
    return given, held


def cell(given: int, held: int, runs: int) -> str:
    """What the table says of a cell."""
    if given == 0:
        return "none"
    if given < _FEW:
        return f"given in {given} of {runs}"
    share = f"{held / given:.3f}"
    shown = share if NOMINAL[0] <= held / given <= NOMINAL[1] else f"**{share}**"
    return shown if given >= 0.99 * runs else f"{shown} ({100 * given / runs:.0f} %)"


def measure(out: Path, runs: int, seeds: list[int], only: str) -> None:
    """Appends rows of scenario, speakers, seed, runs, given, held."""
    chosen = [scenario for scenario in FRESH if scenario.name.startswith(only)]
    truths = {scenario.name: truth_of(scenario) for scenario in chosen}
    for seed in seeds:
        for scenario in chosen:
            for speakers in SPEAKERS:
                counts = coverage(scenario, truths[scenario.name], speakers, runs, seed)
                with out.open("a", newline="") as file:
                    csv.writer(file).writerow((scenario.name, speakers, seed, runs, *counts))


def table(counts: Path) -> None:
    """Prints the table of everything in ``counts``."""
    added: dict[tuple[str, int], Counter[str]] = {}
    with counts.open(newline="") as file:
        for name, speakers, _, runs, given, held in csv.reader(file):
            one = added.setdefault((name, int(speakers)), Counter())
            one.update(runs=int(runs), given=int(given), held=int(held))
    print("| speakers | " + " | ".join(map(str, SPEAKERS)) + " | runs |")
    print("|" + "---|" * (2 + len(SPEAKERS)))
    for name in dict.fromkeys(name for name, _ in added):
        cells = [added[name, n] for n in SPEAKERS if (name, n) in added]
        shown = [cell(one["given"], one["held"], one["runs"]) for one in cells]
        print(f"| {name} | {' | '.join(shown)} | {min(one['runs'] for one in cells)} |")


def main() -> None:
    """Measures, or prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("counts", type=Path, help="CSV of counts")
    parser.add_argument("--runs", type=int, default=250, help="of each cell, for one seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--only", default="", help="scenarios whose name starts so")
    arguments = parser.parse_args()
    if arguments.what == "table":
        table(arguments.counts)
    else:
        measure(arguments.counts, arguments.runs, arguments.seeds, arguments.only)


if __name__ == "__main__":
    main()
