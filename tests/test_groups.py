"""Groups: who is in which, scores, and gaps beside a model without bias."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from profiling.evaluation.grouping import group_names
from profiling.evaluation.groups import group_scores


def ages(bias: float, speakers: int = 40, each: int = 8, seed: int = 0) -> pd.DataFrame:
    """Errors that speakers share; men's are ``bias`` years larger."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), each)
    male = who % 2 == 1
    target = random.uniform(12, 70, speakers)[who]
    error = abs(random.normal(0, 5, speakers))[who] + abs(random.normal(0, 1, len(who))) + bias * male
    return pd.DataFrame(
        {
            "speaker_id": [f"s{i}" for i in who],
            "gender": np.where(male, "male", "female"),
            "age_years": target,
            "duration_s": random.uniform(0.5, 9, len(who)),
            "language": "de",
            "corpus": "x",
            "target": target,
            "predicted": target + error,
        }
    )


def test_scores_of_a_group_are_those_of_its_rows() -> None:
    table = ages(0)
    found = group_scores(table, [], constant=30.0)
    json.dumps(found, allow_nan=False)
    rows = {(row["grouping"], row["group"], row["metric"]): row for row in found["groups"]}
    men = table[table["gender"] == "male"]
    row = rows["sex", "male", "mae"]
    assert row["value"] == pytest.approx(abs(men["target"] - men["predicted"]).mean())
    assert (row["n"], row["speakers"]) == (160, 20)
    assert row["low"] < row["value"] < row["high"]
    skill = 1 - row["value"] / abs(men["target"] - 30).mean()
    assert rows["sex", "male", "skill"]["value"] == pytest.approx(skill)
    twenties = table[(table["target"] >= 20) & (table["target"] < 30)]
    assert rows["age", "20 to 29", "mae"]["n"] == len(twenties)
    assert "language" not in {row["grouping"] for row in found["groups"]}  # one language is no grouping
    assert ("duration", "under 1 s", "mae") in rows
    assert ("sex and age", "male, 20 to 29", "mae") in rows


def test_small_groups_say_so() -> None:
    table = ages(0, speakers=12)
    table.loc[table["speaker_id"].isin(["s1", "s3"]), "gender"] = "other"
    rows = {(r["grouping"], r["group"], r["metric"]): r for r in group_scores(table, [], 30.0)["groups"]}
    small = rows["sex", "other", "mae"]
    assert small["note"] == "small group: 2 speakers, 5 needed for an interval"
    assert small["low"] is None
    assert small["reason"] == "too few speakers: 2, at least 5 needed"


def gap(table: pd.DataFrame, grouping: str = "sex") -> dict[str, object]:
    (found,) = [
        row
        for row in group_scores(table, [], 30.0)["gaps"]
        if row["grouping"] == grouping and row["metric"] == "mae"
    ]
    return found


def test_a_large_bias_is_found_and_named() -> None:
    found = gap(ages(6))
    assert found["gap"] > found["random_95"]
    assert (found["best"], found["worst"]) == ("female", "male")
    assert found["p_value"] < 0.01
    assert found["note"] == "larger than 95 % of the gaps of a model without bias"


def test_a_gap_that_few_speakers_make_by_chance_is_not_called_bias() -> None:
    """No bias, many utterances of few speakers: a random model dealt out by utterance would cry wolf."""
    tables = [ages(0, speakers=12, each=40, seed=seed) for seed in range(12)]
    cried = sum(gap(table.drop(columns=["age_years", "duration_s"]))["p_value"] <= 0.05 for table in tables)
    assert cried <= 2


def test_durations_are_dealt_out_by_utterance() -> None:
    table = ages(0)
    table["predicted"] += np.where(table["duration_s"] < 2, 10, 0)
    found = gap(table, "duration")
    assert found["p_value"] < 0.01
    assert found["worst"] in ("under 1 s", "1 to 2 s")


def test_labels_are_compared_on_the_same_classes() -> None:
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(20), 10)
    truth = random.choice(["x", "y"], 200)
    table = pd.DataFrame(
        {
            "speaker_id": [f"s{i}" for i in who],
            "gender": np.where(who % 2, "m", "f"),
            "corpus": "c",
            "label": truth,
            "predicted": np.where(random.random(200) < 0.7, truth, "x"),
        }
    )
    found = group_scores(table, ["x", "y"])
    row = next(r for r in found["groups"] if r["group"] == "m" and r["metric"] == "wa")
    men = table[table["gender"] == "m"]
    assert row["value"] == pytest.approx((men["label"] == men["predicted"]).mean())
    lacking = table[(table["gender"] == "f") | (table["label"] == "x")]
    gaps = {row["metric"]: row for row in group_scores(lacking, ["x", "y"])["gaps"]}
    assert "undefined in a group" in gaps["uar"]["note"]
    assert gaps["wa"]["gap"] is not None


def test_bands_and_decades() -> None:
    table = pd.DataFrame(
        {"age_years": [9.9, 10, 29.5, None], "duration_s": [0.99, 1.0, 8.0, 3.0], "snr_db": [9, 10, 30, None]}
    )
    assert list(group_names(table, "age").fillna("?")) == ["0 to 9", "10 to 19", "20 to 29", "?"]
    assert list(group_names(table, "duration")) == ["under 1 s", "1 to 2 s", "8 s and over", "2 to 4 s"]
    assert list(group_names(table, "snr").fillna("?")) == [
        "under 10 dB",
        "10 to 20 dB",
        "30 dB and over",
        "not measured",
    ]
    assert group_names(table, "sex") is None
