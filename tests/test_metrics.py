"""Metrics against scikit-learn, scipy and formulas by hand; constants and scores."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from profiling.errors import LabelError
from profiling.evaluation import metrics
from profiling.evaluation.baselines import fit_constant_label, fit_constant_number
from profiling.evaluation.scoring import score_classification, score_regression

CLASSES = ["anger", "fear", "joy", "sadness"]
RTOL = 1e-6


def labels(n: int, seed: int, classes: list[str] = CLASSES) -> tuple[list[str], list[str]]:
    """Unbalanced references and predictions that are right about half the time."""
    random = np.random.default_rng(seed)
    shares = np.arange(1, len(classes) + 1) / sum(range(1, len(classes) + 1))
    truth = random.choice(classes, n, p=shares)
    predicted = np.where(random.random(n) < 0.5, truth, random.choice(classes, n))
    return truth.tolist(), predicted.tolist()


def ages(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.uniform(6, 80, n)
    return truth, 20 + 0.5 * truth + random.normal(0, 8, n)


def ccc_by_hand(y: np.ndarray, p: np.ndarray) -> float:
    """Lin 1989 as printed: every moment divided by n."""
    n = len(y)
    mean_y, mean_p = sum(y) / n, sum(p) / n
    var_y = sum((v - mean_y) ** 2 for v in y) / n
    var_p = sum((v - mean_p) ** 2 for v in p) / n
    cov = sum((a - mean_y) * (b - mean_p) for a, b in zip(y, p, strict=True)) / n
    return 2 * cov / (var_y + var_p + (mean_y - mean_p) ** 2)


@pytest.mark.parametrize(("n", "seed"), [(8, 0), (8, 1), (60, 2), (4000, 3)])
def test_classification_equals_scikit_learn(n: int, seed: int) -> None:
    truth, predicted = labels(n, seed)
    present = sorted(set(truth))
    confusion = metrics.confusion_matrix(truth, predicted, CLASSES)
    expected = {
        metrics.uar: sk.recall_score(truth, predicted, labels=present, average="macro", zero_division=0),
        metrics.wa: sk.accuracy_score(truth, predicted),
        metrics.macro_f1: sk.f1_score(truth, predicted, labels=present, average="macro", zero_division=0),
    }
    for metric, value in expected.items():
        assert metric(confusion) == pytest.approx(value, rel=RTOL)
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(truth, predicted, labels=CLASSES))


def test_macro_is_not_micro_and_uar_is_not_wa() -> None:
    confusion = np.array([[90, 0], [10, 0]])  # 100 rows, the second class never found
    assert float(metrics.wa(confusion)) == pytest.approx(0.9)
    assert float(metrics.uar(confusion)) == pytest.approx(0.5)
    assert float(metrics.macro_f1(confusion)) == pytest.approx((2 * 90 / 190 + 0) / 2)


def test_rows_of_the_confusion_matrix_are_the_reference() -> None:
    confusion = metrics.confusion_matrix(["m", "m", "f"], ["f", "f", "f"], ["f", "m"])
    assert confusion.tolist() == [[1, 0], [2, 0]]
    np.testing.assert_allclose(metrics.recalls(confusion), [1.0, 0.0])


def test_a_class_absent_from_the_reference_does_not_count() -> None:
    confusion = metrics.confusion_matrix(["f", "m"], ["f", "other"], ["f", "m", "other"])
    assert float(metrics.uar(confusion)) == 0.5
    assert float(metrics.macro_f1(confusion)) == 0.5
    recall = metrics.recalls(confusion)
    assert math.isnan(recall[2])
    lost = metrics.uar(confusion, present=np.array([True, True, True]))
    assert math.isnan(lost)


def test_groups_add_up_to_the_whole() -> None:
    truth, predicted = labels(300, 5)
    groups = np.random.default_rng(0).integers(0, 7, 300)
    parts = metrics.confusion_matrix(truth, predicted, CLASSES, groups)
    assert parts.shape == (7, 4, 4)
    np.testing.assert_array_equal(parts.sum(0), metrics.confusion_matrix(truth, predicted, CLASSES))
    only = [i for i in range(300) if groups[i] == 3]
    alone = metrics.confusion_matrix([truth[i] for i in only], [predicted[i] for i in only], CLASSES)
    np.testing.assert_array_equal(parts[3], alone)


@pytest.mark.parametrize(("n", "seed"), [(8, 0), (8, 1), (500, 2)])
def test_regression_equals_independent_formulas(n: int, seed: int) -> None:
    y, p = ages(n, seed)
    sums = metrics.regression_sums(y, p, constant=30.0)
    assert metrics.mae(sums) == pytest.approx(sk.mean_absolute_error(y, p), rel=RTOL)
    assert metrics.rmse(sums) == pytest.approx(sk.root_mean_squared_error(y, p), rel=RTOL)
    assert metrics.pearson(sums) == pytest.approx(stats.pearsonr(y, p).statistic, rel=RTOL)
    assert metrics.ccc(sums) == pytest.approx(ccc_by_hand(y, p), rel=RTOL)
    assert metrics.skill(sums) == pytest.approx(1 - abs(y - p).mean() / abs(y - 30).mean(), rel=RTOL)


def test_ccc_divides_by_n_and_torchmetrics_does_not() -> None:
    from torch import tensor
    from torchmetrics.functional import concordance_corrcoef

    y, p = ages(8, 4)
    ours = float(metrics.ccc(metrics.regression_sums(y, p)))
    theirs = float(concordance_corrcoef(tensor(p), tensor(y)))
    # the same formula with variances and covariance divided by n - 1
    var_y, var_p = np.var(y, ddof=1), np.var(p, ddof=1)
    sample = 2 * np.cov(y, p)[0, 1] / (var_y + var_p + (y.mean() - p.mean()) ** 2)
    assert theirs == pytest.approx(sample, rel=1e-5)
    assert abs(theirs / ours - 1) > 1e-4
    assert ours == pytest.approx(ccc_by_hand(y, p), rel=RTOL)


def test_group_sums_give_each_groups_metrics_and_survive_large_offsets() -> None:
    y, p = ages(200, 6)
    y, p = y + 1e6, p + 1e6
    groups = np.arange(200) % 5
    sums = metrics.regression_sums(y, p, groups)
    for group in range(5):
        rows = groups == group
        assert metrics.ccc(sums)[group] == pytest.approx(ccc_by_hand(y[rows], p[rows]), rel=RTOL)
        assert metrics.mae(sums)[group] == pytest.approx(abs(y - p)[rows].mean(), rel=RTOL)
    whole = metrics.regression_sums(y, p)
    assert metrics.pearson(sums.sum(0)) == pytest.approx(float(metrics.pearson(whole)), rel=1e-9)


def test_undefined_values_are_none_and_never_replaced() -> None:
    constant = metrics.regression_sums([30.1] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], constant=30.1)
    assert metrics.value_or_none(metrics.pearson(constant)) is None
    assert metrics.value_or_none(metrics.skill(constant)) is None
    assert metrics.value_or_none(metrics.ccc(constant)) == 0.0  # Lin's formula is defined here, and 0
    same = metrics.regression_sums([30.1] * 5, [30.1] * 5)
    assert metrics.value_or_none(metrics.ccc(same)) is None
    assert metrics.value_or_none(metrics.mae(same)) == 0.0


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"\[2, 1\] rows"):
        metrics.confusion_matrix(["f", "m"], ["f"], ["f", "m"])
    with pytest.raises(LabelError, match="'femail' is unknown here; did you mean female"):
        metrics.confusion_matrix(["femail"], ["female"], ["female", "male"])
    with pytest.raises(ValueError, match="no rows"):
        metrics.confusion_matrix([], [], ["f", "m"])
    with pytest.raises(ValueError, match="listed twice"):
        metrics.confusion_matrix(["f"], ["f"], ["f", "f"])
    with pytest.raises(ValueError, match="1 of 2 values are not finite, the first is row 1"):
        metrics.regression_sums([20.0, 30.0], [20.0, float("nan")])
    with pytest.raises(ValueError, match="rows: they must be equally long"):
        metrics.regression_sums([20.0, 30.0], [20.0])
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        metrics.regression_sums([], [])


def test_constants_come_from_training_labels() -> None:
    constant = fit_constant_label(["f", "m", "m", "x"], ["f", "m", "child"])
    assert constant.label == "m"
    assert constant.prior == {"f": 1 / 3, "m": 2 / 3, "child": 0.0}
    # the scored rows are mostly f: a constant fitted on them would answer f and reach 0.75
    assert constant.score(["f", "f", "f", "m"], ["f", "m", "child"])["wa"] == 0.25
    with pytest.raises(LabelError, match="no training row has one of f, m"):
        fit_constant_label(["x"], ["f", "m"])
    number = fit_constant_number([10, 20, 90])
    assert (number.median, number.mean) == (20.0, 40.0)
    assert number.score([20.0, 40.0])["mae"] == 10.0
    assert number.score([20.0, 40.0])["rmse"] == pytest.approx(math.sqrt(200))


def test_a_classification_score_is_json_with_every_number_by_name() -> None:
    truth, _ = labels(200, 7)
    random = np.random.default_rng(7)
    probabilities = random.random((200, 4))
    speakers = [f"s{i % 10}" for i in range(200)]
    score = score_classification(truth, probabilities, CLASSES, speakers, ["joy", "joy", "anger"])
    json.dumps(score, allow_nan=False)
    predicted = [CLASSES[i] for i in probabilities.argmax(1)]
    assert score["n"] == 200
    assert score["speakers"] == 10
    assert score["metrics"]["uar"]["value"] == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert score["metrics"]["uar"]["low"] < score["metrics"]["uar"]["value"] < score["metrics"]["uar"]["high"]
    assert score["constant"]["label"] == "joy"
    assert score["constant"]["uar"] == 0.25
    assert score["constant"]["wa"] == truth.count("joy") / 200
    recall = sk.recall_score(truth, predicted, labels=["fear"], average="macro")
    assert score["per_class_recall"]["fear"]["value"] == pytest.approx(recall)
    assert score["confusion"]["labels"] == CLASSES
    assert np.sum(score["confusion"]["matrix"]) == 200


def test_a_regression_score_has_skill_and_bands() -> None:
    y, p = ages(300, 8)
    y[:3] = (15.9, 16.0, 60.0)
    speakers = [f"s{i % 30}" for i in range(300)]
    score = score_regression(y, p, speakers, [20.0, 30.0, 70.0])
    json.dumps(score, allow_nan=False)
    constant_mae = abs(y - 30).mean()
    assert score["constant"]["mae"] == pytest.approx(constant_mae)
    assert score["constant"]["rmse"] == pytest.approx(math.sqrt(((y - 40) ** 2).mean()))
    assert score["metrics"]["skill"]["value"] == pytest.approx(1 - abs(y - p).mean() / constant_mae)
    assert score["metrics"]["mae"]["method"] == "speaker jackknife t"
    children, *_, old = score["bands"]
    assert (children["name"], children["n"]) == ("under 16", int((y < 16).sum()))
    assert (old["name"], old["n"]) == ("60 and over", int((y >= 60).sum()))
    assert sum(band["n"] for band in score["bands"]) == 300
    below = y < 16
    assert children["metrics"]["mae"]["value"] == pytest.approx(abs(y - p)[below].mean())
    assert children["constant_mae"] == pytest.approx(abs(y[below] - 30).mean())


def test_all_ages_equal_gives_none_not_a_number() -> None:
    score = score_regression([30.0] * 6, [29.0, 30, 31, 30, 30, 28], [*"abcdef"], [30.0, 30.0])
    assert score["metrics"]["pearson"]["value"] is None
    assert score["metrics"]["skill"]["value"] is None
    assert score["metrics"]["mae"]["value"] == pytest.approx(4 / 6)
    json.dumps(score, allow_nan=False)
