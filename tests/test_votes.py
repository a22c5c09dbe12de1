"""Soft labels and dimensions: from a corpus's own words and scales to targets a head can learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profiling.config import TaskConfig
from profiling.corpora.manifest import check_manifest, conform, manifest_hash, read_manifest, write_manifest
from profiling.corpora.reading import read_corpora, read_corpus
from profiling.corpora.tasks import task_rows
from profiling.errors import ConfigError, LabelError
from profiling.labels import EMOTION_ALIASES, EMOTIONS, strict_map
from profiling.scales import Scale, parse_on_scale, parse_scales
from profiling.votes import majority, map_votes, parse_votes, vote_matrix, write_votes
from tests.miniatures import iemocap, msp_podcast

EMOTION = strict_map(EMOTIONS, EMOTION_ALIASES, {"A": "angry", "N": "neutral", "X": None})


def small(**columns: object) -> pd.DataFrame:
    names = ["c/1", "c/2", "c/3"]
    frame = pd.DataFrame({"utt_id": names, "path": ["/a", "/b", "/c"], "speaker_id": names, "corpus": "c"})
    return conform(frame.assign(**columns))


# --- votes --------------------------------------------------------------------------------------------------


def test_votes_become_shares_in_words_of_the_vocabulary() -> None:
    cells = ['{"A": 3, "N": 1}', None, '{"A": 1, "X": 7, "angry": 1}', '{"X": 2}']
    shares = map_votes(cells, EMOTION, what="votes")
    assert shares == ['{"angry": 0.75, "neutral": 0.25}', None, '{"angry": 1.0}', None]
    thirds = map_votes(['{"A": 1, "N": 1, "sad": 1}'], EMOTION, what="votes")
    assert parse_votes(thirds)[0] == {"angry": 0.333333, "neutral": 0.333333, "sad": 0.333333}


def test_votes_for_a_dropped_word_are_left_out_and_the_rest_divided_anew() -> None:
    assert map_votes(['{"A": 1, "sad": 3}'], EMOTION, what="votes", drop=["sad"]) == ['{"angry": 1.0}']


def test_an_unknown_vote_is_counted_by_recording() -> None:
    cells = ['{"A": 3, "Blue": 1}', '{"Blue": 2}', '{"Red": 1}']
    with pytest.raises(LabelError, match=r"votes of c: .*'Blue' \(2 rows\), 'Red' \(1 rows\)"):
        map_votes(cells, EMOTION, what="votes of c")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("angry", "no JSON such as"),
        ("[1]", "no JSON such as"),
        ('{"angry": "x"}', "no JSON such as"),
        ('{"angry": -1, "sad": 2}', "below 0"),
        ('{"angry": NaN}', "below 0"),
        ('{"furious": 1}', "'furious' in .* is no word of the vocabulary"),
        ('{"angry": 0.5, "sad": 0.4}', "sum to 0.9, not to 1"),
    ],
)
def test_a_cell_that_is_no_share_is_named(cell: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        parse_votes([cell])


def test_majority_and_ties() -> None:
    assert majority({"angry": 0.4, "sad": 0.35, "neutral": 0.25}) == "angry"
    assert majority({"angry": 0.333333, "sad": 0.333333, "neutral": 0.333333}) is None
    assert majority({"sad": 1.0}) == "sad"


def test_soft_targets_by_hand_in_a_scheme() -> None:
    cells = [
        write_votes({"angry": 2, "excited": 1, "happy": 1}),
        write_votes({"disgusted": 3, "sad": 1}),
        write_votes({"disgusted": 1}),
        None,
    ]
    labels = ["angry", "happy", "neutral", "sad"]
    expected = [[0.5, 0.5, 0, 0], [0, 0, 0, 1], [np.nan] * 4, [np.nan] * 4]
    np.testing.assert_allclose(vote_matrix(cells, labels, "superb4"), expected, atol=1e-6)
    np.testing.assert_allclose(vote_matrix(cells[:1], ["angry", "excited"]), [[2 / 3, 1 / 3]], atol=1e-6)


def test_the_task_takes_the_raters_word_and_counts_ties() -> None:
    votes = [write_votes({"sad": 3, "angry": 1}), write_votes({"sad": 1, "angry": 1}), None]
    table = small(emotion=["angry", "angry", "happy"], emotion_votes=votes)
    assert task_rows(table, TaskConfig())["label"].tolist() == ["angry", "angry", "happy"]
    rows = task_rows(table, TaskConfig(votes="majority"))
    assert rows["label"].tolist() == ["sad", "happy"]
    assert rows.attrs["dropped"] == {"no majority of votes": 1}
    assert table["emotion"].tolist() == ["angry", "angry", "happy"], "the manifest is left alone"


# --- dimensions ---------------------------------------------------------------------------------------------


def test_scales_run_either_way_and_back() -> None:
    assert parse_on_scale(["1", "7", "5.5", "", None], Scale(1, 7), what="a") == [0.0, 1.0, 0.75, None, None]
    assert parse_on_scale(["9", "1", "3"], Scale(9, 1), what="a") == [0.0, 1.0, 0.75]
    assert [Scale(-3, 3).from_unit(Scale(-3, 3).to_unit(v)) for v in (-3, 0.5, 3)] == [-3, 0.5, 3]


def test_a_number_off_its_scale_is_counted() -> None:
    with pytest.raises(
        LabelError, match=r"valence: no number from 1 to 5: '6' \(2 rows\), 'high' \(1 rows\)"
    ):
        parse_on_scale(["6", "high", "5", "6"], Scale(1, 5), what="valence")
    with pytest.raises(LabelError, match="'nan2'"):
        parse_on_scale(["nan2"], Scale(1, 5), what="valence")


@pytest.mark.parametrize("wrong", [[1], [1, 1], "1-7", {"arousl": [1, 7]}, ["a", "b"], 5])
def test_what_is_no_scale_is_refused(wrong: object) -> None:
    with pytest.raises(LabelError, match="card: scale"):
        parse_scales(wrong, "card")


def test_two_scales_meet_in_one_unit(tmp_path: Path) -> None:
    """3 on 1..5 and 4 on 1..7 are both the middle: one head learns from both corpora."""
    for mini in (iemocap, msp_podcast):
        (tmp_path / mini.__name__).mkdir()
    paths = [str(mini.build(tmp_path / mini.__name__)) for mini in (iemocap, msp_podcast)]
    table = read_corpora([f"iemocap:{paths[0]}", f"msp_podcast:{paths[1]}"], {})
    rows = task_rows(table, TaskConfig(name="dominance", kind="regression", column="dominance"))
    found = dict(zip(rows["utt_id"], rows["target"], strict=True))
    assert found["iemocap/Ses01F_impro01_F000"] == pytest.approx((3.0 - 1) / 4)
    assert found["msp_podcast/MSP-PODCAST_0153_0002"] == pytest.approx((4.0 - 1) / 6)
    assert rows["target"].between(0, 1).all()
    assert rows.attrs["dropped"]["no dominance"] == 1, "the one off IEMOCAP's scale"


def test_a_table_has_to_say_its_scale(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "m.csv").write_text('path,arousal,emotion_votes\na.wav,4,"{""anger"": 3, ""sad"": 1}"\n')
    with pytest.raises(LabelError, match=r"arousal of .*: on which scale\?.*scale: \[1, 7\]"):
        read_corpus(f"csv:{tmp_path}/m.csv", {})
    (tmp_path / "m.yaml").write_text("manifest: m.csv\nname: mine\nscale: {arousal: [1, 5]}\n")
    row = read_corpus(f"csv:{tmp_path}/m.yaml", {}).iloc[0]
    assert row["arousal"] == 0.75
    assert json.loads(row["emotion_votes"]) == {"angry": 0.75, "sad": 0.25}
    (tmp_path / "m.yaml").write_text("manifest: m.csv\nscale: [1, 3]\n")
    with pytest.raises(LabelError, match=r"no number from 1 to 3: '4' \(1 rows\)"):
        read_corpus(f"csv:{tmp_path}/m.yaml", {})


def test_a_regression_of_words_names_the_numbers() -> None:
    with pytest.raises(ConfigError, match="age_years or arousal, valence, dominance"):
        task_rows(small(emotion="sad"), TaskConfig(kind="regression"))


# --- the manifest -------------------------------------------------------------------------------------------


def test_the_new_columns_survive_a_file_and_old_files_are_read(tmp_path: Path) -> None:
    votes = [write_votes({"sad": 2, "angry": 1}), None, None]
    table = small(session=["c/s1", "c/s1", None], arousal=[1 / 3, None, 1.0], emotion_votes=votes)
    write_manifest(table, tmp_path / "m.csv")
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "m.csv"), table)
    old = pd.read_csv(tmp_path / "m.csv", dtype=object)
    new = ["session", "arousal", "valence", "dominance", "emotion_votes"]
    old.drop(columns=new).assign(path="m.csv").to_csv(tmp_path / "old.csv", index=False)
    assert read_corpus(f"csv:{tmp_path}/old.csv", {})["utt_id"].tolist() == ["c/1", "c/2", "c/3"]


def test_an_empty_new_column_changes_no_hash_and_a_filled_one_does() -> None:
    table = small(emotion="sad")
    assert manifest_hash(table.drop(columns=["session", "arousal", "emotion_votes"])) == manifest_hash(table)
    hashes = {
        manifest_hash(table.assign(session="c/s1")),
        manifest_hash(table.assign(arousal=0.5)),
        manifest_hash(table.assign(valence=0.5)),
        manifest_hash(table.assign(emotion_votes='{"sad": 1.0}')),
        manifest_hash(table),
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arousal": 1.5}, "arousal of m: no number from 0 to 1: '1.5'"),
        ({"emotion_votes": '{"sad": 2}'}, "sum to 2"),
    ],
)
def test_a_manifest_with_a_wrong_number_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        check_manifest(small(**change), "m")


# --- what is left out when it is asked for ------------------------------------------------------------------


def test_parts_and_patterns_are_dropped_by_name_and_counted(tmp_path: Path) -> None:
    folder = iemocap.build(tmp_path)
    table = read_corpus(f"iemocap:{folder}", {}, drop=["id:*_script*"])
    assert table["utt_id"].tolist() == ["iemocap/Ses01F_impro01_F000", "iemocap/Ses01F_impro01_M000"]
    assert table.attrs["dropped"]["id:*_script*"] == 1
    (tmp_path / "msp").mkdir()
    spec = f"msp_podcast:{msp_podcast.build(tmp_path / 'msp')}"
    table = read_corpus(spec, {}, drop=["split:Test2"])
    assert table["split"].tolist() == ["test", "train", "val"]
    assert table.attrs["dropped"]["split:Test2"] == 1
    with pytest.raises(LabelError, match="every row was dropped"):
        read_corpus(spec, {}, drop=["id:*"])


def test_releases_of_msp_podcast_differ_in_their_raters_table(tmp_path: Path) -> None:
    spec = f"msp_podcast:{msp_podcast.build(tmp_path)}"
    before = read_corpus(spec, {})
    details = [
        f"WORKER000000{i}; {word}; {word},Bored; A:1.0; V:4.0; D:1.0;"
        for i, word in enumerate(("Neutral", "Neutral", "Other-Bored", "Sad"))
    ]
    rows = [f'{msp_podcast.FIRST},"{detail}"' for detail in details]
    (tmp_path / "Labels/labels_detailed.csv").write_text("FileName,EmoDetail\n" + "\n".join(rows) + "\n")
    pd.testing.assert_frame_equal(read_corpus(spec, {}), before)
    (tmp_path / "Labels").rename(tmp_path / "label")
    (tmp_path / "label/labels_consensus.csv").rename(tmp_path / "label/labels_concensus.csv")
    (tmp_path / "Audios").rename(tmp_path / "Audio")
    pd.testing.assert_frame_equal(read_corpus(spec, {}).drop(columns="path"), before.drop(columns="path"))
