"""The rows of a task."""

from __future__ import annotations

import pandas as pd
import pytest

from profiling.config import TaskConfig
from profiling.corpora.manifest import conform
from profiling.corpora.tasks import task_rows
from profiling.errors import ConfigError, LabelError, ManifestError

GENDER = {"name": "gender", "column": "gender"}
AGE = {"name": "age", "column": "age_years", "kind": "regression"}


def table() -> pd.DataFrame:
    rows = [
        ("c/1", "female", 31.0, "angry"),
        ("c/2", "male", 8.0, "excited"),
        ("c/3", "female", None, "neutral"),
        ("c/4", None, 16.0, None),
        ("c/5", "child", None, "bored"),
    ]
    frame = pd.DataFrame(rows, columns=["utt_id", "gender", "age_years", "emotion"])
    return conform(frame.assign(path="/x/" + frame["utt_id"], corpus="c", speaker_id=frame["utt_id"]))


def test_missing_labels_are_left_out_and_counted() -> None:
    rows = task_rows(table(), TaskConfig())
    assert rows["utt_id"].tolist() == ["c/1", "c/2", "c/3", "c/5"]
    assert rows["label"].tolist() == ["angry", "excited", "neutral", "bored"]
    assert rows.attrs["dropped"] == {"no emotion": 1}


def test_dropping_by_name_and_earlier_drops_are_counted() -> None:
    manifest = table()
    manifest.attrs["dropped"] = {"emotion:xxx": 7}
    rows = task_rows(manifest, TaskConfig(), ["bored", "gender:angry"])
    assert rows["label"].tolist() == ["angry", "excited", "neutral"]
    assert rows.attrs["dropped"] == {"emotion:xxx": 7, "no emotion": 1, "emotion:bored": 1}


def test_schemes_map_and_count_what_has_no_place() -> None:
    rows = task_rows(table(), TaskConfig(scheme="superb4"))
    assert rows["label"].tolist() == ["angry", "happy", "neutral"]
    assert rows.attrs["dropped"] == {"no emotion": 1, "not in superb4: bored": 1}
    assert task_rows(table(), TaskConfig(scheme="ekman6"))["label"].tolist() == ["angry"]
    with pytest.raises(ConfigError, match="did you mean superb4"):
        task_rows(table(), TaskConfig(scheme="superb"))


@pytest.mark.parametrize(
    ("children", "labels"),
    [
        ("keep", ["female", "male", "female", "child"]),
        ("drop", ["female", "female"]),
        ("child", ["female", "child", "female", "child"]),
    ],
)
def test_children_are_kept_dropped_or_a_class(children: str, labels: list[str]) -> None:
    assert task_rows(table(), TaskConfig(**GENDER, children=children))["label"].tolist() == labels


def test_sixteen_is_no_child_by_default() -> None:
    manifest = table().assign(gender="male", age_years=[15.9, 16.0, 17.0, None, 3.0])
    rows = task_rows(manifest, TaskConfig(**GENDER, children="child"))
    assert rows["label"].tolist() == ["child", "male", "male", "male", "child"]


def test_age_is_a_number() -> None:
    rows = task_rows(table(), TaskConfig(**AGE))
    assert rows["target"].tolist() == [31.0, 8.0, 16.0]
    assert str(rows["target"].dtype) == "float64"
    assert rows.attrs["dropped"] == {"no age_years": 2}


def test_a_corpus_without_the_label_is_named() -> None:
    other = table().assign(corpus="d", emotion=None, utt_id=["d/1", "d/2", "d/3", "d/4", "d/5"])
    with pytest.raises(
        ManifestError, match=r"corpus 'd' has no emotion in any of its 5 rows.*it has age_years, gender"
    ):
        task_rows(pd.concat([table(), other]), TaskConfig())


def test_a_column_that_does_not_exist_or_does_not_fit() -> None:
    with pytest.raises(ManifestError, match=r"task.column=age: .*did you mean age_years"):
        task_rows(table(), TaskConfig(name="age", column="age", kind="regression"))
    with pytest.raises(ConfigError, match="holds words"):
        task_rows(table(), TaskConfig(kind="regression"))
    with pytest.raises(ConfigError, match="holds numbers"):
        task_rows(table(), TaskConfig(name="age", column="age_years"))


def test_labels_outside_those_asked_for_are_counted() -> None:
    with pytest.raises(LabelError, match=r"'excited' \(1 rows\).*corpus.drop_labels=\[excited,bored\]"):
        task_rows(table(), TaskConfig(labels=["angry", "neutral"]))
    rows = task_rows(table(), TaskConfig(labels=["angry", "neutral"]), ["excited", "bored"])
    assert rows["label"].tolist() == ["angry", "neutral"]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(ManifestError, match="no row is left"):
        task_rows(table(), TaskConfig(), ["angry", "excited", "neutral", "bored"])
