"""Published numbers beside a result, and one answer for a speaker."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, recall_score

from profiling.corpora.cards import read_card
from profiling.evaluation.estimands import LARGER_IS_BETTER
from profiling.evaluation.pooling import speaker_level
from profiling.evaluation.published import beside_published, published
from profiling.evaluation.result import Result


def result(**changes: Any) -> Result:
    """RAVDESS, 8 classes, speakers apart, released weights, tested within the corpus."""
    score = {
        "metrics": {"uar": {"value": 0.7}, "wa": {"value": 0.71}},
        "constant": {"uar": 0.125, "wa": 0.13},
        "confusion": {"labels": list("abcdefgh"), "matrix": []},
    }
    whole = {
        "task": {"name": "emotion"},
        "data": [{"corpus": "ravdess", "role": "train"}],
        "split": {"speaker_independent": True},
        "backbone": {"training": "released"},
        "scores": {"test": score, "validation": score, "heldout": {}},
    }
    return cast(Result, whole | changes)


def because(one: Result, system: str = "WavLM-L frozen (EmoBox)") -> str:
    (row,) = (row for row in beside_published(one) if row["system"] == system)
    assert row["comparable"] is False
    return str(row["because"])


def test_the_facts_are_whole() -> None:
    fields = {"task", "system", "protocol", "test_corpus", "held_out", "classes", "speaker_independent", "metric",
              "value", "constant", "source"}  # fmt: skip
    assert len(published()) >= 12
    for fact in published():
        assert set(fact) == fields
        assert fact["metric"] in LARGER_IS_BETTER
        assert fact["source"]
        assert fact["value"] > 1 if fact["metric"] == "mae" else 0 < fact["value"] < 1
        read_card(fact["test_corpus"])  # a corpus that has no reader could never be comparable


def test_the_same_protocol_is_comparable_and_says_what_is_alike() -> None:
    rows = [row for row in beside_published(result()) if row["comparable"]]
    assert {row["system"] for row in rows} == {"WavLM-L frozen (EmoBox)", "Whisper-L-v3 frozen (EmoBox)"}
    assert {row["part"] for row in rows} == {"test"}  # validation chose the run
    assert rows[0]["ours"] == 0.7
    assert "same test corpus (ravdess)" in rows[0]["because"]
    assert "whether their speakers were kept apart is not stated" in because(
        result(), "ECAPA-TDNN + SVM (VANPY)"
    )
    assert "tested on ravdess, theirs on iemocap" in because(result(), "WavLM-L frozen (SUPERB)")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": [{"corpus": "x", "role": "train"}]}, "tested on x, theirs on ravdess"),
        ({"split": {"speaker_independent": False}}, "our speakers were not kept apart"),
        ({"backbone": {"training": "mini"}}, "our backbone is mini, not a released network"),
    ],
)
def test_every_difference_is_a_reason(changes: dict[str, Any], reason: str) -> None:
    assert because(result(**changes)) == reason


def test_classes_and_role_are_compared() -> None:
    one = result()
    cast(Any, one)["scores"]["test"]["confusion"]["labels"] = ["a", "b"]
    assert because(one) == "2 classes here, 8 there"
    score = result()["scores"]["test"]
    both = {"masked": score, "open": score, "shared_labels": list("abcdefgh")}
    held = result(scores={"heldout": {"ravdess": both}}, heldout_decision="masked")
    assert "on a corpus never trained on" in because_first(held)
    assert beside_published(result(task={"name": "arousal"})) == []


def because_first(one: Result) -> str:
    return str(next(r for r in beside_published(one) if r["test_corpus"] == "ravdess")["because"])


def test_one_answer_for_a_speaker_is_the_mean_of_the_utterances() -> None:
    random = np.random.default_rng(0)
    who = np.repeat([f"s{i}" for i in range(7)], [1, 2, 9, 4, 4, 4, 30])
    age = dict(zip(sorted(set(who)), random.uniform(20, 60, 7), strict=True))
    target = np.array([age[one] for one in who])
    table = pd.DataFrame(
        {"speaker_id": who, "target": target, "predicted": target + random.normal(3, 5, len(who))}
    )
    found = speaker_level(table, [], [30.0, 40.0])
    means = table.groupby("speaker_id").mean()
    assert found["n"] == 7
    assert found["metrics"]["mae"]["value"] == pytest.approx(
        mean_absolute_error(means["target"], means["predicted"]), rel=1e-9
    )
    assert found["metrics"]["mae"]["value"] != pytest.approx(
        mean_absolute_error(table["target"], table["predicted"]), rel=1e-3
    )


def test_probabilities_are_averaged_not_votes_counted() -> None:
    table = pd.DataFrame(
        {
            "speaker_id": ["a"] * 3 + ["b"] * 3 + ["c"],
            "label": ["f"] * 3 + ["m"] * 3 + ["m"],
            "p_f": [
                0.45,
                0.45,
                0.99,
                0.1,
                0.2,
                0.3,
                0.8,
            ],  # two of a's three votes are wrong, the mean is right
        }
    )
    table["p_m"] = 1 - table["p_f"]
    found = speaker_level(table, ["f", "m"], ["f", "m"])
    expected = recall_score(["f", "m", "m"], ["f", "m", "f"], average="macro")
    assert found["metrics"]["uar"]["value"] == pytest.approx(expected)
    several = table.assign(label=["f", "m", "f", "m", "m", "m", "m"])
    assert "several labels" in speaker_level(several, ["f", "m"], ["f"])["reason"]
    unknown = table.assign(speaker_id=[None, *table["speaker_id"][1:]])
    assert speaker_level(unknown, ["f", "m"], ["f"]) == {"reason": "speaker ids are missing"}
