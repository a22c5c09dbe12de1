"""Intervals over speakers: what they equal, whom they resample, when there is none, what they cover."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from profiling.evaluation.estimands import label_estimands, number_estimands
from profiling.evaluation.intervals import (
    Estimand,
    Interval,
    class_strata,
    excess_kurtosis,
    speaker_groups,
    speaker_interval,
    speaker_intervals,
)
from profiling.evaluation.metrics import ccc, confusion_matrix, mae, recalls, regression_sums, uar, wa
from profiling.evaluation.scales import ARCSINE, FISHER, INVERSE_ROOT, LOGIT, RATIO_ROOT, TANGENT
from profiling.evaluation.scoring import score_classification, score_regression

MAE = {"mae": Estimand(mae)}


def freedom(moved: np.ndarray, rows: np.ndarray | None = None) -> float:
    """Satterthwaite's, from Kish's number and the excess kurtosis of the influence per utterance, by SciPy."""
    weights = np.ones(len(moved)) if rows is None else rows
    kish = weights.sum() ** 2 / (weights**2).sum()
    excess = stats.kurtosis((moved - moved.mean()) / weights, bias=False) if len(moved) > 3 else 0.0
    return max(2.0, 2 / (2 / (kish - 1) + max(0.0, excess) / kish))


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


@pytest.mark.parametrize("speakers", [5, 8, 19, 60])
def test_on_its_own_scale_the_jackknife_is_the_t_interval_on_speaker_means(speakers: int) -> None:
    y, p, who = ages(speakers, 12, seed=speakers)
    interval = speaker_interval(regression_sums(y, p, who), Estimand(mae))
    means = abs(y - p).reshape(speakers, 12).mean(1)
    low, high = stats.t.interval(0.95, freedom(means), means.mean(), stats.sem(means))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-6)
    assert interval.method == "speaker jackknife t"
    assert interval.speakers == speakers


@pytest.mark.parametrize("speakers", [9, 40])
def test_mae_is_taken_on_the_inverse_root_and_widened(speakers: int) -> None:
    y, p, who = ages(speakers, 12, seed=speakers)
    sums = regression_sums(y, p, who)
    interval = speaker_interval(sums, number_estimands(sums)["mae"])
    errors = abs(y - p).reshape(speakers, 12)
    left_out = np.array([-(np.delete(errors, i, 0).mean() ** -0.5) for i in range(speakers)])
    error = np.sqrt((speakers - 1) / speakers * ((left_out - left_out.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, freedom(left_out)) * error * (1 + 1 / speakers)
    ends = -(errors.mean() ** -0.5) + np.array([-half, half])
    assert (interval.low, interval.high) == pytest.approx(tuple(1 / ends**2), rel=1e-6)


def test_unequal_speakers_count_as_fewer() -> None:
    """Kish: (sum n)^2 / sum n^2 speakers, here 3.6 of 6, so that t has at most 2.6 degrees of freedom instead of 5."""
    each = np.array([50, 30, 20, 10, 5, 5])
    who = np.repeat(np.arange(6), each)
    random = np.random.default_rng(0)
    truth = random.choice(["a", "b"], len(who))
    predicted = np.where(random.random(len(who)) < 0.3 + 0.08 * who, truth, "a")
    confusion = confusion_matrix(truth, predicted, ["a", "b"], who)
    rows = each.astype(float)
    found = speaker_interval(confusion, Estimand(wa, rows=rows))
    right = truth == predicted
    moved = np.array([right[who != i].mean() for i in range(6)])
    free = freedom(moved, rows)
    assert 2 < free <= 120**2 / 3950 - 1
    half = stats.t.ppf(0.975, free) * np.sqrt(5 / 6 * ((moved - moved.mean()) ** 2).sum())
    assert (found.low, found.high) == pytest.approx((right.mean() - half, right.mean() + half), rel=1e-6)


def test_a_speaker_who_makes_most_of_the_spread_leaves_it_unsure() -> None:
    y, p, who = ages(12, 10, seed=3, between=1.0)
    p = np.where(who == 4, p + 30, p)
    sums = regression_sums(y, p, who)
    found = speaker_interval(sums, Estimand(mae))
    means = abs(y - p).reshape(12, 10).mean(1)
    free = freedom(means)
    assert 2 <= free < 4  # of 11: twelve equal speakers, but the spread is known from one
    half = stats.t.ppf(0.975, free) * stats.sem(means)
    assert (found.low, found.high) == pytest.approx((means.mean() - half, means.mean() + half), rel=1e-6)


def test_the_excess_kurtosis_is_scipys() -> None:
    for n in (4, 7, 60):
        values = np.random.default_rng(n).standard_t(4, n)
        assert excess_kurtosis(values) == pytest.approx(stats.kurtosis(values, bias=False), rel=1e-9)
    assert excess_kurtosis(np.array([1.0, 1.0, 9.0])) == excess_kurtosis(np.ones(8)) == 0.0


def test_one_class_a_speaker_is_welchs_interval() -> None:
    """Speakers of two classes are strata: the error and freedom of Welch's test, for the mean of two recalls.

    Recalls are even, so that nobody stands out and the kurtosis costs nothing.
    """
    hits = np.array([11, 13, 15, 17, 10, 11, 12, 13, 14, 15, 16, 17, 18])
    confusion = np.zeros((13, 2, 2))
    for i, (k, hit) in enumerate(zip([0] * 4 + [1] * 9, hits, strict=True)):
        confusion[i, k] = [20 - hit, hit] if k else [hit, 20 - hit]
    recall = recalls(confusion)
    f, m = recall[:4, 0], recall[4:, 1]
    interval = speaker_interval(confusion, Estimand(uar, strata=class_strata(confusion)))
    welch = stats.ttest_ind(f, -m, equal_var=False).confidence_interval(0.95)  # of f + m, twice the UAR
    assert (interval.low, interval.high) == pytest.approx((welch.low / 2, welch.high / 2), rel=1e-6)


def test_uar_is_taken_on_the_logit() -> None:
    confusion = genders(6, 7, 20, np.random.default_rng(4))
    found = speaker_interval(confusion, label_estimands(confusion, np.array([True, True]))["uar"])

    def logit(c: np.ndarray) -> float:
        value = np.diag(c / c.sum(1, keepdims=True)).mean()
        return float(np.log(value / (1 - value)))

    moved = np.array([logit(np.delete(confusion, i, 0).sum(0)) for i in range(13)])
    parts = [moved[:6], moved[6:]]
    variances = [(len(v) - 1) / len(v) * ((v - v.mean()) ** 2).sum() for v in parts]
    free = sum(variances) ** 2 / sum(v**2 / freedom(part) for v, part in zip(variances, parts, strict=True))
    half = stats.t.ppf(0.975, free) * np.sqrt(sum(variances))
    ends = logit(confusion.sum(0)) + np.array([-half, half])
    assert (found.low, found.high) == pytest.approx(tuple(1 / (1 + np.exp(-ends))), rel=1e-6)


def test_sets_of_classes_make_strata() -> None:
    both, first, second = np.ones((2, 2)), np.diag([5, 0]), np.diag([0, 5])
    assert class_strata(np.array([both] * 3)).tolist() == [0, 0, 0]
    strata = class_strata(np.array([first, second, first, second, first, second, first, both]))
    assert strata[0] == strata[2] != strata[1] == strata[3]
    assert strata[7] == strata[0]  # one of its kind has nobody to differ from: with the most


def test_whole_speakers_are_resampled_not_utterances() -> None:
    y, p, who = ages(30, 10, seed=1)
    sums = regression_sums(y, p, who)
    interval = speaker_interval(sums, number_estimands(sums)["mae"])
    errors = abs(y - p).reshape(30, 10)
    random = np.random.default_rng(99)  # an independent bootstrap over rows of speakers
    values = [errors[random.integers(0, 30, 30)].mean() for _ in range(4000)]
    width = np.percentile(values, 97.5) - np.percentile(values, 2.5)
    assert 0.95 * width < (interval.high or 0) - (interval.low or 0) < 1.3 * width  # t and skewness widen it
    rows = errors.ravel()
    naive = [rows[random.integers(0, 300, 300)].mean() for _ in range(1000)]
    assert width > 2.5 * (np.percentile(naive, 97.5) - np.percentile(naive, 2.5))


def test_repeating_every_utterance_changes_nothing() -> None:
    y, p, who = ages(25, 6, seed=2)
    once = speaker_intervals(regression_sums(y, p, who), MAE)["mae"]
    many = speaker_intervals(regression_sums(np.tile(y, 9), np.tile(p, 9), np.tile(who, 9)), MAE)["mae"]
    assert once.low == pytest.approx(many.low, rel=1e-9)
    assert once.high == pytest.approx(many.high, rel=1e-9)


def test_many_speakers_are_fast() -> None:
    y, p, who = ages(1500, 20, seed=5)
    sums = regression_sums(y, p, who)
    start = time.process_time()
    interval = speaker_intervals(sums, {"mae": Estimand(mae), "ccc": Estimand(ccc)})["ccc"]
    assert time.process_time() - start < 5  # a loop over speakers that scores 30,000 rows each takes minutes
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


def test_speakers_of_a_class_who_do_not_differ_have_no_spread_either() -> None:
    """Every woman is right, every man wrong: leaving one out moves macro-F1, but always by the same."""
    confusion = genders(6, 6, 10, np.random.default_rng(0))
    confusion[:6, 0], confusion[6:, 1] = [10, 0], [10, 0]
    found = speaker_interval(confusion, label_estimands(confusion, np.array([True, True]))["macro_f1"])
    assert (found.low, found.high) == (None, None)
    assert "no spread" in str(found.reason)


@pytest.mark.parametrize("count", [8, 25])
def test_a_class_of_one_speaker_gives_no_interval(count: int) -> None:
    truth = ["m"] + ["f"] * (count - 1)
    random = np.random.default_rng(0)
    score = score_classification(
        truth * 10, random.random((count * 10, 2)), ["f", "m"], [f"s{i}" for i in range(count)] * 10, truth
    )
    assert score["metrics"]["uar"]["low"] is None
    assert score["metrics"]["uar"]["reason"] == "too few speakers of a class: 1, at least 3 needed"
    assert score["metrics"]["wa"]["low"] is not None
    assert score["per_class_recall"]["m"]["reason"] == "too few speakers: 1, at least 5 needed"
    assert score["per_class_recall"]["f"]["speakers"] == count - 1


def test_ends_stay_in_the_metrics_range() -> None:
    truth = ["f", "m"] * 30
    scores = np.eye(2)[[0, 1] * 30]
    scores[0] = [0, 1]  # one error
    who = [f"s{i % 6}" for i in range(60)]
    uar_interval = score_classification(truth, scores, ["f", "m"], who, truth)["metrics"]["uar"]
    assert 0.99 < uar_interval["high"] <= 1.0
    assert 0 < uar_interval["low"] < uar_interval["value"]


def coverage(make, score, truth: float, runs: int) -> float:
    found = [score(make()) for _ in range(runs)]
    given = [one for one in found if one.low is not None]
    assert len(given) > 0.95 * runs
    return float(np.mean([one.low <= truth <= one.high for one in given]))


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [8, 10, 20, 40])
def test_coverage_is_near_nominal(speakers: int) -> None:
    """1500 runs: a standard error of 0.006; the whole table is benchmarks/interval_coverage.py's."""
    random = np.random.default_rng(speakers)
    half, present = speakers // 2, np.array([True, True])
    truth = float(uar(genders(50_000, 50_000, 20, random).sum(0)))
    covered = coverage(
        lambda: genders(half, speakers - half, 20, random),
        lambda s: speaker_interval(s, label_estimands(s, present)["uar"]),
        truth,
        1500,
    )
    assert 0.925 <= covered <= 0.975
    errors = abs(np.subtract(*ages(50_000, 10, 0)[:2])).mean()
    seeds = iter(range(10_000))

    def sums() -> np.ndarray:
        y, p, who = ages(speakers, 10, next(seeds))
        return regression_sums(y, p, who)

    mean_error = coverage(
        sums, lambda s: speaker_interval(s, number_estimands(s)["mae"]), float(errors), 1500
    )
    assert 0.925 <= mean_error <= 0.975


def test_scales_lead_back() -> None:
    shares, numbers = np.array([0.02, 0.5, 0.97]), np.array([-0.9, -0.1, 0.0, 0.6, 0.95])
    for scale, values in (
        (LOGIT, shares), (ARCSINE, shares), (FISHER, numbers), (TANGENT, numbers), (INVERSE_ROOT, shares * 20),
        (RATIO_ROOT, np.array([-3.0, 0.0, 0.4, 0.9])),
    ):  # fmt: skip
        moved = scale.forward(values)
        assert (np.diff(moved) > 0).all()
        np.testing.assert_allclose(scale.backward(moved), values, atol=1e-12)
    assert RATIO_ROOT.backward(np.array([-0.5, 0.0])).tolist() == [-np.inf, -np.inf]  # below everything


def test_an_end_beyond_the_scale_is_a_reason() -> None:
    """Skill of five speakers so different that no least skill can be said."""
    y = np.repeat([20.0, 30, 40, 50, 60], 4)
    p = y + np.repeat([0.1, 0.1, 60, 0.1, 0.1], 4)
    score = score_regression(y, p, list(map(str, y)), y)["metrics"]["skill"]
    assert score["value"] is not None and score["low"] is None
    assert "bound it from" in score["reason"]


def test_ccc_of_few_speakers_is_taken_on_fishers_scale() -> None:
    y, p, who = ages(9, 10, seed=8)
    score = score_regression(y, p, list(map(str, who)), y)["metrics"]["ccc"]
    z = np.array([np.arctanh(float(ccc(regression_sums(y[who != i], p[who != i])))) for i in range(9)])
    half = stats.t.ppf(0.975, freedom(z)) * np.sqrt(8 / 9 * ((z - z.mean()) ** 2).sum()) * (1 + 0.5 / 9)
    centre = np.arctanh(score["value"])
    expected = np.tanh([centre - half, centre + half])
    assert (score["low"], score["high"]) == pytest.approx(tuple(expected), rel=1e-6)


def test_the_rarest_class_decides_how_sure_a_mean_over_classes_is() -> None:
    random = np.random.default_rng(11)
    truth = ["child"] * 4 + ["adult"] * 36
    score = score_classification(
        truth * 10, random.random((400, 2)), ["adult", "child"], [f"s{i}" for i in range(40)] * 10, truth
    )
    width = score["metrics"]["uar"]["high"] - score["metrics"]["uar"]["low"]
    assert width > score["metrics"]["wa"]["high"] - score["metrics"]["wa"]["low"]


def test_wa_of_equal_speakers_is_their_mean() -> None:
    truth, predicted = ["a", "b"] * 20, ["a"] * 30 + ["b"] * 10
    who = np.repeat(np.arange(8), 5)
    parts = confusion_matrix(truth, predicted, ["a", "b"], who)
    right = np.array([t == p for t, p in zip(truth, predicted, strict=True)]).reshape(8, 5).mean(1)
    interval = speaker_intervals(parts, {"wa": Estimand(wa)})["wa"]
    low, high = stats.t.interval(0.95, freedom(right), right.mean(), stats.sem(right))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)
