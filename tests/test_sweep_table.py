"""The table of a study: layers down, tasks and corpora across."""

from __future__ import annotations

from typing import Any

from profiling.training.sweep_table import cross_table

BY = ["task", "corpus.train", "features.layers"]


def winner(task: str, corpus: str, layers: str, value: float, low: float | None = None) -> tuple[Any, Any]:
    name = "mae" if task == "age" else "uar"
    metrics = {name: {"value": value, "low": low, "high": None if low is None else value + 0.05}}
    cell = {"task": task, "corpus.train": f"[csv:/data/{corpus}/manifest.csv]", "features.layers": layers}
    scores = {"validation": {"metrics": {name: {"value": 9}}}, "test": {"metrics": metrics}, "heldout": {}}
    return {"cell": cell, "score_name": name}, {"scores": scores}


def test_layers_go_down_and_what_differs_goes_across() -> None:
    winners = [
        winner("gender", "emodb", "pool", 0.91, 0.85),
        winner("gender", "emodb", "pool|embedding", 0.5),
        winner("age", "emodb", "pool", 4.25),
        winner("gender", "nemo", "pool|embedding", 0.75),
    ]
    head, *rows = cross_table(winners, BY)
    assert head == ["features.layers", "gender, emodb", "age, emodb", "gender, nemo"]
    assert rows == [
        ["pool", "UAR 0.910 [0.850, 0.960]", "MAE 4.25", ""],
        ["pool|embedding", "UAR 0.500", "", "UAR 0.750"],
    ]


def test_one_corpus_is_not_named_and_one_setting_is_no_table() -> None:
    winners = [winner("gender", "emodb", layers, 0.5) for layers in ("pool", "embedding")]
    assert next(iter(cross_table(winners, BY))) == ["features.layers", "gender"]
    assert list(cross_table(winners[:1], BY)) == []
    assert list(cross_table(winners, ["task"])) == []
