"""How often do the intervals of ``evaluation/intervals.py`` hold the truth? The table of docs/metrics.md.

Nominal: 0.95. Every run draws new speakers, scores them, asks for the interval and looks whether it holds
the value of 20,000 speakers. ``python benchmarks/interval_coverage.py 1000``: about half an hour on a core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from profiling.evaluation.intervals import Estimand, speaker_intervals
from profiling.evaluation.metrics import Array, ccc, mae, regression_sums, uar

SPEAKERS = (5, 8, 10, 15, 19, 20, 40, 100)
Make = Callable[[int, np.random.Generator], Array]  # (speakers, random) -> (speakers, statistic)


def emotions(speakers: int, random: np.random.Generator) -> Array:
    """Four classes that every speaker has, 8 utterances each; speakers differ in how well they are told."""
    logit = random.normal(1, 0.8, (speakers, 1)) + random.normal(0, 0.6, (speakers, 4))
    hits = random.binomial(8, 1 / (1 + np.exp(-logit)))  # (speakers, 4)
    confusion = np.zeros((speakers, 4, 4))
    for k in range(4):
        confusion[:, k, k] = hits[:, k]
        confusion[:, k, (k + 1) % 4] = 8 - hits[:, k]
    return confusion


def gender(speakers: int, random: np.random.Generator, share: float = 0.5) -> Array:
    """Two classes, each speaker has one, 20 utterances; few speakers are told badly."""
    truth = (np.arange(speakers) >= max(2, round(share * speakers))).astype(int)
    hits = random.binomial(20, random.beta(4, 1, speakers))
    confusion = np.zeros((speakers, 2, 2))
    confusion[np.arange(speakers), truth, truth] = hits
    confusion[np.arange(speakers), truth, 1 - truth] = 20 - hits
    return confusion


def ages(speakers: int, random: np.random.Generator) -> Array:
    """20 utterances a speaker, whose errors share an offset of 6 years (standard deviation)."""
    y = np.repeat(random.normal(35, 12, speakers), 20)
    shared = np.repeat(random.normal(0, 6, speakers), 20)
    p = 0.5 * y + 17 + shared + random.normal(0, 4, len(y))
    return regression_sums(y, p, np.repeat(np.arange(speakers), 20))


def one_fifth(speakers: int, random: np.random.Generator) -> Array:
    """As :func:`gender`, one speaker in five of the first class."""
    return gender(speakers, random, share=0.2)


def utterances_as_speakers(speakers: int, random: np.random.Generator) -> Array:
    """The mistake: every utterance counts as a speaker of its own."""
    y = np.repeat(random.normal(35, 12, speakers), 20)
    p = 0.5 * y + 17 + np.repeat(random.normal(0, 6, speakers), 20) + random.normal(0, 4, len(y))
    return regression_sums(y, p, np.arange(len(y)))


def rarest(statistics: Array) -> int:
    """Speakers of the rarest class."""
    return int((statistics.sum(-1) > 0).sum(0).min())


def coverage(make: Make, estimand: Estimand, truth: float, speakers: int, runs: int) -> float:
    """Share of the runs with an interval whose interval holds ``truth``."""
    random = np.random.default_rng(speakers)
    held = []
    for run in range(runs):
        statistics = make(speakers, random)
        if estimand.metric is uar:
            estimand = estimand._replace(fewest_speakers=rarest(statistics))
        found = speaker_intervals(statistics, {"x": estimand}, resamples=1000, seed=run)["x"]
        if found.low is not None and found.high is not None:
            held.append(found.low <= truth <= found.high)
    return float(np.mean(held))


CASES: dict[str, tuple[Make, Make, Estimand]] = {
    "UAR, 4 emotions": (emotions, emotions, Estimand(uar, 0.0, 1.0)),
    "UAR, gender": (gender, gender, Estimand(uar, 0.0, 1.0)),
    "UAR, gender 1:4": (one_fifth, gender, Estimand(uar, 0.0, 1.0)),
    "MAE": (ages, ages, Estimand(mae, 0.0)),
    "CCC": (ages, ages, Estimand(ccc, fisher=True)),
    "MAE, over utterances": (utterances_as_speakers, ages, Estimand(mae, 0.0)),
}


def main(runs: int) -> None:
    """Prints the table."""
    print("| speakers | " + " | ".join(CASES) + " |")
    print("|" + "---|" * (1 + len(CASES)))
    everyone = np.random.default_rng(0)
    truths = {
        name: float(estimand.metric(population(20_000, everyone).sum(0)))
        for name, (_, population, estimand) in CASES.items()
    }
    for speakers in SPEAKERS:
        shares = [
            coverage(make, estimand, truths[name], speakers, runs)
            for name, (make, _, estimand) in CASES.items()
        ]
        print(f"| {speakers} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
