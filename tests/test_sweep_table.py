"""The table of a study: layers down, tasks and corpora across."""

from __future__ import annotations

from typing import Any

from profiling.training.sweep_table import cross_table, opened_text, winner_rows

BY = ["task", "corpus.train", "features.layers"]


def winner(
    task: str, corpus: str, layers: str, value: float, low: float | None = None, run: int = 0
) -> tuple[Any, Any]:
    name = "mae" if task == "age" else "uar"
    metrics = {name: {"value": value, "low": low, "high": None if low is None else value + 0.05}}
    cell = {"task": task, "corpus.train": f"[csv:/data/{corpus}/manifest.csv]", "features.layers": layers}
    constant = {name: 0.25}
    validated = {"metrics": {name: {"value": value + 0.1, "low": None, "high": None}}, "constant": constant}
    scores = {"validation": validated, "test": {"metrics": metrics, "constant": constant}, "heldout": {}}
    facts = {
        "cell": cell,
        "score_name": name,
        "runs": [f"/sweep/{run}"],
        "validation_score": 0.6,
        "candidates": 3,
    }
    return facts, {"scores": scores}


def test_layers_go_down_and_what_differs_goes_across_in_the_order_they_were_tried() -> None:
    ranked = [
        winner("gender", "emodb", "pool|embedding", 0.5, run=10),
        winner("gender", "emodb", "pool", 0.91, 0.85, run=2),
        winner("age", "emodb", "pool", 4.25, run=3),
        winner("gender", "nemo", "pool|embedding", 0.75, run=11),
    ]
    head, *rows = cross_table(ranked, BY)
    assert head == ["features.layers", "gender, emodb", "age, emodb", "gender, nemo"]
    assert rows == [
        ["pool", "UAR 0.910 [0.850, 0.960]", "**MAE 4.25**", ""],
        ["pool|embedding", "**UAR 0.500**", "", "**UAR 0.750**"],  # validation ranked it first, test did not
        ["constant", "UAR 0.250", "MAE 0.25", "UAR 0.250"],
    ]


def test_a_winner_is_a_row_with_every_part() -> None:
    head, row = winner_rows([winner("gender", "emodb", "pool", 0.9, 0.85, run=7)], BY)
    assert head == [*BY, "run", "best of", "selected on", "validation", "test"]
    assert row[:6] == ["gender", "emodb", "pool", "7", "3", "UAR 0.600"]
    assert row[6:] == ["1.000 (constant 0.250)", "0.900 [0.850, 0.950] (constant 0.250)"]


def test_many_winners_get_a_line_each() -> None:
    said = opened_text(*winner("gender", "emodb", "pool", 0.9, 0.85))
    assert said == "test UAR 0.900 [0.850, 0.950] (constant 0.250)"


def test_one_corpus_is_not_named_and_one_setting_is_no_table() -> None:
    winners = [winner("gender", "emodb", layers, 0.5) for layers in ("pool", "embedding")]
    assert next(iter(cross_table(winners, BY))) == ["features.layers", "gender"]
    assert list(cross_table(winners[:1], BY)) == []
    assert list(cross_table(winners, ["task"])) == []
