"""Speaker-disjoint protocols."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profiling.config import SplitConfig, TaskConfig
from profiling.corpora.manifest import conform
from profiling.corpora.reading import read_corpora, read_corpus
from profiling.corpora.splits import (
    Fold,
    Protocol,
    assert_no_overlap,
    assert_one_speaker_each,
    make_protocol,
)
from profiling.corpora.tasks import task_rows
from profiling.errors import SplitError

GENDER = TaskConfig("gender", column="gender")
AGE = TaskConfig("age", kind="regression", column="age_years")


def rows_of(labels: dict[str, str], utterances: int = 4, **columns: object) -> pd.DataFrame:
    """Task rows: speaker -> the classes of their utterances, one letter each, repeated."""
    listed = [
        (f"c/{s}-{i}", f"c/{s}", classes[i % len(classes)])
        for s, classes in labels.items()
        for i in range(utterances)
    ]
    table = pd.DataFrame(listed, columns=["utt_id", "speaker_id", "label"])
    table = table.assign(path="/x/" + table["utt_id"], corpus="c")
    return conform(table).assign(label=table["label"], **columns)


def many(speakers: int, classes: str = "ab") -> dict[str, str]:
    """Each speaker has one class, in turn."""
    return {f"{i:03d}": classes[i % len(classes)] for i in range(speakers)}


def assert_apart(protocol: Protocol, rows: pd.DataFrame) -> None:
    for fold in (*protocol.folds, protocol.final):
        total = fold.train.astype(int) + fold.val + fold.test
        assert total.max() == 1
        parts = [set(rows["speaker_id"][mask]) for mask in fold.parts().values()]
        assert all(not a & b for a, b in combinations(parts, 2))
        assert fold.train.any() and fold.val.any()


def speakers(rows: pd.DataFrame, mask: np.ndarray) -> set[str]:
    return set(rows["speaker_id"][mask])


# --- random -------------------------------------------------------------------------------------------------


def test_random_is_apart_complete_and_about_the_size_asked() -> None:
    rows = rows_of(many(100, "abcd"))
    protocol = make_protocol(rows, SplitConfig(kind="random"))
    assert_apart(protocol, rows)
    (fold,) = protocol.folds
    assert protocol.final is fold
    assert (fold.train | fold.val | fold.test).all()
    assert [len(speakers(rows, mask)) for mask in fold.parts().values()] == pytest.approx([70, 15, 15], abs=2)
    for mask in fold.parts().values():
        assert set(rows["label"][mask]) == set("abcd")


def test_the_seed_decides_and_the_order_of_the_rows_does_not() -> None:
    rows = rows_of(many(40))
    chosen = [
        speakers(table, make_protocol(table, SplitConfig(kind="random", seed=seed)).folds[0].test)
        for table, seed in ((rows, 0), (rows, 0), (rows.sample(frac=1, random_state=1), 0), (rows, 1))
    ]
    assert chosen[0] == chosen[1] == chosen[2]
    assert chosen[0] != chosen[3]


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_three_speakers_is_in_every_part(seed: int) -> None:
    rows = rows_of({**many(60, "ab"), "x": "r", "y": "r", "z": "r"})
    (fold,) = make_protocol(rows, SplitConfig(kind="random", seed=seed)).folds
    assert all("r" in set(rows["label"][mask]) for mask in fold.parts().values())


@pytest.mark.parametrize("seed", range(20))
def test_a_rare_class_is_not_taken_away_by_speakers_who_have_others_too(seed: int) -> None:
    rows = rows_of({**{f"{i:02d}": "ab" for i in range(12)}, "x": "abr", "y": "abr"}, utterances=6)
    (fold,) = make_protocol(rows, SplitConfig(kind="random", seed=seed, test_fraction=0.3)).folds
    assert ["r" in set(rows["label"][mask]) for mask in fold.parts().values()] == [True, True, False]


def test_a_class_of_two_speakers_is_learned_and_validated_not_tested() -> None:
    rows = rows_of({**many(40), "x": "r", "y": "r"})
    (fold,) = make_protocol(rows, SplitConfig(kind="random")).folds
    assert ["r" in set(rows["label"][mask]) for mask in fold.parts().values()] == [True, True, False]


def test_gender_is_balanced_where_the_classes_leave_a_choice() -> None:
    rows = rows_of({f"{i:03d}": "ab" for i in range(60)})
    rows["gender"] = np.where(rows["speaker_id"].str[-3:].astype(int) < 30, "female", "male")
    for seed in range(5):
        (fold,) = make_protocol(rows, SplitConfig(kind="random", seed=seed)).folds
        for mask in (fold.val, fold.test):
            counts = rows[mask].groupby("gender")["speaker_id"].nunique()
            assert abs(counts["female"] - counts["male"]) <= 1


def test_no_test_part_when_none_is_asked_for() -> None:
    (fold,) = make_protocol(rows_of(many(40)), SplitConfig(kind="random", test_fraction=0.0)).folds
    assert not fold.test.any()


def test_ages_are_stratified_by_quantile() -> None:
    rows = rows_of(many(200)).drop(columns="label")
    rows["target"] = rows["speaker_id"].str[-3:].astype(float) / 4 + 10
    (fold,) = make_protocol(rows, SplitConfig(kind="random"), "target").folds
    means = [rows["target"][mask].mean() for mask in fold.parts().values()]
    assert means == pytest.approx([rows["target"].mean()] * 3, abs=4.0)
    bands = pd.qcut(rows["target"], 5, labels=False)
    assert all(set(bands[mask]) == set(range(5)) for mask in fold.parts().values())


# --- leave one speaker out, k-fold --------------------------------------------------------------------------


def test_loso_tests_every_speaker_once_and_validates_in_turn() -> None:
    rows = rows_of({f"{i:02d}": "ab" for i in range(10)})
    protocol = make_protocol(rows, SplitConfig(kind="loso"))
    assert_apart(protocol, rows)
    assert [speakers(rows, f.test) for f in protocol.folds] == [{f"c/{i:02d}"} for i in range(10)]
    assert [f.name for f in protocol.folds] == [f"c/{i:02d}" for i in range(10)]
    assert all((f.train | f.val | f.test).all() for f in protocol.folds)
    used = [speaker for f in protocol.folds for speaker in speakers(rows, f.val)]
    assert sorted(set(used)) == sorted(set(rows["speaker_id"])), "everyone validates once"
    assert not protocol.final.test.any()
    assert (protocol.final.train | protocol.final.val).all()


@pytest.mark.parametrize("seed", range(5))
def test_loso_with_one_class_a_speaker_has_both_in_validation(seed: int) -> None:
    rows = rows_of(many(9))
    protocol = make_protocol(rows, SplitConfig(kind="loso", seed=seed))
    for fold in (*protocol.folds, protocol.final):
        assert set(rows["label"][fold.val]) == set(rows["label"][fold.train]) == {"a", "b"}


def test_kfold_tests_every_row_once_with_even_folds() -> None:
    rows = rows_of(many(53, "ab"))
    protocol = make_protocol(rows, SplitConfig(kind="kfold", folds=5))
    assert_apart(protocol, rows)
    assert np.sum([f.test for f in protocol.folds], axis=0).tolist() == [1] * len(rows)
    sizes = [len(speakers(rows, f.test)) for f in protocol.folds]
    assert sorted(sizes) == [10, 10, 11, 11, 11]
    for fold in protocol.folds:
        counts = rows[fold.test].groupby("label")["speaker_id"].nunique()
        assert abs(counts["a"] - counts["b"]) <= 1
    with pytest.raises(SplitError, match=r"split.folds=9 but there are 8 speakers; use at most 8"):
        make_protocol(rows_of(many(8)), SplitConfig(kind="kfold", folds=9))


# --- official -----------------------------------------------------------------------------------------------


def official(parts: dict[str, str], labels: dict[str, str]) -> pd.DataFrame:
    rows = rows_of(labels)
    return rows.assign(split=[parts.get(s.split("/")[1]) for s in rows["speaker_id"]])


def test_official_keeps_test_and_takes_validation_from_the_training_speakers() -> None:
    labels = many(40)
    rows = official({s: "test" if int(s) >= 20 else "train" for s in labels}, labels)
    protocol = make_protocol(rows, SplitConfig())
    assert_apart(protocol, rows)
    assert protocol.kind == "official"
    (fold,) = protocol.folds
    assert (fold.test == (rows["split"] == "test")).all()
    assert ((fold.train | fold.val) == (rows["split"] == "train")).all()
    assert len(speakers(rows, fold.val)) == pytest.approx(3, abs=1)
    assert set(rows["label"][fold.val]) == {"a", "b"}


def test_official_validation_is_kept_where_there_is_one() -> None:
    labels = many(30)
    rows = official({s: ("train", "val", "test")[int(s) // 2 % 3] for s in labels}, labels)
    (fold,) = make_protocol(rows, SplitConfig(kind="official")).folds
    assert (fold.val == (rows["split"] == "val")).all()


def test_official_overlap_and_gaps_are_refused() -> None:
    labels = many(30)
    parts = {s: "test" if int(s) >= 20 else "train" for s in labels}
    rows = official(parts, labels)
    rows.loc[rows["utt_id"] == "c/000-0", "split"] = "test"
    with pytest.raises(SplitError, match=r"1 speakers are both in train and test: c/000.*split.kind=random"):
        make_protocol(rows, SplitConfig())
    rows = official(parts, labels)
    rows.loc[:3, "split"] = None
    with pytest.raises(SplitError, match="split column of c is filled in 116 of 120"):
        make_protocol(rows, SplitConfig())
    with pytest.raises(SplitError, match="4 of 120 rows have no split"):
        make_protocol(rows, SplitConfig(kind="official"))
    with pytest.raises(SplitError, match="no row is in test, the split column has train"):
        make_protocol(official(dict.fromkeys(labels, "train"), labels), SplitConfig(kind="official"))


def test_auto_is_loso_below_twenty_speakers() -> None:
    assert make_protocol(rows_of(many(19)), SplitConfig()).kind == "loso"
    assert make_protocol(rows_of(many(20)), SplitConfig()).kind == "random"


# --- refusals -----------------------------------------------------------------------------------------------


def test_rows_without_a_speaker_are_refused_unless_asked_for() -> None:
    rows = rows_of(many(40))
    rows["speaker_id"] = rows["speaker_id"].where(rows.index >= 8, None)
    with pytest.raises(SplitError, match=r"8 rows of c have no speaker.*split.allow_missing_speakers=true"):
        make_protocol(rows, SplitConfig())
    protocol = make_protocol(rows, SplitConfig(allow_missing_speakers=True))
    assert not protocol.speaker_independent
    assert make_protocol(rows_of(many(40)), SplitConfig()).speaker_independent


@pytest.mark.parametrize("kind", ["auto", "random", "loso", "kfold"])
def test_two_speakers_are_too_few(kind: str) -> None:
    with pytest.raises(SplitError, match=r"too few speakers: 2 \(c/x, c/y\).*needs 3"):
        make_protocol(rows_of({"x": "ab", "y": "ab"}), SplitConfig(kind=kind))


def test_three_speakers_are_enough() -> None:
    rows = rows_of({"x": "ab", "y": "ab", "z": "ab"})
    for kind, folds in (("random", 1), ("loso", 3), ("kfold", 3)):
        protocol = make_protocol(rows, SplitConfig(kind=kind, folds=3))
        assert len(protocol.folds) == folds
        assert_apart(protocol, rows)


def test_one_class_and_equal_ages_are_refused() -> None:
    with pytest.raises(SplitError, match="one class only: 'a' in all 40 rows"):
        make_protocol(rows_of(many(10, "a")), SplitConfig())
    rows = rows_of(many(10)).drop(columns="label").assign(target=21.0)
    with pytest.raises(SplitError, match="all 40 targets equal 21"):
        make_protocol(rows, SplitConfig(), "target")


@pytest.mark.parametrize("kind", ["random", "loso", "kfold"])
def test_a_class_of_one_speaker_is_named_with_the_ways_out(kind: str) -> None:
    rows = rows_of({**many(12), "x": "r"})
    with pytest.raises(
        SplitError, match=r"no 'r' in (val|train); of 13 speakers 1 have it \(c/x\).*drop_labels=\[r\]"
    ):
        make_protocol(rows, SplitConfig(kind=kind))


def test_no_validation_is_refused() -> None:
    with pytest.raises(SplitError, match="val_fraction=0"):
        make_protocol(rows_of(many(10)), SplitConfig(val_fraction=0.0))


def test_a_recording_under_two_speakers_is_refused() -> None:
    train = rows_of(many(4)).assign(start_sample=0, end_sample=-1)
    train["audio_sha256"] = [f"{i:064x}" for i in range(len(train))]
    assert_one_speaker_each(train)
    same_speaker, other_speaker = train.copy(), train.copy()
    same_speaker.loc[1, "audio_sha256"] = train.loc[0, "audio_sha256"]
    assert same_speaker["speaker_id"][0] == same_speaker["speaker_id"][1]
    assert_one_speaker_each(same_speaker)
    last = len(train) - 1
    other_speaker.loc[last, "audio_sha256"] = train.loc[0, "audio_sha256"]
    with pytest.raises(SplitError, match=f"2 rows are copies.*{train['utt_id'][0]}, {train['utt_id'][last]}"):
        assert_one_speaker_each(other_speaker)
    assert_one_speaker_each(other_speaker.assign(start_sample=range(len(train))))  # turns of a conversation
    nobody = same_speaker.assign(speaker_id=None)
    with pytest.raises(SplitError, match="2 rows are copies"):
        assert_one_speaker_each(nobody)
    assert_one_speaker_each(other_speaker.assign(audio_sha256=None))  # in quarantine


def test_heldout_overlap_is_refused_by_speaker_by_recording_and_by_file() -> None:
    train, other = rows_of(many(4)), rows_of(many(4))
    other = other.assign(corpus="d", path="/y/" + other["utt_id"])
    for name in ("utt_id", "speaker_id"):
        other[name] = other[name].str.replace("c/", "d/")
    assert_no_overlap(train, other)
    with pytest.raises(SplitError, match="4 speakers of held-out c are in the training corpora"):
        assert_no_overlap(train, train)
    with pytest.raises(SplitError, match="16 files of held-out d"):
        assert_no_overlap(train, other.assign(path=train["path"]))
    train["audio_sha256"], other["audio_sha256"] = "0" * 64, None
    assert_no_overlap(train, other)
    other.loc[3, "audio_sha256"] = "0" * 64
    with pytest.raises(SplitError, match=r"1 recordings of held-out d.*d/000-3"):
        assert_no_overlap(train, other)


def test_the_summary_counts_by_part_label_and_gender() -> None:
    rows = rows_of(many(40))
    rows["gender"] = np.where(rows["label"] == "a", "female", None)
    protocol = make_protocol(rows, SplitConfig(kind="random"))
    summary = protocol.summary
    assert summary["rows"].sum() == len(rows)
    assert summary["speakers"].sum() == 40
    assert set(summary["gender"]) == {"female", "unknown"}
    (fold,) = protocol.folds
    cell = summary.query("part == 'val' and label == 'a'")
    assert cell["rows"].tolist() == [int((fold.val & (rows["label"] == "a")).sum())]
    assert isinstance(fold, Fold)


# --- real speech --------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("name", ["emodb", "nemo"])
@pytest.mark.parametrize("task", [TaskConfig(), GENDER, AGE], ids=lambda task: task.name)
@pytest.mark.parametrize("kind", ["auto", "random", "kfold"])
def test_small_real_corpora_can_be_split(speech: Path, name: str, task: TaskConfig, kind: str) -> None:
    rows = task_rows(read_corpus(f"{name}:{speech / name}", {}), task)
    column = "target" if task.kind == "regression" else "label"
    protocol = make_protocol(rows, SplitConfig(kind=kind), column)
    assert protocol.kind == ("loso" if kind == "auto" else kind)
    assert protocol.speaker_independent
    assert_apart(protocol, rows)


@pytest.mark.data
@pytest.mark.parametrize("task", [GENDER, AGE], ids=lambda task: task.name)
def test_speechocean762_uses_its_official_split(speech: Path, task: TaskConfig) -> None:
    rows = task_rows(read_corpus(f"csv:{speech}/speechocean762/manifest.csv", {}), task)
    protocol = make_protocol(rows, SplitConfig(), "target" if task is AGE else "label")
    assert_apart(protocol, rows)
    (fold,) = protocol.folds
    assert protocol.kind == "official"
    assert (len(speakers(rows, fold.test)), int(fold.test.sum())) == (125, 2500)
    assert len(speakers(rows, fold.val)) == 19  # 15 % of 125


@pytest.mark.data
def test_pooled_real_corpora_and_a_heldout_one(speech: Path) -> None:
    specs = [f"nemo:{speech / 'nemo'}", f"csv:{speech}/speechocean762/manifest.csv"]
    train = read_corpora(specs, {})
    rows = task_rows(train, GENDER)
    protocol = make_protocol(rows, SplitConfig())
    assert protocol.kind == "random", "nemo has no split column"
    assert_apart(protocol, rows)
    for mask in protocol.folds[0].parts().values():
        assert set(rows["corpus"][mask]) == {"nemo", "speechocean762"}
    assert_no_overlap(train, read_corpus(f"emodb:{speech / 'emodb'}", {}))
    with pytest.raises(SplitError, match="9 speakers of held-out nemo"):
        assert_no_overlap(train, read_corpus(f"csv:{speech}/nemo/manifest.csv", {}))
