"""Scores of single folds against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from profiling.evaluation.folds import fold_scores

RNG = np.random.default_rng(3)
LABELS = ["a", "b", "c"]


def test_each_fold_is_scored_alone_and_mean_and_sd_are_over_folds() -> None:
    table = pd.DataFrame(
        {
            "fold": np.repeat(["x", "y", "z"], 40),
            "label": RNG.choice(LABELS, 120),
            "predicted": RNG.choice(LABELS, 120),
        }
    )
    found = fold_scores(table, LABELS)
    assert found is not None
    uars = []
    for fold in found["folds"]:
        rows = table[table["fold"] == fold["fold"]]
        uars.append(balanced_accuracy_score(rows["label"], rows["predicted"]))
        assert fold["n"] == 40
        assert fold["metrics"] == pytest.approx(
            {
                "uar": uars[-1],
                "wa": accuracy_score(rows["label"], rows["predicted"]),
                "macro_f1": f1_score(rows["label"], rows["predicted"], average="macro"),
            },
            rel=1e-12,
        )
    assert found["mean"]["uar"] == pytest.approx(np.mean(uars))
    assert found["sd"]["uar"] == pytest.approx(np.std(uars, ddof=1))


def test_years_by_hand_and_a_fold_without_a_class() -> None:
    years = pd.DataFrame({"fold": ["x", "x", "y"], "target": [20.0, 30, 40], "predicted": [23.0, 26, 40]})
    found = fold_scores(years, [])
    assert found is not None
    assert [fold["metrics"]["mae"] for fold in found["folds"]] == [3.5, 0.0]
    assert found["sd"]["mae"] == pytest.approx(3.5 / np.sqrt(2))
    short = pd.DataFrame({"fold": ["x", "x", "y"], "label": ["a", "b", "a"], "predicted": ["a", "a", "a"]})
    alone = fold_scores(short, LABELS)
    assert alone is not None
    assert [fold["metrics"]["uar"] for fold in alone["folds"]] == [0.5, 1.0]
    assert fold_scores(short[:2], LABELS) is None
