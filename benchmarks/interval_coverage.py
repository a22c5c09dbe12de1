"""How often do the intervals of ``evaluation/intervals.py`` hold the truth? The table of docs/metrics.md.

Nominal: 0.95. Every run draws new speakers, scores them, asks for the interval and looks whether it holds
the value of 400,000 speakers. ``python benchmarks/interval_coverage.py 2000``: ten minutes on a core; a cell's
standard error is then 0.005. A cell in which an interval was given in fewer than 99 of 100 runs says in how many.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from profiling.evaluation.compare import gap_estimand
from profiling.evaluation.estimands import label_estimands, number_estimands
from profiling.evaluation.intervals import Estimand, Interval, no_interval, speaker_interval
from profiling.evaluation.metrics import Array, regression_sums

SPEAKERS = (3, 5, 6, 8, 10, 15, 20, 30, 50, 100)
Make = Callable[[int, np.random.Generator], Array]  # (speakers, random) -> (speakers, statistic)
Score = Callable[[Array], Interval]


def emotions(ease: float) -> Make:
    """Four classes that every speaker has, 8 utterances each; speakers differ in how well they are told."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        logit = random.normal(ease, 0.8, (speakers, 1)) + random.normal(0, 0.6, (speakers, 4))
        hits = random.binomial(8, 1 / (1 + np.exp(-logit)))  # (speakers, 4)
        confusion = np.zeros((speakers, 4, 4))
        for k in range(4):
            confusion[:, k, k] = hits[:, k]
            confusion[:, k, (k + 1) % 4] = 8 - hits[:, k]
        return confusion

    return make


def gender(share: float) -> Make:
    """Two classes, each speaker has one, 20 utterances; few speakers are told badly."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        truth = (np.arange(speakers) >= max(1, round(share * speakers))).astype(int)
        hits = random.binomial(20, random.beta(4, 1, speakers))
        confusion = np.zeros((speakers, 2, 2))
        confusion[np.arange(speakers), truth, truth] = hits
        confusion[np.arange(speakers), truth, 1 - truth] = 20 - hits
        return confusion

    return make


def ages(slope: float, within: float, least: int = 20, most: int = 20) -> Make:
    """``least`` to ``most`` utterances a speaker, whose errors share an offset of 6 years (standard deviation)."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        who = np.repeat(np.arange(speakers), random.integers(least, most + 1, speakers))
        y = random.normal(35, 12, speakers)[who]
        p = (
            slope * y
            + 35 * (1 - slope)
            + random.normal(0, 6, speakers)[who]
            + random.normal(0, within, len(who))
        )
        return regression_sums(y, p, who, constant=35.0)

    return make


def utterances_as_speakers(speakers: int, random: np.random.Generator) -> Array:
    """The mistake: every utterance counts as a speaker of its own."""
    y = np.repeat(random.normal(35, 12, speakers), 20)
    p = 0.5 * y + 17 + np.repeat(random.normal(0, 6, speakers), 20) + random.normal(0, 4, len(y))
    return regression_sums(y, p, np.arange(len(y)))


def two_systems(speakers: int, random: np.random.Generator) -> Array:
    """Two systems on the same speakers, one nearer than the other, (speakers, 2, statistic)."""
    who = np.repeat(np.arange(speakers), 20)
    y, shared = random.normal(35, 12, speakers)[who], random.normal(0, 5, speakers)[who]
    systems = [
        y + shared + random.normal(0, own, speakers)[who] + random.normal(0, 4, len(who)) for own in (2, 4)
    ]
    return np.stack([regression_sums(y, p, who) for p in systems], axis=1)


def of_label(metric: str) -> Callable[[Array], Estimand]:
    """The estimand the scores use."""
    return lambda s: label_estimands(s, s.sum((0, 2)) > 0)[metric]


def of_number(metric: str) -> Callable[[Array], Estimand]:
    """The estimand the scores use."""
    return lambda s: number_estimands(s)[metric]


def of_gap(statistics: Array) -> Estimand:
    """Of a paired difference in MAE."""
    return gap_estimand(number_estimands(statistics[:, 0])["mae"], statistics.ndim)


#: Name, drawn, population the truth is of, estimand.
CASES: tuple[tuple[str, Make, Make, Callable[[Array], Estimand]], ...] = (
    ("UAR, 4 emotions", emotions(1), emotions(1), of_label("uar")),
    ("UAR, easy", emotions(2.5), emotions(2.5), of_label("uar")),
    ("UAR, hard", emotions(-0.3), emotions(-0.3), of_label("uar")),
    ("macro-F1", emotions(1), emotions(1), of_label("macro_f1")),
    ("WA", emotions(1), emotions(1), of_label("wa")),
    ("UAR, gender", gender(0.5), gender(0.5), of_label("uar")),
    ("UAR, gender 1:4", gender(0.2), gender(0.5), of_label("uar")),
    ("MAE", ages(0.5, 4), ages(0.5, 4), of_number("mae")),
    ("MAE, no bias", ages(1, 6), ages(1, 6), of_number("mae")),
    ("MAE, 5 to 60 each", ages(0.5, 4, 5, 60), ages(0.5, 4), of_number("mae")),
    ("RMSE", ages(0.5, 4), ages(0.5, 4), of_number("rmse")),
    ("RMSE, no bias", ages(1, 6), ages(1, 6), of_number("rmse")),
    ("CCC", ages(0.5, 4), ages(0.5, 4), of_number("ccc")),
    ("Pearson", ages(0.5, 4), ages(0.5, 4), of_number("pearson")),
    ("skill", ages(0.5, 4), ages(0.5, 4), of_number("skill")),
    ("difference of two MAE", two_systems, two_systems, of_gap),
    ("MAE, over utterances", utterances_as_speakers, ages(0.5, 4), of_number("mae")),
)


def coverage(
    make: Make, estimand: Callable[[Array], Estimand], truth: float, speakers: int, runs: int
) -> str:
    """Share of the intervals that hold ``truth``."""
    random = np.random.default_rng(speakers)
    held = []
    for _ in range(runs):
        statistics = make(speakers, random)
        found = _interval(statistics, estimand)
        if found.low is not None and found.high is not None:
            held.append(found.low <= truth <= found.high)
    if len(held) < 0.05 * runs:
        return "none"
    share = f"{np.mean(held):.3f}"
    return share if len(held) >= 0.99 * runs else f"{share} ({100 * len(held) / runs:.0f} %)"


def _interval(statistics: Array, estimand: Callable[[Array], Estimand]) -> Interval:
    if len(statistics) < 2:
        return no_interval("one speaker", 1)
    return speaker_interval(statistics, estimand(statistics))


def truth_of(population: Make, estimand: Callable[[Array], Estimand]) -> float:
    """The metric of 400,000 speakers."""
    random, total = np.random.default_rng(0), []
    for _ in range(20):
        statistics = population(20_000, random)
        total.append(statistics.sum(0))
    return float(estimand(statistics).metric(np.sum(total, axis=0)))


def main(runs: int, only: str = "") -> None:
    """Prints the table, one row for each case."""
    print("| speakers | " + " | ".join(map(str, SPEAKERS)) + " |")
    print("|" + "---|" * (1 + len(SPEAKERS)))
    for name, make, population, estimand in CASES:
        if not name.startswith(only):
            continue
        truth = truth_of(population, estimand)
        cells = [coverage(make, estimand, truth, speakers, runs) for speakers in SPEAKERS]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, *sys.argv[2:3])
