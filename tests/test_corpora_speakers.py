"""Readers of speaker corpora and generic formats, beyond what the miniatures say: choices, writing, formats."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from profiling.audio import load_audio
from profiling.audio.containers import DamagedError, check_container
from profiling.corpora.cards import read_card
from profiling.corpora.reading import read_corpus
from profiling.errors import AudioError, ManifestError
from profiling.evaluation.sections import _binned
from profiling.training.describe import describe_data
from tests.miniatures import common_voice, hf, kaldi, timit, vctk, voxceleb1
from tests.miniatures.facts import record, write_text
from tests.recordings import speechlike


def sphere(channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    samples = np.stack([speechlike(0.5)] * channels, axis=1)
    sf.write(buffer, samples, 16_000, format="NIST", subtype="PCM_16")
    return buffer.getvalue()


class TestSphere:
    @pytest.mark.parametrize("channels", [1, 2])
    def test_whole_and_cut(self, tmp_path: Path, channels: int) -> None:
        path, data = tmp_path / "SA1.WAV", sphere(channels)
        path.write_bytes(data)
        audio = load_audio(path)
        assert (audio.num_samples, audio.sample_rate_hz, audio.channels) == (8000, 16_000, channels)
        path.write_bytes(data[:-100])
        with pytest.raises(
            AudioError, match=f"truncated: the header promises {16_000 * channels} bytes of samples"
        ):
            load_audio(path)

    def test_a_compressed_one_promises_no_size(self) -> None:
        data = sphere().replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")
        assert check_container(data[:1500]) == ()

    def test_a_broken_header(self) -> None:
        with pytest.raises(DamagedError, match="does not say how long"):
            check_container(b"NIST_1A\n")


def test_timit_without_a_birth_date_has_no_age(tmp_path: Path) -> None:
    table = read_corpus(f"timit:{timit.build(tmp_path)}", {}).set_index("speaker_id")
    assert np.isnan(table.loc["timit/DAB0", "age_years"])
    assert table.loc["timit/CJF0", "age_years"] == pytest.approx((1986 - 1960) - 263 / 365.25, abs=0.01)


def test_vctk_through_the_other_microphone(tmp_path: Path) -> None:
    vctk.build(tmp_path / "vctk")
    spec = write_text(tmp_path, "vctk.yaml", "folder: vctk\nmicrophone: mic2\n")
    table = read_corpus(f"vctk:{spec}", {})
    assert table["utt_id"].tolist() == ["vctk/p225_001_mic2"]
    assert table.attrs["dropped"] == {"other microphone than mic2": 2}
    write_text(tmp_path, "vctk.yaml", "folder: vctk\nmicrophone: mic3\n")
    with pytest.raises(ManifestError, match="microphone 'mic3'; did you mean mic"):
        read_corpus(f"vctk:{spec}", {})


def test_common_voice_from_another_table_has_no_split(tmp_path: Path) -> None:
    folder = common_voice.build(tmp_path / "de")
    row = common_voice.row("dd", 4, "Hm.", "nineties", "intersex")
    write_text(folder, "validated.tsv", common_voice.HEADER + row)
    spec = write_text(tmp_path, "cv.yaml", "folder: de\ntables: [validated]\n")
    table = read_corpus(f"common_voice:{spec}", {})
    assert table[["gender", "age_years"]].to_numpy().tolist() == [["other", 95.0]]
    assert table["split"].isna().all()


def test_ages_that_stand_for_decades_are_said_to(tmp_path: Path) -> None:
    assert read_card("common_voice").age_binned
    table = read_corpus(f"common_voice:{common_voice.build(tmp_path)}", {}).assign(duration_s=1.0)
    (used,) = describe_data({"x": type("Rows", (), {"table": table})()}, "train")
    assert used["age_binned"] is True
    result = {"data": [used], "task": {"kind": "regression"}}
    assert "Ages of common_voice are binned" in _binned(result)[0].text
    assert _binned({"data": [used], "task": {"kind": "classification"}}) == []
    assert _binned({"data": [], "task": {"kind": "regression"}}) == []


def test_voxceleb_with_the_other_age_of_the_list(tmp_path: Path) -> None:
    folder = voxceleb1.build(tmp_path / "vox1")
    text = (folder / voxceleb1.TABLE_NAME).read_text()
    (folder / voxceleb1.TABLE_NAME).write_text(text.replace("35.0,\n", "35.0,33.0\n"))
    spec = write_text(tmp_path, "v.yaml", "folder: vox1\nage_column: speaker_age_title_only\n")
    assert read_corpus(f"voxceleb1:{spec}", {})["age_years"].dropna().tolist() == [33.0]
    write_text(tmp_path, "v.yaml", "folder: vox1\nage_column: speakr_age\n")
    with pytest.raises(ManifestError, match="did you mean speaker_age"):
        read_corpus(f"voxceleb1:{spec}", {})


class TestTables:
    def test_a_yaml_may_name_a_parquet_table(self, tmp_path: Path) -> None:
        record(tmp_path, "a.wav")
        pq.write_table(pa.table({"path": ["a.wav"], "who": ["007"]}), tmp_path / "m.parquet")
        write_text(tmp_path, "m.yaml", "manifest: m.parquet\nname: c\ncolumns: {speaker: who}\n")
        assert read_corpus(f"csv:{tmp_path}/m.yaml", {})["speaker_id"].tolist() == ["c/007"]

    def test_recordings_inside_name_the_reader_to_use(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"audio": [{"bytes": b"x", "path": "a.wav"}]}), tmp_path / "m.parquet")
        with pytest.raises(
            ManifestError, match=f"holds recordings, as datasets writes them; use hf:{tmp_path}"
        ):
            read_corpus(f"parquet:{tmp_path}/m.parquet", {})

    def test_what_is_no_parquet(self, tmp_path: Path) -> None:
        write_text(tmp_path, "m.parquet", "path\n")
        with pytest.raises(ManifestError, match="cannot be read as a table"):
            read_corpus(f"parquet:{tmp_path}/m.parquet", {})


class TestHuggingFace:
    def test_recordings_are_written_once_under_their_hash(self, tmp_path: Path) -> None:
        spec = f"hf:{hf.build(tmp_path)}"
        first = read_corpus(spec, {})
        written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
        assert len(written) == 3
        assert all(load_audio(path).audio_sha256 == path.stem for path in written)
        pd.testing.assert_frame_equal(read_corpus(spec, {}), first)
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == written

    def test_parquet_files_that_name_their_recordings(self, tmp_path: Path) -> None:
        record(tmp_path, "set/audio/a.wav", "set/audio/b.wav")
        (tmp_path / "set" / "data").mkdir()
        for split, name in (("train", "a"), ("validation", "b")):
            table = pa.table({"audio": [{"bytes": None, "path": f"audio/{name}.wav"}], "gender": ["female"]})
            pq.write_table(table, tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
        table = read_corpus(f"hf:{tmp_path}/set", {})
        assert table[["utt_id", "split"]].to_numpy().tolist() == [["set/a", "train"], ["set/b", "val"]]

    def test_no_data_set_and_no_audio(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="neither dataset_dict"):
            read_corpus(f"hf:{tmp_path}", {})
        pq.write_table(pa.table({"text": ["x"]}), tmp_path / "train.parquet")
        with pytest.raises(ManifestError, match="no column of audio, only text"):
            read_corpus(f"hf:{tmp_path}", {})

    def test_names_that_repeat_become_numbers(self, tmp_path: Path) -> None:
        record(tmp_path, "a/x.wav", "b/x.wav")
        rows = [{"bytes": None, "path": f"{tmp_path}/{name}/x.wav"} for name in "ab"]
        pq.write_table(pa.table({"audio": rows}), tmp_path / "train.parquet")
        names = read_corpus(f"hf:{tmp_path}", {})["utt_id"].str.rpartition("/")[2]
        assert names.tolist() == ["train-000000", "train-000001"]


class TestKaldi:
    def test_parts_and_a_root(self, tmp_path: Path) -> None:
        record(tmp_path, "audio/a.wav", "audio/b.wav")
        for part, name in (("train", "a"), ("dev", "b")):
            write_text(tmp_path, f"data/{part}/wav.scp", f"{name} audio/{name}.wav\n")
        spec = write_text(tmp_path, "k.yaml", "folder: data\nname: k\nroot: .\n")
        table = read_corpus(f"kaldi:{spec}", {})
        assert sorted(map(tuple, table[["utt_id", "split"]].to_numpy())) == [("k/a", "train"), ("k/b", "val")]

    def test_seconds_become_samples(self, tmp_path: Path) -> None:
        table = read_corpus(f"kaldi:{kaldi.build(tmp_path)}", {}).set_index("text_id")
        assert table["start_sample"].tolist() == [0, 1600, 800]
        assert table["end_sample"].tolist() == [1600, -1, 2400]
        assert table["age_years"].tolist() == [31.0, 31.0, 41.0]


def test_audiomnist_knows_that_1234_is_no_age(tmp_path: Path) -> None:
    from tests.miniatures import audiomnist

    table = read_corpus(f"audiomnist:{audiomnist.build(tmp_path)}", {}).set_index("speaker_id")
    assert np.isnan(table.loc["audiomnist/45", "age_years"])
    meta = tmp_path / "data/audioMNIST_meta.txt"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "45": {"age": 1235, "gender": "male"}}))
    with pytest.raises(Exception, match=r"not an age in years .* '1235' \(1 rows\)"):
        read_corpus(f"audiomnist:{tmp_path}", {})


def test_speechocean762_takes_its_words_as_text(tmp_path: Path) -> None:
    from tests.miniatures import speechocean762

    folder = speechocean762.build(tmp_path)
    write_text(folder, "train/text", "000010011\tWE CALL IT BEAR\n")
    table = read_corpus(f"speechocean762:{folder}", {})
    assert table["text_id"].tolist() == ["we call it bear", None]
