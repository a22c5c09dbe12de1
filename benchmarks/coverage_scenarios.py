"""What the made-up speakers of ``interval_coverage.py`` are like.

Other corpora than those on which the scales, degrees of freedom and least numbers of ``evaluation/intervals.py``
were chosen (four equal classes with 8 utterances, normal ages with 20, gender with beta-distributed recall): other
families and sizes of speaker effects, other class shares, errors that grow with age, unequal utterances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from profiling.evaluation.compare import gap_estimand
from profiling.evaluation.estimands import label_estimands, number_estimands, recall_estimand
from profiling.evaluation.intervals import Estimand
from profiling.evaluation.metrics import Array, Index, regression_sums

Make = Callable[[int, np.random.Generator], Array]  # (speakers, random) -> (speakers, ...) statistic
Of = Callable[[Array], Estimand]


class Scenario(NamedTuple):
    """A made-up corpus and the metric asked for.

    Attributes:
        name: row of the table.
        make: draws speakers.
        estimand: statistics -> what the scores use.
    """

    name: str
    make: Make
    estimand: Of


def utterances(speakers: int, least: int, most: int, random: np.random.Generator) -> Index:
    """(speakers,) utterances of each, log-uniform from ``least`` to ``most``: few have very many."""
    return np.exp(random.uniform(np.log(least), np.log(most + 1), speakers)).astype(np.intp)


def several_classes(
    shares: Sequence[float], ease: float, between: float, within: float, least: int, most: int
) -> Make:
    """Every speaker says any class, by ``shares``.

    Args:
        shares: of the classes among the utterances.
        ease: logit of the middle speaker's recall.
        between: standard deviation over speakers, on the logit.
        within: standard deviation over a speaker's classes.
        least: utterances of a speaker, at least.
        most: at most.
    """

    def make(speakers: int, random: np.random.Generator) -> Array:
        counts = random.multinomial(utterances(speakers, least, most, random), shares)  # (speakers, K)
        logit = random.normal(ease, between, (speakers, 1)) + random.normal(0, within, counts.shape)
        return _confusion(counts, random.binomial(counts, 1 / (1 + np.exp(-logit))))

    return make


def who_have(k: int, make: Make) -> Make:
    """Only the speakers who have class ``k``, as the scores of a class do."""

    def some(speakers: int, random: np.random.Generator) -> Array:
        statistics = make(speakers, random)
        return statistics[statistics[:, k].sum(-1) > 0]

    return some


def one_class_each(shares: Sequence[float], ease: float, between: float, least: int, most: int) -> Make:
    """Every speaker has one class (such as sex); arguments as :func:`several_classes`."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        edges = np.maximum(1, np.round(np.cumsum(shares)[:-1] * speakers))
        truth = np.searchsorted(edges, np.arange(speakers), side="right")
        counts = np.zeros((speakers, len(shares)), np.intp)
        counts[np.arange(speakers), truth] = utterances(speakers, least, most, random)
        recall = 1 / (1 + np.exp(-random.normal(ease, between, (speakers, 1))))
        return _confusion(counts, random.binomial(counts, np.broadcast_to(recall, counts.shape)))

    return make


def ages(slope: float, offset: float, within: float, least: int, most: int, growing: float = 0.0) -> Make:
    """Ages of 18 to 70, evenly; a speaker's utterances share an error.

    Args:
        slope: of the predicted age over the true one, about 44.
        offset: standard deviation of a speaker's shared error, years.
        within: standard deviation of the error over a speaker's utterances, years.
        least: utterances of a speaker, at least.
        most: at most.
        growing: how much the shared error grows with age: times 1 + growing (age - 44) / 26.
    """

    def make(speakers: int, random: np.random.Generator) -> Array:
        y, who, shared = _people(speakers, least, most, random, growing)
        p = 44 + slope * (y - 44) + offset * shared + random.normal(0, within, len(y))
        return regression_sums(y, p, who, constant=44.0)

    return make


def two_ages(own: tuple[float, float], least: int, most: int, growing: float = 0.0) -> Make:
    """Two systems on the same speakers, (speakers, 2, statistic): errors of 5 years shared, ``own`` years not."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        y, who, shared = _people(speakers, least, most, random, growing)
        systems = [
            y + 5 * shared + random.normal(0, sd, speakers)[who] + random.normal(0, 4, len(y)) for sd in own
        ]
        return np.stack([regression_sums(y, p, who) for p in systems], axis=1)

    return make


def two_labels(gain: float) -> Make:
    """Two systems on the same speakers, (speakers, 2, 4, 4); the second is ``gain`` better on the logit."""

    def make(speakers: int, random: np.random.Generator) -> Array:
        counts = random.multinomial(utterances(speakers, 6, 60, random), [0.4, 0.3, 0.2, 0.1])
        logit = random.normal(0.5, 0.9, (speakers, 1)) + random.normal(0, 0.4, counts.shape)
        both = [logit + more + random.normal(0, 0.5, (speakers, 1)) for more in (0.0, gain)]
        return np.stack([_confusion(counts, random.binomial(counts, 1 / (1 + np.exp(-z)))) for z in both], 1)

    return make


def _people(
    speakers: int, least: int, most: int, random: np.random.Generator, growing: float
) -> tuple[Array, Index, Array]:
    """Age, speaker and shared standard error of each utterance."""
    who = np.repeat(np.arange(speakers), utterances(speakers, least, most, random))
    age = random.uniform(18, 70, speakers)
    shared = random.normal(0, 1, speakers) * (1 + growing * (age - 44) / 26)
    return age[who], who, shared[who]


def _confusion(counts: Index, hits: Index) -> Array:
    """(speakers, K, K): misses go to the next class."""
    speakers, classes = counts.shape
    confusion = np.zeros((speakers, classes, classes))
    for k in range(classes):
        confusion[:, k, k] = hits[:, k]
        confusion[:, k, (k + 1) % classes] += counts[:, k] - hits[:, k]
    return confusion


def of_label(metric: str) -> Of:
    """The estimand the scores use."""
    return lambda s: label_estimands(s, s.sum((0, 2)) > 0)[metric]


def of_recall(k: int) -> Of:
    """The estimand the scores use."""
    return lambda s: recall_estimand(k, s)


def of_number(metric: str) -> Of:
    """The estimand the scores use."""
    return lambda s: number_estimands(s)[metric]


def of_gap(metric: str, *, labels: bool = False) -> Of:
    """Of a paired difference, as ``profiling compare`` takes it."""
    single = of_label(metric) if labels else of_number(metric)
    return lambda s: gap_estimand(single(s[:, 0]), s.ndim)


_SEVEN = (0.4, 0.15, 0.13, 0.12, 0.1, 0.06, 0.04)
_FOUR = (0.25, 0.25, 0.25, 0.25)
_SKEW = several_classes(_SEVEN, 0.8, 1.2, 0.5, 15, 120)
_GROWING = ages(0.6, 8, 5, 10, 10, growing=0.8)
_UNEQUAL = ages(0.75, 4, 7, 3, 90)
_SHRUNK = ages(0.35, 6, 6, 8, 60)

FRESH: tuple[Scenario, ...] = (
    Scenario("UAR, 4 emotions, speakers alike (0.3)", several_classes(_FOUR, 1.2, 0.3, 0.2, 30, 30), of_label("uar")),
    Scenario("UAR, 4 emotions, speakers differ (1.5)", several_classes(_FOUR, 0.4, 1.5, 0.3, 40, 40), of_label("uar")),
    Scenario("UAR, 7 emotions 40 % to 4 %, 15 to 120 each", _SKEW, of_label("uar")),
    Scenario("macro-F1, 7 emotions 40 % to 4 %, 15 to 120 each", _SKEW, of_label("macro_f1")),
    Scenario("WA, 7 emotions 40 % to 4 %, 15 to 120 each", _SKEW, of_label("wa")),
    Scenario("recall of the 4 % class, 15 to 120 each", who_have(6, _SKEW), of_recall(6)),
    Scenario("UAR, gender 2:3, 3 to 40 each", one_class_each((0.4, 0.6), 2.0, 1.2, 3, 40), of_label("uar")),
    Scenario("UAR, gender 1:3, 10 each", one_class_each((0.25, 0.75), 1.5, 1.0, 10, 10), of_label("uar")),
    Scenario("UAR, gender 1:1, nearly right, 20 each", one_class_each((0.5, 0.5), 4.0, 1.5, 20, 20), of_label("uar")),
    Scenario("MAE, errors grow with age", _GROWING, of_number("mae")),
    Scenario("MAE, 3 to 90 each", _UNEQUAL, of_number("mae")),
    Scenario("MAE, one error per speaker", ages(0.4, 10, 1, 5, 5), of_number("mae")),
    Scenario("RMSE, errors grow with age", _GROWING, of_number("rmse")),
    Scenario("RMSE, 3 to 90 each", _UNEQUAL, of_number("rmse")),
    Scenario("CCC, errors grow with age", _GROWING, of_number("ccc")),
    Scenario("CCC, 3 to 90 each", _UNEQUAL, of_number("ccc")),
    Scenario("CCC, 8 to 60 each, predictions too near the mean", _SHRUNK, of_number("ccc")),
    Scenario("Pearson, errors grow with age", _GROWING, of_number("pearson")),
    Scenario("Pearson, 3 to 90 each", _UNEQUAL, of_number("pearson")),
    Scenario("skill, errors grow with age", _GROWING, of_number("skill")),
    Scenario("skill, 3 to 90 each", _UNEQUAL, of_number("skill")),
    Scenario("difference of two MAE, growing, 3 to 60 each", two_ages((1, 3), 3, 60, 0.8), of_gap("mae")),
    Scenario("difference of two UAR, 6 to 60 each", two_labels(0.4), of_gap("uar", labels=True)),
)  # fmt: skip
