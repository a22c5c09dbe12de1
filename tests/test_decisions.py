"""Held-out decisions: what is shared, who may be answered, what is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from profiling.errors import SplitError
from profiling.evaluation.decisions import MISSING, decide, shared_labels
from profiling.evaluation.scoring import score_heldout

HEAD = ["anger", "fear", "joy", "neutral"]


def test_shared_labels_keep_the_heads_order_and_count_the_rest() -> None:
    shared = shared_labels(["joy", "boredom", None, "anger", "boredom", float("nan")], HEAD)
    assert shared.labels == ["anger", "joy"]
    assert shared.columns.tolist() == [0, 2]
    assert shared.rows.tolist() == [True, False, False, True, False, False]
    assert shared.not_scored == {MISSING: 2, "boredom": 2}
    assert (shared.asked, shared.scored) == (6, 2)
    assert shared.scored + sum(shared.not_scored.values()) == shared.asked


def test_fewer_than_two_shared_labels_names_both_sets() -> None:
    with pytest.raises(
        SplitError, match=r"share 1 label.*the head knows anger, fear, joy, neutral.*has boredom, joy"
    ):
        shared_labels(["joy", "boredom"], HEAD)
    with pytest.raises(SplitError, match=r"share 0 .*no rows"):
        shared_labels([], HEAD)


def test_masked_answers_only_shared_labels_and_open_answers_any() -> None:
    scores = np.array([[0.1, 0.6, 0.3, 0.0], [0.2, 0.1, 0.1, 0.6]])
    assert decide(scores, HEAD) == ["fear", "neutral"]
    assert decide(scores, HEAD, ["anger", "joy"]) == ["joy", "anger"]


def test_bad_probabilities_are_named() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3\): expected \(n, 4\)"):
        decide(np.zeros((2, 3)), HEAD)
    with pytest.raises(ValueError, match="1 of 2 rows have NaN probabilities, the first is row 1"):
        decide(np.array([[0, 1, 0, 0], [0, np.nan, 0, 0]]), HEAD)
    with pytest.raises(ValueError, match="must be some of"):
        decide(np.zeros((2, 4)), HEAD, ["boredom"])


def test_both_decisions_are_scored_on_the_rows_the_head_knows() -> None:
    random = np.random.default_rng(0)
    corpus = np.array(["anger", "joy", "boredom"])[random.integers(0, 3, 90)].tolist()
    scores = random.random((90, 4))
    who = [f"s{i % 9}" for i in range(90)]
    train = ["neutral"] * 50 + ["joy"] * 20 + ["anger"] * 10
    found = score_heldout(corpus, scores, HEAD, who, train)
    json.dumps(found, allow_nan=False)
    rows = [i for i, label in enumerate(corpus) if label != "boredom"]
    truth = [corpus[i] for i in rows]
    masked = ["anger" if scores[i, 0] >= scores[i, 2] else "joy" for i in rows]
    assert found["shared_labels"] == ["anger", "joy"]
    assert (found["asked"], found["scored"]) == (90, len(rows))
    assert found["masked"]["n"] == found["open"]["n"] == len(rows)
    expected = balanced_accuracy_score(truth, masked)
    assert found["masked"]["metrics"]["uar"]["value"] == pytest.approx(expected, rel=1e-6)
    everything = [HEAD[i] for i in scores[rows].argmax(1)]
    right = [
        np.mean([p == t for p, t in zip(everything, truth, strict=True) if t == c]) for c in ("anger", "joy")
    ]
    assert found["open"]["metrics"]["uar"]["value"] == pytest.approx(np.mean(right), rel=1e-6)
    assert found["open"]["metrics"]["uar"]["value"] < found["masked"]["metrics"]["uar"]["value"]


def test_the_constant_is_masked_as_the_head_is() -> None:
    scores = np.eye(4)[[0, 2, 2]]
    found = score_heldout(["anger", "joy", "joy"], scores, HEAD, [*"abc"], ["neutral"] * 5 + ["joy"] * 2)
    assert found["masked"]["constant"]["label"] == "joy"
    assert found["masked"]["constant"]["uar"] == 0.5
    assert found["open"]["constant"]["label"] == "neutral"
    assert found["open"]["constant"]["uar"] == 0.0


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 labels, 3 predictions, 3 speakers"):
        score_heldout(["anger", "joy"], np.zeros((3, 4)), HEAD, [*"abc"], ["joy"])
