"""Sessions, published lists, texts kept apart, what ``auto`` says, and who is in which part."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from profiling.config import SplitConfig
from profiling.corpora.listed import protocol_names, read_protocol
from profiling.corpora.manifest import conform
from profiling.corpora.protocol import assert_one_label_each, balance
from profiling.corpora.splits import make_protocol
from profiling.errors import SplitError
from profiling.provenance import signature
from profiling.resources import splits_folder

EMOTIONS = ("angry", "neutral", "sad")


def rows_of(speakers: list[str], corpus: str = "c", texts: int = 4, **columns: Any) -> pd.DataFrame:
    """Task rows: every speaker says every text in every emotion; a session holds two speakers."""
    crossed = [(i, s, t, e) for i, s in enumerate(speakers) for t in range(texts) for e in EMOTIONS]
    table = {
        "utt_id": [f"{corpus}/{s}_{t}_{e}" for _, s, t, e in crossed],
        "path": [f"/{s}_{t}_{e}.wav" for _, s, t, e in crossed],
        "speaker_id": [f"{corpus}/{s}" for _, s, _, _ in crossed],
        "session": [f"{corpus}/Ses{i // 2:02d}" for i, _, _, _ in crossed],
        "corpus": corpus,
        "gender": [("female", "male")[i % 2] for i, _, _, _ in crossed],
        "age_years": [20.0 + i for i, _, _, _ in crossed],
        "emotion": [e for _, _, _, e in crossed],
        "text_id": [f"t{t}" for _, _, t, _ in crossed],
    }
    table = conform(pd.DataFrame({**table, **columns}))
    return table.assign(label=table["emotion"])


def numbered(first: int, last: int, width: int = 2) -> list[str]:
    return [f"{number:0{width}d}" for number in range(first, last + 1)]


def speakers_in(rows: pd.DataFrame, mask: np.ndarray) -> set[str]:
    return {name.rpartition("/")[2] for name in rows["speaker_id"][mask]}


# --- sessions ------------------------------------------------------------------------------------------------


def test_each_session_is_tested_once_and_validation_is_a_whole_session() -> None:
    rows = rows_of(numbered(1, 10))
    protocol = make_protocol(rows, SplitConfig(kind="session"))
    assert protocol.kind == "session"
    assert [fold.name for fold in protocol.folds] == [f"c/Ses{i:02d}" for i in range(5)]
    assert np.array_equal(np.sum([fold.test for fold in protocol.folds], axis=0), np.ones(len(rows)))
    for fold in protocol.folds:
        parts = {part: set(rows["session"][mask]) for part, mask in fold.parts().items()}
        assert len(parts["test"]) == len(parts["val"]) == 1
        assert not parts["train"] & (parts["test"] | parts["val"])
        assert len(parts["train"]) == 3


def test_sessions_that_share_a_speaker_or_are_missing_are_refused() -> None:
    rows = rows_of(numbered(1, 10))
    rows.loc[rows["session"] == "c/Ses01", "speaker_id"] = "c/01"
    with pytest.raises(SplitError, match="c/01"):
        make_protocol(rows, SplitConfig(kind="session"))
    with pytest.raises(SplitError, match="have no session"):
        make_protocol(rows_of(numbered(1, 10)).assign(session=None), SplitConfig(kind="session"))
    with pytest.raises(SplitError, match="too few sessions: 2"):
        make_protocol(rows_of(numbered(1, 4)), SplitConfig(kind="session"))


# --- published lists -----------------------------------------------------------------------------------------

PEOPLE = {
    "emo_superb_crema_d": ("crema_d", numbered(1001, 1091, 4)),
    "emobox_ravdess": ("ravdess", numbered(1, 24)),
    "iemocap_sessions": ("iemocap", [f"Ses{i:02d}{g}" for i in range(1, 6) for g in "FM"]),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_every_speaker_of_a_rotating_list_is_tested_once(name: str) -> None:
    corpus, speakers = PEOPLE[name]
    rows = rows_of(speakers, corpus, texts=1)
    protocol = make_protocol(rows, SplitConfig(protocol=name))
    assert (protocol.kind, protocol.speaker_independent) == (name, True)
    assert np.array_equal(np.sum([fold.test for fold in protocol.folds], axis=0), np.ones(len(rows)))
    for fold in protocol.folds:
        parts = [speakers_in(rows, mask) for mask in fold.parts().values()]
        assert sum(map(len, parts)) == len(speakers), "nobody is in two parts, or in none"
    assert speakers_in(rows, protocol.final.train | protocol.final.val) == set(speakers)


def test_timits_core_test_leaves_the_other_test_speakers_out() -> None:
    listed = read_protocol("timit_core").folds[0]
    assert (len(listed.test), len(listed.val)) == (24, 50)
    train, others = numbered(1, 462, 3), numbered(463, 556, 3)
    speakers = [*train, *others, *sorted(listed.val), *sorted(listed.test)]
    rows = rows_of(speakers, "timit", texts=1)
    rows["split"] = np.where(rows["speaker_id"].str.removeprefix("timit/").isin(train), "train", "test")
    (fold,) = make_protocol(rows, SplitConfig(protocol="timit_core")).folds
    assert speakers_in(rows, fold.train) == set(train)
    assert speakers_in(rows, fold.test) == set(listed.test)
    assert not speakers_in(rows, fold.train | fold.val | fold.test) & set(others)


def test_tensorflow_datasets_crema_d_is_drawn_by_its_rule() -> None:
    """The published rule, written down anew: sorted speakers, shuffled, cut at 70 and 80 %."""
    speakers = numbered(1001, 1091, 4)
    np.random.RandomState(0).shuffle(speakers)
    (listed,) = read_protocol("tfds_crema_d").folds
    assert (set(listed.val), set(listed.test)) == (set(speakers[63:72]), set(speakers[72:]))


@pytest.mark.parametrize("name", ["evar_crema_d", "tfds_crema_d"])
def test_one_division_of_crema_d_takes_every_speaker_once(name: str) -> None:
    rows = rows_of(numbered(1001, 1091, 4), "crema_d", texts=1)
    (fold,) = make_protocol(rows, SplitConfig(protocol=name)).folds
    assert [len(speakers_in(rows, mask)) for mask in (fold.train, fold.val, fold.test)] == [63, 9, 19]
    assert len(speakers_in(rows, fold.train | fold.val | fold.test)) == 91


def test_every_shipped_list_names_its_source_and_keeps_its_hash() -> None:
    assert len(protocol_names()) == 8
    for name in protocol_names():
        content = yaml.safe_load((splits_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
        assert content["source"]
        assert ("shared_speakers" in name) == (not content["speaker_independent"])
        assert "files" in content or content["sha256"] == signature(content["folds"])


def test_lists_that_do_not_fit_are_refused_with_the_way_out(tmp_path: Path) -> None:
    rows = rows_of(numbered(1, 24), "ravdess", texts=1)
    with pytest.raises(SplitError, match="did you mean emobox_ravdess"):
        make_protocol(rows, SplitConfig(protocol="emobox_ravdes"))
    with pytest.raises(SplitError, match="says nothing of c"):
        make_protocol(rows_of(numbered(1, 24)), SplitConfig(protocol="emobox_ravdess"))
    with pytest.raises(SplitError, match="nobody of the test part of fold_1 is there"):
        make_protocol(rows_of(numbered(30, 40), "ravdess"), SplitConfig(protocol="emobox_ravdess"))
    text = (splits_folder() / "emobox_ravdess.yaml").read_text(encoding="utf-8")
    spoiled = tmp_path / "mine.yaml"
    spoiled.write_text(text.replace('"11"', '"12"'), encoding="utf-8")
    with pytest.raises(SplitError, match="sha256"):
        make_protocol(rows, SplitConfig(protocol=str(spoiled)))


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    folds = [{"name": "only", "train": numbered(1, 4), "val": ["05"], "test": ["06", "07"]}]
    path.write_text(
        yaml.safe_dump({"corpus": "c", "speaker_independent": True, "folds": folds}), encoding="utf-8"
    )
    rows = rows_of(numbered(1, 7))
    protocol = make_protocol(rows, SplitConfig(protocol=str(path)))
    assert protocol.final is protocol.folds[0]
    assert speakers_in(rows, protocol.final.test) == {"06", "07"}
    with pytest.raises(SplitError, match="only does not list 08"):
        make_protocol(rows_of(numbered(1, 8)), SplitConfig(protocol=str(path)))


def test_emoboxs_shared_speakers_are_read_from_the_users_copy_and_say_so(tmp_path: Path) -> None:
    rows = rows_of(numbered(1, 6), "emodb", texts=5)
    stems = [name.removeprefix("emodb/") for name in rows["utt_id"]]
    for fold in range(1, 6):
        (tmp_path / f"fold_{fold}").mkdir()
        lines = [json.dumps({"key": f"emodb-{stem}"}) for stem in stems if f"_{fold - 1}_" in stem]
        (tmp_path / f"fold_{fold}" / f"emodb_test_fold_{fold}.jsonl").write_text(
            "\n".join(lines), encoding="utf-8"
        )
    split = SplitConfig(protocol="emobox_emodb_shared_speakers", folder=str(tmp_path))
    protocol = make_protocol(rows, split)
    assert not protocol.speaker_independent
    first = protocol.folds[0]
    assert set(rows["text_id"][first.test]) == {"t0"}
    assert speakers_in(rows, first.test) & speakers_in(rows, first.train)
    with pytest.raises(SplitError, match=r"split\.folder=PATH"):
        make_protocol(rows, dataclasses.replace(split, folder=None))


# --- texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loso", "kfold", "random"])
def test_no_tested_text_was_heard_in_training(kind: str) -> None:
    rows = rows_of(numbered(1, 8), texts=6)
    protocol = make_protocol(rows, SplitConfig(kind=kind, folds=4, group="text"))
    tested = np.sum([fold.test for fold in protocol.folds], axis=0)
    assert tested.max() == 1
    if kind != "random":
        assert tested.min() == 1, "every row is tested once"
    for fold in protocol.folds:
        assert not set(rows["text_id"][fold.test]) & set(rows["text_id"][fold.train | fold.val])
        assert not speakers_in(rows, fold.test) & speakers_in(rows, fold.train | fold.val)


def test_texts_are_needed_and_must_be_enough() -> None:
    with pytest.raises(SplitError, match="have no text_id"):
        make_protocol(rows_of(numbered(1, 6)).assign(text_id=None), SplitConfig(group="text"))
    with pytest.raises(SplitError, match="2 texts"):
        make_protocol(rows_of(numbered(1, 6), texts=2), SplitConfig(group="text"))


# --- auto, balance, contradictions ---------------------------------------------------------------------------


def test_auto_never_passes_over_an_official_split_silently() -> None:
    rows = rows_of(numbered(1, 30))
    half = rows.assign(split=np.where(rows["speaker_id"] < "c/10", "train", None))
    with pytest.raises(SplitError, match=r"split column of c is filled in .* of 360"):
        make_protocol(half, SplitConfig())
    assert make_protocol(half, SplitConfig(kind="random")).kind == "random"
    official = rows.assign(split=np.where(rows["speaker_id"] < "c/20", "train", "test"))
    assert make_protocol(official, SplitConfig()).notes == ()
    mixed = pd.concat([official, rows_of(numbered(1, 4), "d")], ignore_index=True)
    protocol = make_protocol(mixed, SplitConfig())
    assert protocol.kind == "random"
    assert protocol.notes == ("the official split of c is not used, since d has none; split.kind=random",)


def test_the_balance_counts_people_not_rows() -> None:
    rows = rows_of(numbered(1, 30), split=["train"] * 240 + ["test"] * 120)
    lines = balance(make_protocol(rows, SplitConfig()), rows)
    assert lines[-1] == "  test: 120 rows of 10 speakers (5 female, 5 male); age 40 to 49, median 44.5"
    assert [line.split(":")[0].strip() for line in lines] == ["train", "val", "test"]


def test_a_recording_with_two_labels_under_one_speaker_is_refused() -> None:
    rows = rows_of(numbered(1, 3))
    rows["audio_sha256"] = [f"h{i}" for i in range(len(rows))]
    assert_one_label_each(rows)
    rows.loc[1, "audio_sha256"] = "h0"
    with pytest.raises(
        SplitError, match=r"different emotion: c/01_0_angry \(angry\), c/01_0_neutral \(neutral\)"
    ):
        assert_one_label_each(rows)
