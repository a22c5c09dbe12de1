"""Intervals over speakers: what they equal, whom they resample, when there is none, what they cover."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from profiling.evaluation.intervals import Estimand, Interval, speaker_groups, speaker_intervals
from profiling.evaluation.metrics import ccc, confusion_matrix, mae, recalls, regression_sums, uar, wa
from profiling.evaluation.scoring import score_classification, score_regression

MAE = {"mae": Estimand(mae, lowest=0.0)}


def ages(speakers: int, each: int, seed: int, between: float = 6.0) -> tuple[np.ndarray, ...]:
    """Errors that a speaker's utterances share: y, p, speaker."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), each)
    y = np.repeat(random.normal(35, 12, speakers), each)
    offset = np.repeat(random.normal(0, between, speakers), each)
    return y, y + offset + random.normal(0, 1, len(y)), who


def genders(females: int, males: int, each: int, random: np.random.Generator) -> np.ndarray:
    """Confusion matrix of each speaker, (speakers, 2, 2); a speaker has one class."""
    truth = np.repeat([0, 1], [females, males])
    hits = random.binomial(each, random.beta(4, 1, len(truth)))
    confusion = np.zeros((len(truth), 2, 2))
    confusion[np.arange(len(truth)), truth, truth] = hits
    confusion[np.arange(len(truth)), truth, 1 - truth] = each - hits
    return confusion


@pytest.mark.parametrize("speakers", [5, 8, 19])
def test_few_speakers_get_the_t_interval_on_speaker_means(speakers: int) -> None:
    y, p, who = ages(speakers, 12, seed=speakers)
    interval = speaker_intervals(regression_sums(y, p, who), MAE)["mae"]
    means = abs(y - p).reshape(speakers, 12).mean(1)
    low, high = stats.t.interval(0.95, speakers - 1, means.mean(), stats.sem(means))
    assert interval.low == pytest.approx(max(low, 0), rel=1e-6)
    assert interval.high == pytest.approx(high, rel=1e-6)
    assert interval.method == "speaker jackknife t"
    assert interval.speakers == speakers


def test_one_class_a_speaker_averages_the_classes_recalls() -> None:
    confusion = genders(4, 5, 20, np.random.default_rng(3))
    recall = recalls(confusion)
    f, m = recall[:4, 0], recall[4:, 1]
    # leaving out a speaker moves the mean of its class by (mean - own) / (speakers of the class - 1)
    moved = [((f - f.mean()) ** 2).sum() / 3**2, ((m - m.mean()) ** 2).sum() / 4**2]
    error = np.sqrt(8 / 9 * sum(moved)) / 2
    interval = speaker_intervals(confusion, {"uar": Estimand(uar, fewest_speakers=4)})["uar"]
    value, half = (f.mean() + m.mean()) / 2, stats.t.ppf(0.975, 3) * error
    assert (interval.low, interval.high) == pytest.approx((value - half, value + half), rel=1e-6)
    stratified = stats.t.ppf(0.975, 3) * np.sqrt(f.var(ddof=1) / 4 + m.var(ddof=1) / 5) / 2
    assert stratified < half < 1.15 * stratified  # never narrower than Welch's interval


def test_many_speakers_get_the_percentile_bootstrap_of_whole_speakers() -> None:
    y, p, who = ages(30, 10, seed=1)
    interval = speaker_intervals(regression_sums(y, p, who), MAE)["mae"]
    errors = abs(y - p).reshape(30, 10)
    random = np.random.default_rng(99)  # an independent bootstrap over rows of speakers
    values = [errors[random.integers(0, 30, 30)].mean() for _ in range(4000)]
    width = np.percentile(values, 97.5) - np.percentile(values, 2.5)
    assert interval.method == "speaker bootstrap"
    assert interval.low == pytest.approx(np.percentile(values, 2.5), abs=0.06 * width)
    assert interval.high == pytest.approx(np.percentile(values, 97.5), abs=0.06 * width)
    rows = errors.ravel()
    naive = [rows[random.integers(0, 300, 300)].mean() for _ in range(1000)]
    naive_width = np.percentile(naive, 97.5) - np.percentile(naive, 2.5)
    assert width > 2.5 * naive_width  # utterances of a speaker are alike
    assert interval.high - interval.low > 2.5 * naive_width


def test_repeating_every_utterance_changes_nothing() -> None:
    y, p, who = ages(25, 6, seed=2)
    once = speaker_intervals(regression_sums(y, p, who), MAE)["mae"]
    many = speaker_intervals(regression_sums(np.tile(y, 9), np.tile(p, 9), np.tile(who, 9)), MAE)["mae"]
    assert once.low == pytest.approx(many.low, rel=1e-9)
    assert once.high == pytest.approx(many.high, rel=1e-9)


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    y, p, who = ages(40, 5, seed=4)
    sums = regression_sums(y, p, who)
    first, again = (speaker_intervals(sums, MAE)["mae"] for _ in range(2))
    other = speaker_intervals(sums, MAE, seed=1)["mae"]
    assert first == again
    assert first.low != other.low


def test_a_resample_in_blocks_equals_itself_and_is_fast() -> None:
    y, p, who = ages(1500, 20, seed=5)
    sums = regression_sums(y, p, who)
    start = time.perf_counter()
    interval = speaker_intervals(sums, {"mae": Estimand(mae), "ccc": Estimand(ccc)})["ccc"]
    assert time.perf_counter() - start < 5  # a loop over 2000 x 30,000 rows takes minutes
    assert interval.low is not None
    assert interval.low < float(ccc(sums.sum(0))) < (interval.high or 0)


def test_too_few_speakers_is_a_reason_not_an_interval() -> None:
    y, p, who = ages(4, 30, seed=6)
    interval = speaker_intervals(regression_sums(y, p, who), MAE)["mae"]
    assert interval == Interval(None, None, "none", 4, reason="too few speakers: 4, at least 5 needed")


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_speaker_id_is_a_reason(missing: object) -> None:
    assert speaker_groups(["a", missing]) is None
    y, p, who = ages(6, 5, seed=7)
    score = score_regression(y, p, [missing, *map(str, who[1:])], y)
    assert score["speakers"] is None
    assert score["metrics"]["mae"]["low"] is None
    assert score["metrics"]["mae"]["reason"] == "speaker ids are missing"


def test_perfect_scores_have_no_spread_to_estimate_from() -> None:
    truth = ["f", "m"] * 12
    interval = score_classification(
        truth, np.eye(2)[[0, 1] * 12], ["f", "m"], [f"s{i}" for i in range(24)], truth
    )["metrics"]["uar"]
    assert interval["value"] == 1.0
    assert interval["low"] is None
    assert "no spread" in interval["reason"]


@pytest.mark.parametrize("count", [8, 25])
def test_a_class_of_one_speaker_gives_no_interval(count: int) -> None:
    truth = ["m"] + ["f"] * (count - 1)
    random = np.random.default_rng(0)
    score = score_classification(
        truth * 10, random.random((count * 10, 2)), ["f", "m"], [f"s{i}" for i in range(count)] * 10, truth
    )
    assert score["metrics"]["uar"]["low"] is None
    assert score["metrics"]["uar"]["reason"] == "undefined or perfect once a single speaker is left out"
    assert score["metrics"]["wa"]["low"] is not None
    assert score["per_class_recall"]["m"]["reason"] == "too few speakers: 1, at least 5 needed"
    assert score["per_class_recall"]["f"]["speakers"] == count - 1


def test_ends_stay_in_the_metrics_range() -> None:
    truth = ["f", "m"] * 30
    scores = np.eye(2)[[0, 1] * 30]
    scores[0] = [0, 1]  # one error
    who = [f"s{i % 6}" for i in range(60)]
    uar_interval = score_classification(truth, scores, ["f", "m"], who, truth)["metrics"]["uar"]
    assert uar_interval["high"] == 1.0
    assert 0 < uar_interval["low"] < uar_interval["value"]


def coverage(make, estimand: Estimand, truth: float, runs: int) -> float:
    hits = counted = 0
    for run in range(runs):
        interval = speaker_intervals(make(), {"x": estimand}, resamples=500, seed=run)["x"]
        if interval.low is None or interval.high is None:
            continue
        counted += 1
        hits += interval.low <= truth <= interval.high
    assert counted > 0.9 * runs
    return hits / counted


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [5, 10, 19, 20, 40])
def test_coverage_is_near_nominal(speakers: int) -> None:
    """700 runs: a standard error of 0.01."""
    random = np.random.default_rng(speakers)
    half = speakers // 2
    truth = float(uar(genders(50_000, 50_000, 20, random).sum(0)))
    estimand = Estimand(uar, 0.0, 1.0, half)
    covered = coverage(lambda: genders(half, speakers - half, 20, random), estimand, truth, 700)
    # two speakers of a class leave one degree of freedom: too wide rather than too narrow
    assert 0.90 <= covered <= (0.99 if speakers >= 10 else 1.0)
    errors = abs(np.subtract(*ages(50_000, 10, 0)[:2])).mean()
    seeds = iter(range(10_000))

    def sums() -> np.ndarray:
        y, p, who = ages(speakers, 10, next(seeds))
        return regression_sums(y, p, who)

    assert 0.90 <= coverage(sums, Estimand(mae, 0.0), float(errors), 700) <= 0.99


def test_ccc_of_few_speakers_is_taken_on_fishers_scale() -> None:
    y, p, who = ages(9, 10, seed=8)
    score = score_regression(y, p, list(map(str, who)), y)["metrics"]["ccc"]
    z = np.array([np.arctanh(float(ccc(regression_sums(y[who != i], p[who != i])))) for i in range(9)])
    half = stats.t.ppf(0.975, 8) * np.sqrt(8 / 9 * ((z - z.mean()) ** 2).sum())
    centre = np.arctanh(score["value"])
    expected = np.tanh([centre - half, centre + half])
    assert (score["low"], score["high"]) == pytest.approx(tuple(expected), rel=1e-6)


def test_the_rarest_class_decides_how_sure_a_mean_over_classes_is() -> None:
    random = np.random.default_rng(11)
    truth = ["child"] * 4 + ["adult"] * 36
    score = score_classification(
        truth * 10, random.random((400, 2)), ["adult", "child"], [f"s{i}" for i in range(40)] * 10, truth
    )
    assert score["metrics"]["uar"]["method"] == "speaker jackknife t"
    assert score["metrics"]["wa"]["method"] == "speaker bootstrap"
    width = score["metrics"]["uar"]["high"] - score["metrics"]["uar"]["low"]
    assert width > score["metrics"]["wa"]["high"] - score["metrics"]["wa"]["low"]


def test_wa_of_equal_speakers_is_their_mean() -> None:
    truth, predicted = ["a", "b"] * 20, ["a"] * 30 + ["b"] * 10
    who = np.repeat(np.arange(8), 5)
    parts = confusion_matrix(truth, predicted, ["a", "b"], who)
    right = np.array([t == p for t, p in zip(truth, predicted, strict=True)]).reshape(8, 5).mean(1)
    interval = speaker_intervals(parts, {"wa": Estimand(wa)})["wa"]
    low, high = stats.t.interval(0.95, 7, right.mean(), stats.sem(right))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)
