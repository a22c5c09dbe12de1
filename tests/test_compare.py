"""Paired comparison: joined by id, tested over speakers, corrected for many."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error

from profiling.errors import ConfigError, SplitError
from profiling.evaluation.compare import compare_predictions
from profiling.evaluation.comparison import win_table
from profiling.evaluation.metrics import mae, regression_sums, uar
from profiling.evaluation.paired import holm, paired_bootstrap, sign_flip_test

LABELS = ["anger", "joy", "sad"]


def emotions(right: float, seed: int, speakers: int = 12, each: int = 10) -> pd.DataFrame:
    """A system that is right in that share; references and ids are the same for every seed."""
    common = np.random.default_rng(1)
    rows = speakers * each
    truth = common.choice(LABELS, rows)
    random = np.random.default_rng(seed)
    answer = np.where(random.random(rows) < right, truth, random.choice(LABELS, rows))
    table = pd.DataFrame(
        {
            "utt_id": [f"u{i:03d}" for i in range(rows)],
            "speaker_id": [f"s{i % speakers}" for i in range(rows)],
            "label": truth,
            "predicted": answer,
        }
    )
    for label in LABELS:
        table[f"p_{label}"] = np.where(answer == label, 0.8, 0.1)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def ages(offset: float, seed: int, speakers: int = 30, each: int = 5) -> pd.DataFrame:
    """Errors of which a speaker's utterances share a part, and an offset."""
    common, random = np.random.default_rng(2), np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), each)
    truth = np.repeat(common.uniform(10, 70, speakers), each)
    predicted = truth + np.repeat(common.normal(0, 5, speakers), each) + random.normal(offset, 2, len(who))
    return pd.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(len(who))],
            "speaker_id": [f"s{i}" for i in who],
            "target": truth,
            "predicted": predicted,
        }
    )


def test_values_are_joined_by_id_and_equal_scikit_learn() -> None:
    better, worse = emotions(0.8, 3), emotions(0.2, 4)
    (found,) = compare_predictions({"A": better, "B": worse})
    for table, value in ((better, found.value_a), (worse, found.value_b)):
        assert value == pytest.approx(balanced_accuracy_score(table["label"], table["predicted"]))
    assert found.difference == pytest.approx((found.value_a or 0) - (found.value_b or 0))
    assert (found.n, found.speakers, found.metric, found.where) == (120, 12, "uar", "test")
    a, b = better.set_index("utt_id"), worse.set_index("utt_id").loc[better["utt_id"]]
    right, other = a["label"] == a["predicted"], b["label"] == b["predicted"]
    assert found.utterances_won == int((right & ~other).sum())
    assert found.utterances_lost == int((other & ~right).sum())
    assert found.utterances_won + found.utterances_tied + found.utterances_lost == 120
    by_speaker = (right.astype(int) - other.astype(int)).groupby(a["speaker_id"]).sum()
    assert found.speakers_won == int((by_speaker > 0).sum())
    assert found.verdict() == "win"
    assert found.bootstrap_better == 1.0


def test_the_exact_sign_flip_test_by_hand() -> None:
    """Seven speakers: all 128 ways of swapping whom, each recomputed from its rows."""
    a, b = ages(0.5, 5, speakers=7), ages(2.0, 6, speakers=7)
    errors = [abs(t["predicted"] - t["target"]).to_numpy().reshape(7, 5) for t in (a, b)]
    observed = errors[0].mean() - errors[1].mean()
    extreme = 0
    for swap in itertools.product([0, 1], repeat=7):
        one = np.mean([errors[s][i] for i, s in enumerate(swap)])
        two = np.mean([errors[1 - s][i] for i, s in enumerate(swap)])
        extreme += abs(one - two) >= abs(observed) - 1e-12
    (found,) = compare_predictions({"A": a, "B": b})
    assert found.exact
    assert found.swaps == 128
    assert found.p_value == pytest.approx(extreme / 128)
    scipys = stats.permutation_test(
        (errors[0].mean(1), errors[1].mean(1)),
        lambda x, y: np.mean(x) - np.mean(y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert found.p_value == pytest.approx(scipys.pvalue)


def test_random_flips_agree_with_scipy_for_many_speakers() -> None:
    a, b = ages(1.0, 7), ages(1.3, 8)
    (found,) = compare_predictions({"A": a, "B": b})
    means = [abs(t["predicted"] - t["target"]).groupby(t["speaker_id"]).mean() for t in (a, b)]
    scipys = stats.permutation_test(
        (means[0], means[1]),
        lambda x, y: np.mean(x) - np.mean(y),
        permutation_type="samples",
        n_resamples=9999,
        random_state=np.random.default_rng(0),
    )
    assert not found.exact
    assert found.p_value == pytest.approx(scipys.pvalue, abs=0.02)
    assert found.value_a == pytest.approx(mean_absolute_error(a["target"], a["predicted"]))


def test_under_no_difference_the_test_rejects_one_in_twenty() -> None:
    """Speakers who all lean to one side by chance, 12 utterances each: utterances would reject far more often."""
    random = np.random.default_rng(0)
    speakers, each, runs = 9, 12, 500
    who = np.repeat(np.arange(speakers), each)
    truth = np.zeros(len(who))
    small = {"speakers": 0, "utterances": 0}
    for _ in range(runs):
        lean = [np.repeat(random.normal(0, 1, speakers), each) for _ in range(2)]
        first, second = (3 + one + random.normal(0, 0.5, len(who)) for one in lean)
        sums = [regression_sums(truth, one, who) for one in (first, second)]
        small["speakers"] += (sign_flip_test(sums[0], sums[1], mae).p_value or 0) <= 0.05
        small["utterances"] += stats.ttest_rel(abs(first), abs(second)).pvalue <= 0.05
    assert 0.03 <= small["speakers"] / runs <= 0.07
    assert small["utterances"] / runs > 0.3


def test_the_bootstrap_keeps_pairs_together() -> None:
    """Both systems share the speakers' difficulty: only a paired draw sees how small the difference varies."""
    a, b = ages(0.0, 9), ages(0.0, 10)
    groups = np.repeat(np.arange(30), 5)
    first, second = (regression_sums(t["target"], t["predicted"], groups) for t in (a, b))
    paired = paired_bootstrap(first, second, mae)
    errors = [abs(t["predicted"] - t["target"]).to_numpy().reshape(30, 5).mean(1) for t in (a, b)]
    assert paired.std() == pytest.approx((errors[0] - errors[1]).std() / np.sqrt(30), rel=0.1)
    shuffled = paired_bootstrap(first, second[::-1].copy(), mae)
    assert shuffled.std() > 3 * paired.std()


def test_holm_against_its_definition() -> None:
    p = [0.04, None, 0.001, 0.02, 0.9]
    # sorted 0.001 0.02 0.04 0.9 times 4 3 2 1, made monotone
    assert holm(p) == pytest.approx([0.08, None, 0.004, 0.06, 0.9])
    assert holm([0.4, 0.4, 0.4]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


def test_many_systems_are_corrected_and_counted() -> None:
    tables = {"good": emotions(0.9, 3), "poor": emotions(0.1, 4), "twin": emotions(0.1, 5)}
    found = compare_predictions(tables)
    assert [(one.a, one.b) for one in found] == [("good", "poor"), ("good", "twin"), ("poor", "twin")]
    assert [one.p_holm for one in found] == pytest.approx(holm([one.p_value for one in found]))
    table = win_table(found)
    assert table.index[0] == "good"
    assert table.loc["good"].tolist() == [2, 0, 0, 0]
    assert table.loc["poor"].tolist() == [0, 1, 1, 0]
    swapped = compare_predictions(dict(reversed(tables.items())))
    assert swapped[-1].verdict() == "loss"
    assert swapped[-1].p_value == pytest.approx(found[0].p_value, abs=0.001)


def test_a_smaller_error_wins() -> None:
    (found,) = compare_predictions({"A": ages(0, 1), "B": ages(8, 2)})
    assert found.difference is not None
    assert found.difference < 0
    assert found.verdict() == "win"
    assert found.low is not None
    assert found.low < found.difference < (found.high or 0) < 0


def test_runs_that_do_not_share_utterances_are_refused_with_the_numbers() -> None:
    whole, other = emotions(0.8, 3), emotions(0.8, 4)
    other["utt_id"] = "x" + other["utt_id"]
    with pytest.raises(SplitError, match=r"no utterance is shared \(A 120, B 120\)"):
        compare_predictions({"A": whole, "B": other})
    part = whole.iloc[:100]
    with pytest.raises(SplitError, match=r"only 100 utterances are shared \(A 120, B 100\); .* --shared"):
        compare_predictions({"A": whole, "B": part})
    (found,) = compare_predictions({"A": whole, "B": part}, shared=True)
    assert (found.n, found.difference, found.p_value) == (100, 0.0, 1.0)
    assert found.verdict() == "tie"


def test_other_mistakes_are_named() -> None:
    table = emotions(0.8, 3)
    with pytest.raises(SplitError, match="1 utterances are answered twice, such as"):
        compare_predictions({"A": pd.concat([table, table.iloc[:1]]), "B": table})
    relabelled = table.assign(label=np.where(table["label"] == "joy", "sad", table["label"]))
    with pytest.raises(SplitError, match="utterances have another reference in B than in A"):
        compare_predictions({"A": table, "B": relabelled})
    with pytest.raises(SplitError, match=r"different tasks \(A: label, B: target\)"):
        compare_predictions({"A": table, "B": ages(0, 1)})
    with pytest.raises(ConfigError, match="did you mean uar"):
        compare_predictions({"A": table, "B": table}, "uarr")
    with pytest.raises(ConfigError, match="at least two"):
        compare_predictions({"A": table})


def test_labels_only_one_system_knows_are_not_asked() -> None:
    wide, narrow = emotions(0.8, 3), emotions(0.5, 4).drop(columns=["p_sad"])
    (found,) = compare_predictions({"wide": wide, "narrow": narrow})
    scored = wide[wide["label"] != "sad"]
    masked = np.where(scored["p_anger"] >= scored["p_joy"], "anger", "joy")
    assert found.n == len(scored)
    assert found.value_a == pytest.approx(balanced_accuracy_score(scored["label"], masked))


def test_without_speaker_ids_there_is_no_test() -> None:
    table = emotions(0.8, 3)
    table.loc[0, "speaker_id"] = None
    (found,) = compare_predictions({"A": table, "B": emotions(0.1, 4)})
    assert (found.p_value, found.low, found.reason, found.verdict()) == (
        None,
        None,
        "speaker ids are missing",
        "no test",
    )
    assert found.speakers_won is None
    assert found.difference is not None


def test_a_thousand_speakers_take_seconds() -> None:
    a, b = ages(0, 1, speakers=1000), ages(0.05, 2, speakers=1000)
    start = time.process_time()
    compare_predictions({"A": a, "B": b})
    assert time.process_time() - start < 10


def test_a_metric_that_a_swap_leaves_undefined_counts_against_a_difference() -> None:
    first, second = np.zeros((3, 2, 2)), np.zeros((3, 2, 2))
    first[:, 0, 0], second[:, 0, 1] = 5, 5  # the second class has no rows: UAR over both is undefined
    both = np.array([True, True])
    assert sign_flip_test(first, second, lambda c: uar(c, both)).p_value is None
