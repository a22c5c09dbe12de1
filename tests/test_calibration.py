"""Temperature, reliability, conformal sets: known answers, independent calculations, simulated promises."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from profiling.errors import ConfigError
from profiling.evaluation import applied, calibration, conformal, crossfit
from profiling.evaluation.trust import calibration_report, fit_calibration

LABELS = ["a", "b", "c"]


def answers(rows: int, sharpen: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``sharpen`` times too sure, and references drawn from the honest ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, 3))
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (random.random((rows, 1)) > honest.cumsum(1)).sum(1).clip(0, 2)
    sharp = np.exp(sharpen * logits)
    return sharp / sharp.sum(1, keepdims=True), truth


def predictions(speakers: int, each: int, sharpen: float, seed: int = 0) -> pd.DataFrame:
    probabilities, truth = answers(speakers * each, sharpen, seed)
    table = pd.DataFrame(probabilities, columns=[f"p_{label}" for label in LABELS])
    return table.assign(
        utt_id=[f"u{i}" for i in range(len(table))],
        speaker_id=[f"s{i % speakers}" for i in range(len(table))],
        corpus="x",
        label=[LABELS[k] for k in truth],
    )


def ages(speakers: int, each: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), each)
    target = random.uniform(10, 70, speakers)[who]
    predicted = target + random.normal(0, 6, speakers)[who] + random.normal(0, 3, len(who))
    ids = [f"u{i}" for i in range(len(who))]
    names = [f"s{i}" for i in who]
    return pd.DataFrame(
        {"utt_id": ids, "speaker_id": names, "corpus": "x", "target": target, "predicted": predicted}
    )


def test_the_temperature_that_was_put_in_is_found() -> None:
    probabilities, truth = answers(20_000, sharpen=2.5)
    found = calibration.fit_temperature(probabilities, truth)
    assert found == pytest.approx(2.5, rel=0.05)
    scaled = applied.apply_temperature(probabilities, found)
    np.testing.assert_array_equal(scaled.argmax(1), probabilities.argmax(1))
    np.testing.assert_allclose(scaled.sum(1), 1)
    before, after = (calibration.expected_calibration_error(p, truth) for p in (probabilities, scaled))
    assert before > 0.1
    assert after < 0.02


def test_ece_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]])
    truth = np.array([0, 0, 1, 1])
    # bin of 0.9: 3 rows, accuracy 2/3; bin of 0.6: 1 row, accuracy 0
    expected = (3 * abs(0.9 - 2 / 3) + 1 * 0.6) / 4
    assert calibration.expected_calibration_error(probabilities, truth) == pytest.approx(expected)
    rows = calibration.reliability(probabilities, truth)
    assert [row["n"] for row in rows] == [1, 3]
    assert rows[0]["low"] < 0.6 <= rows[0]["high"] + 1e-9


def test_brier_and_likelihood_equal_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    probabilities, truth = answers(500, 1.0)
    assert calibration.negative_log_likelihood(probabilities, truth) == pytest.approx(
        log_loss(truth, probabilities)
    )
    one_hot = np.zeros_like(probabilities)
    for i, k in enumerate(truth):
        one_hot[i, k] = 1
    assert calibration.brier(probabilities, truth) == pytest.approx(
        np.mean(((probabilities - one_hot) ** 2).sum(1))
    )


def test_cross_fitting_never_sees_its_own_speakers() -> None:
    probabilities, truth = answers(400, 2.0)
    groups = np.arange(400) % 10
    scaled = calibration.cross_fitted(probabilities, truth, groups, folds=10)
    inside = groups == 3
    other = calibration.fit_temperature(probabilities[~inside], truth[~inside])
    np.testing.assert_allclose(scaled[inside], applied.apply_temperature(probabilities[inside], other))


@pytest.mark.parametrize("speakers", [6, 12, 30])
def test_no_calibrated_answer_used_its_own_speaker(speakers: int) -> None:
    """Whatever is said of a speaker, and whatever the head answered: the calibration that judges them is the same.

    30 speakers are left out by threes: then it is the three who must not matter.
    """
    probabilities, truth = answers(speakers * 4, 2.5)
    groups, levels = np.arange(len(truth)) % speakers, (0.5, 0.8)
    judged = crossfit.judged_labels(probabilities, truth, groups, levels, scale=True)
    turns = crossfit.speaker_turns(groups)
    assert np.array_equal(np.sum(turns, axis=0), np.ones(len(truth)))
    for turn in (0, 2, len(turns) - 1):
        own = turns[turn]
        lied = np.where(own, (truth + 1) % 3, truth)
        other = np.where(own[:, None], probabilities[:, ::-1], probabilities)
        for again in (
            crossfit.judged_labels(probabilities, lied, groups, levels, scale=True),
            crossfit.judged_labels(other, truth, groups, levels, scale=True),
        ):
            assert again.temperatures[turn] == judged.temperatures[turn]
            assert again.temperatures != judged.temperatures  # those of the others did hear this speaker
            for level in levels:
                np.testing.assert_array_equal(again.quantiles[level][own], judged.quantiles[level][own])
        expected = applied.apply_temperature(probabilities[own], judged.temperatures[turn])
        np.testing.assert_array_equal(judged.probabilities[own], expected)


def test_a_speaker_is_judged_by_what_a_bundle_without_them_would_hold() -> None:
    table = predictions(12, 20, 2.0)
    report = calibration_report(fit_calibration(table, LABELS, "random"), {"test": table}, LABELS)
    without = [fit_calibration(table[table["speaker_id"] != f"s{i}"], LABELS, "random") for i in range(12)]
    found = report["parts"]["test"]["temperatures"]
    names = sorted(f"s{i}" for i in range(12))  # the order of speaker numbers
    assert found == [without[int(name[1:])]["temperature"]["value"] for name in names]
    probabilities, _ = answers(240, 2.0)
    who = np.arange(240) % 12
    sizes = []
    for i, one in enumerate(without):
        scaled = applied.apply_temperature(probabilities[who == i], one["temperature"]["value"])
        entry = applied.entry_at(one, 0.9)
        assert entry is not None
        sizes += [len(held) for held in applied.label_sets(scaled, LABELS, entry["quantile"])]
    (ninety,) = [row for row in report["parts"]["test"]["conformal"] if row["level"] == 0.9]
    assert ninety["mean_size"] == pytest.approx(np.mean(sizes))
    assert (
        "12 calibrations, each speaker by one that was fitted on other speakers"
        in report["parts"]["test"]["calibrated_by"]
    )


def test_an_interval_is_judged_by_the_errors_of_others() -> None:
    errors, groups = np.arange(1.0, 11.0), np.arange(10)
    found = crossfit.judged_numbers(errors, groups, [0.9])
    # the largest error of nine others: 10 for everyone but the speaker who made it
    assert found.quantiles[0.9].tolist() == [10.0] * 9 + [9.0]
    assert np.isnan(crossfit.judged_numbers(errors[:9], groups[:9], [0.9]).quantiles[0.9]).all()


def test_risk_against_coverage_by_hand() -> None:
    confidence, losses = np.array([0.9, 0.8, 0.8, 0.5]), np.array([0.0, 1.0, 0.0, 1.0])
    found = calibration.risk_coverage(confidence, losses)
    points = {round(row["coverage"], 2): row["risk"] for row in found["curve"]}
    assert points == pytest.approx({0.25: 0.0, 0.75: 1 / 3, 1.0: 0.5})  # equal confidences together
    assert found["aurc"] == pytest.approx((0 + 1 / 3 + 1 / 3 + 0.5) / 4)


def test_the_quantile_is_the_order_statistic_of_n_plus_one() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 21.0))  # 20 speakers, one utterance each
    groups = np.arange(20)
    assert conformal.speaker_quantile(scores, groups, 0.9) == 19.0  # ceil(21 * 0.9)
    assert conformal.speaker_quantile(scores, groups, 0.5) == 11.0
    assert conformal.speaker_quantile(scores[:6], groups[:6], 0.9) is None


def test_the_quantile_is_over_speakers_not_utterances() -> None:
    """One talkative speaker with large errors is one of 20 people, though he has most of the utterances."""
    groups = np.concatenate([np.arange(20), np.zeros(400, dtype=int)])
    scores = np.where(groups == 0, 50.0, 1.0 + groups / 100)
    assert conformal.speaker_quantile(scores, groups, 0.9) == pytest.approx(
        1.19
    )  # the 19th of 20: ceil(21 * 0.9)


def test_new_speakers_are_held_as_often_as_promised() -> None:
    """Utterances of new speakers, 400 times: the mean coverage is the level, or a little more."""
    held = []
    for seed in range(400):
        known, new = ages(19, 6, seed), ages(1, 6, 10_000 + seed)
        numbers = np.repeat(np.arange(19), 6)
        errors = abs(known["target"] - known["predicted"]).to_numpy()
        quantile = conformal.speaker_quantile(errors, numbers, 0.9, draws=100)
        held.append((abs(new["target"] - new["predicted"]) <= quantile).mean())
    assert 0.87 <= np.mean(held) <= 0.96


def test_too_few_speakers_say_how_many_are_needed() -> None:
    found = fit_calibration(ages(6, 5), [], "random")
    entry = applied.entry_at(found, 0.9)
    assert entry is not None
    assert entry["quantile"] is None
    assert entry["reason"] == "no interval: 6 speakers, 9 needed"
    assert found["temperature"] is None
    half = applied.entry_at(found, 0.5)
    assert half is not None
    assert half["quantile"] > 0
    with pytest.raises(ConfigError, match=r"level 0.7 was not fitted; there are 0.5, 0.8, 0.9, 0.95"):
        applied.entry_at(found, 0.7)
    assert applied.entry_at({}) is None


def test_label_sets_hold_the_most_probable_and_grow_with_the_quantile() -> None:
    probabilities = np.array([[0.2, 0.7, 0.1], [0.4, 0.35, 0.25]])
    assert applied.label_sets(probabilities, LABELS, 0.1) == [["b"], ["a"]]
    assert applied.label_sets(probabilities, LABELS, 0.7) == [["b"], ["a", "b"]]
    assert applied.label_sets(probabilities, LABELS, 1.0) == [["b", "a", "c"], ["a", "b", "c"]]


def test_a_report_has_promise_and_achievement_side_by_side() -> None:
    test, other = predictions(24, 30, 3.0), predictions(12, 30, 6.0, seed=5)
    found = fit_calibration(test, LABELS, "loso")
    assert found["temperature"]["value"] == pytest.approx(3.0, rel=0.25)
    report = calibration_report(found, {"test": test, "heldout:y": other}, LABELS)
    json.dumps(report, allow_nan=False)
    own, held = report["parts"]["test"], report["parts"]["heldout:y"]
    assert own["after"]["ece"] < own["before"]["ece"]
    (ninety,) = [row for row in own["conformal"] if row["level"] == 0.9]
    assert 0.85 <= ninety["coverage"]["value"] <= 0.97
    assert ninety["coverage"]["low"] < ninety["coverage"]["value"]
    (ninety,) = [row for row in held["conformal"] if row["level"] == 0.9]
    assert ninety["coverage"]["value"] < 0.87  # surer there than it may be: the promise does not hold
    assert held["after"]["ece"] > own["after"]["ece"]


def test_without_a_test_part_or_speakers_nothing_is_promised() -> None:
    assert fit_calibration(pd.DataFrame(), LABELS, "random") == {}
    table = predictions(6, 5, 1.0)
    table.loc[0, "speaker_id"] = None
    assert fit_calibration(table, LABELS, "random") == {}
    report = calibration_report({}, {"heldout:y": table}, LABELS)["parts"]["heldout:y"]
    assert report["after"] is None
    assert report["conformal"] == []
