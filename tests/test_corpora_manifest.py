"""The manifest: schema, reading, writing, hashing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from profiling.corpora.manifest import (
    COLUMNS,
    check_manifest,
    conform,
    manifest_hash,
    read_manifest,
    write_manifest,
)
from profiling.errors import LabelError, ManifestError


def small(folder: Path) -> pd.DataFrame:
    return conform(
        pd.DataFrame(
            {
                "utt_id": ["c/001", "c/002", "c/003"],
                "path": [str(folder / "a.wav"), str(folder / "sub, one" / "b.wav"), "/elsewhere/c.wav"],
                "speaker_id": ["c/03", "c/03", None],
                "corpus": "c",
                "start_sample": [0, 16000, 0],
                "end_sample": [-1, 32000, -1],
                "gender": ["female", "female", None],
                "age_years": [31.0, 31.0, None],
                "emotion": ["angry", None, "sad"],
                "audio_sha256": ["0" * 64, None, None],
                "num_samples": [48000, -1, -1],
            }
        )
    )


def test_columns_and_dtypes_are_fixed(tmp_path: Path) -> None:
    table = small(tmp_path)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(COLUMNS)
    assert list(table.columns) == list(COLUMNS)
    assert table["speaker_id"][2] is None
    assert table["split"].tolist() == [None] * 3
    assert table["sample_rate_hz"].tolist() == [-1] * 3


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = small(tmp_path)
    write_manifest(table, tmp_path / "m.csv")
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "m.csv"), table)
    text = (tmp_path / "m.csv").read_text()
    assert str(tmp_path) not in text, "paths inside the folder are relative"
    assert "c/001,a.wav,0,-1,c/03," in text
    assert '"sub, one/b.wav"' in text


def test_a_moved_manifest_finds_its_files(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_manifest(small(tmp_path / "one"), tmp_path / "one" / "m.csv")
    (tmp_path / "one").rename(tmp_path / "two")
    moved = read_manifest(tmp_path / "two" / "m.csv")
    assert moved["path"][0] == str(tmp_path / "two" / "a.wav")
    assert moved["path"][2] == "/elsewhere/c.wav"


def test_hash_ignores_order_and_place_and_notices_content(tmp_path: Path) -> None:
    table = small(tmp_path)
    reference = manifest_hash(table)
    assert manifest_hash(table.iloc[::-1]) == reference
    assert manifest_hash(table.assign(path=["/x", "/y", "/z"])) == reference
    for change in (
        {"emotion": "sad"},
        {"age_years": 32.0},
        {"end_sample": 999999},
        {"audio_sha256": "1" * 64},
    ):
        assert manifest_hash(table.assign(**change)) != reference


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"utt_id": ["c/001", "c/002", "c/001"]}, "1 duplicate utt_id: c/001"),
        ({"utt_id": ["c/001", None, "c/003"]}, "1 rows without utt_id"),
        ({"utt_id": ["001", "c/002", "c/003"]}, "utt_id has to begin with '<corpus>/': 001"),
        ({"speaker_id": ["d/03", None, None]}, "speaker_id has to begin"),
        ({"end_sample": [-1, 16000, -1]}, "end_sample above it.*c/002"),
        ({"start_sample": [-5, 0, 0]}, "start_sample has to be at least 0"),
        ({"split": ["train", "trian", "test"]}, "did you mean train"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, change: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        check_manifest(conform(small(tmp_path).assign(**change)), "m.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emotion": "furious"}, r"'furious' \(3 rows\)"),
        ({"gender": "f"}, "'f'"),
        ({"age_years": 130.0}, "130"),
    ],
)
def test_a_label_outside_its_vocabulary_is_counted(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        write_manifest(small(tmp_path).assign(**change), tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a table"),
        ("utt_id,path,corpus\n", "no rows"),
        ("utt_id,path\nc/1,a.wav\n", "column 'corpus' is missing"),
        ("utt_id,path,corpus,emotoin\nc/1,a.wav,c,sad\n", "did you mean emotion"),
        ("utt_id,path,corpus,path\nc/1,a.wav,c,b\n", "column 'path' appears twice"),
        ("utt_id,path,corpus,start_sample\nc/1,a.wav,c,1.5\n", "1.5 is no whole number"),
        ("utt_id,path,corpus,age_years\nc/1,a.wav,c,old\n", "'old'"),
        ("utt_id,path,corpus\nc/1,a.wav,c,extra,cells\n", "cannot be read as a table"),
    ],
)
def test_a_broken_file_is_an_error_of_ours(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises((ManifestError, LabelError), match=message):
        read_manifest(tmp_path / "m.csv")


def test_a_file_that_is_no_text_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ManifestError, match=r"m\.csv"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(ManifestError, match=r"none\.csv"):
        read_manifest(tmp_path / "none.csv")


def test_ids_that_look_like_numbers_or_missing_stay_text(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("utt_id,path,corpus,speaker_id,text_id\nc/007,007.wav,c,c/NA,0042\n")
    row = read_manifest(tmp_path / "m.csv").iloc[0]
    assert (row["utt_id"], row["speaker_id"], row["text_id"]) == ("c/007", "c/NA", "0042")
    assert row["path"] == str(tmp_path / "007.wav")
    assert (row["start_sample"], row["end_sample"]) == (0, -1)
