"""``profiling predict`` and ``profiling similarity``: bad input through every door, formats, resume, exit codes."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from profiling.predict.vectors import Vectorizer
from tests.command_line import ordinary_rights
from tests.recordings import encode, speechlike, tone, write
from tests.trained import Lab, Said, call


@pytest.fixture(autouse=True)
def cache(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(lab.folder / "cache"))
    monkeypatch.setenv("PROFILING_DATA", str(lab.folder / "nothing"))


def predict(lab: Lab, *arguments: object) -> Said:
    models = [word for task in ("gender", "age") for word in ("--model", str(lab.run(task)))]
    return call("predict", *models, *map(str, arguments))


def lines(said: Said) -> list[dict[str, object]]:
    assert "Traceback" not in said.err
    return [json.loads(line) for line in said.out.splitlines()]


def alike(one: object, other: object) -> bool:
    """Equal, numbers to what another batch may change."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(one == pytest.approx(other, rel=1e-5, abs=1e-5))
    try:
        return bool(float(str(one)) == pytest.approx(float(str(other)), rel=1e-5, abs=1e-5))
    except ValueError:
        return one == other


def without_settings(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "settings"} for row in rows]


def all_alike(rows: list[dict[str, object]], others: list[dict[str, object]]) -> bool:
    return len(rows) == len(others) and all(map(alike, without_settings(rows), without_settings(others)))


def spoil(folder: Path) -> dict[str, str]:
    """A folder of recordings that cannot be used, and of odd ones that can; name -> what its error says."""
    folder.mkdir()
    voice = speechlike(1.5)
    whole = encode(voice, 16_000, "wav")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("path\n" * 500)
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(folder / "zip.wav", "w") as archive:
        archive.writestr("a.wav", whole)
    write(folder / "silent.wav", 0 * voice)
    voice_with_nan = voice.copy()
    voice_with_nan[7] = np.nan
    write(folder / "nan.wav", voice_with_nan, subtype="FLOAT")
    write(folder / "none.wav", voice[:0])
    write(folder / "short.wav", voice[:100])
    return {
        "empty.wav": "0 bytes",
        "text.wav": "not audio",
        "cut.wav": "truncated",
        "zip.wav": "not audio",
        "silent.wav": "silent",
        "nan.wav": "not finite",
        "none.wav": "0 samples",
        "short.wav": "at least 400",
    }


def odd(folder: Path) -> list[str]:
    """Recordings that are unusual and can be answered on."""
    many = np.stack([speechlike(1.0, 96_000, seed=i) for i in range(8)], 1)
    write(folder / "eight channels.wav", many, 96_000)
    write(folder / "Grüße 日本.flac", speechlike(1.5))
    write(folder / "telephone.wav", speechlike(1.5, 8_000), 8_000)
    for suffix in ("ogg", "opus", "mp3", "aiff"):
        write(folder / f"a.{suffix}", speechlike(1.5))
    return ["eight channels.wav", "Grüße 日本.flac", "telephone.wav", "a.ogg", "a.opus", "a.mp3", "a.aiff"]


def test_a_folder_of_bad_and_odd_recordings_is_answered_row_by_row(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    wrong, fine = spoil(folder), odd(folder)
    said = predict(lab, folder)
    assert said.code == 1
    rows = {Path(str(row["path"])).name: row for row in lines(said)}
    assert set(rows) == {*wrong, *fine}
    for name, reason in wrong.items():
        assert reason in str(rows[name]["error"]), name
        assert set(rows[name]) == {"path", "channel", "error"}
    for name in fine:
        assert "error" not in rows[name], rows[name]
        assert "gender" in rows[name]
    assert "upsampled" in rows["telephone.wav"]["flags"]  # type: ignore[operator]
    assert rows["eight channels.wav"]["channels"] == 8
    assert f"15 files: 7 answered, {len(wrong)} failed" in said.err


def test_bad_recordings_on_standard_input(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = spoil(tmp_path / "in")
    for name, reason in wrong.items():
        data = (tmp_path / "in" / name).read_bytes()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        said = predict(lab, "-")
        (row,) = lines(said)
        assert (said.code, row["path"]) == (1, "-")
        assert reason in str(row["error"]), name
    good = write(tmp_path / "a.mp3", speechlike(1.5))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(good.read_bytes())))
    (piped,) = lines(predict(lab, "-"))
    (direct,) = lines(predict(lab, good))
    assert {**piped, "path": ""} == {**direct, "path": ""}


def test_a_file_nobody_may_read(lab: Lab, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", speechlike())
    path.chmod(0)
    with ordinary_rights():
        said = predict(lab, path)
    assert said.code == 1
    assert "Permission denied" in str(lines(said)[0]["error"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no recording named"),
        (("empty",), "no recordings below it"),
        (("--device", "foo", "a.wav"), "backbone.device=foo: not a device"),
        (("--channel", "left", "a.wav"), "channel=left"),
        (("--vad", "sillero", "--timeline", "2", "a.wav"), "did you mean silero"),
        (("--timeline", "0", "a.wav"), "at least 0.5"),
        (("--timeline", "x", "a.wav"), "invalid float value"),
        (("--format", "xml", "a.wav"), "invalid choice"),
        (("--format", "parquet", "a.wav"), "--out answers.parquet"),
        (("--out", "answers.xml", "a.wav"), "give --format"),
        (("--resume", "a.wav"), "give --out"),
        (("--text", "--format", "csv", "a.wav"), "leave out --out and --format"),
        (("--cache", "yes", "a.wav"), "cache=yes"),
        (("--formt", "csv", "a.wav"), "unrecognized arguments"),
    ],
)
def test_a_mistake_is_one_line(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "a.wav", speechlike())
    said = predict(lab, *arguments)
    assert (said.code, said.out) == (2, "")
    assert reason in said.err
    assert "Traceback" not in said.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        write(tmp_path / "in" / f"{number}.wav", speechlike(1.0 + number / 10, seed=number))
    (tmp_path / "in" / "bad.wav").write_text("nothing")
    return tmp_path / "in"


def test_formats_say_the_same(lab: Lab, folder: Path, tmp_path: Path) -> None:
    nested = lines(predict(lab, folder))
    flat = list(csv.DictReader(io.StringIO(predict(lab, folder, "--format", "csv").out)))
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        said = predict(lab, folder, "--out", tmp_path / name)
        assert (said.code, said.out) == (1, "")
    assert [row["path"] for row in flat] == [row["path"] for row in nested]
    written = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert all_alike(written, nested)
    with (tmp_path / "a.csv").open() as file:
        assert all_alike(list(csv.DictReader(file)), flat)  # type: ignore[arg-type]
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    for one, row, cells in zip(nested, table, flat, strict=True):
        if "error" in one:
            assert (row["error"], row["age"], cells["age"]) == (one["error"], None, "")
            continue
        assert alike(one["age"]["value"], row["age"])  # type: ignore[index]
        assert alike(row["age"], cells["age"])
        assert alike(one["gender"]["probabilities"]["female"], row["gender_p_female"])  # type: ignore[index]
        of_heads = [f"{task}:{flag}" for task in ("age", "gender") for flag in one[task].get("flags", [])]  # type: ignore[attr-defined]
        assert row["flags"] == "|".join([*one["flags"], *of_heads])  # type: ignore[misc]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.jsonl", "a.parquet", "in"]


def test_text_is_for_reading(lab: Lab, folder: Path) -> None:
    said = predict(
        lab, folder / "3.wav", folder / "bad.wav", "--text", "--timeline", "0.5", "--vad", "energy"
    )
    (row, bad) = lines(
        predict(lab, folder / "3.wav", folder / "bad.wav", "--timeline", "0.5", "--vad", "energy")
    )
    first, *between, last = said.out.splitlines()
    assert (said.code, first) == (1, f"{folder / '3.wav'}, 1.3 s")
    assert last == f"{folder / 'bad.wav'}: no answer: {bad['error']}"
    shares = sorted(row["gender"]["probabilities"].items(), key=lambda pair: -pair[1])  # type: ignore[index]
    assert between[0].startswith(
        "  gender: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)
    )
    assert between[1].startswith(f"  age: {row['age']['value']:.1f} years")  # type: ignore[index]
    windows = [line for line in between if line.startswith("    ")]
    assert len(windows) == len(row["timeline"])  # type: ignore[arg-type]
    assert f"by {row['vad']}" in said.out


def test_a_folder_that_cannot_be_read(lab: Lab, folder: Path) -> None:
    folder.chmod(0)
    with ordinary_rights():
        said = predict(lab, folder)
    folder.chmod(0o755)
    assert (said.code, said.out) == (2, "")
    assert "cannot be read: Permission denied" in said.err


def test_a_timeline_in_a_table_has_a_row_a_window(lab: Lab, folder: Path, tmp_path: Path) -> None:
    said = predict(lab, folder / "3.wav", "--timeline", "0.5", "--vad", "energy", "--out", tmp_path / "a.csv")
    assert said.code == 0
    assert "speech is found by energy" in said.err
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows][:3] == ["whole", "speech", "window"]
    windows = [row for row in rows if row["part"] == "window"]
    assert all(float(row["end_s"]) - float(row["start_s"]) <= 0.5 for row in windows)
    share = [float(row["end_s"]) - float(row["start_s"]) for row in windows]
    mean = np.average([float(row["age"]) for row in windows], weights=share)
    assert float(rows[1]["age"]) == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_resume_keeps_what_holds_and_answers_the_rest(
    lab: Lab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    out = tmp_path / f"a.{suffix}"
    assert predict(lab, folder, "--out", out).code == 1
    first = out.read_bytes()
    assert "exists; give --resume" in predict(lab, folder, "--out", out).err
    heard: list[str] = []
    whole = Vectorizer.whole

    def spying(self: Vectorizer, given: list) -> object:  # type: ignore[type-arg]
        heard.extend(Path(one.name).name for one in given)
        return whole(self, given)

    monkeypatch.setattr(Vectorizer, "whole", spying)
    assert predict(lab, folder, "--out", out, "--resume").code == 1, "what failed is tried again"
    assert (heard, out.read_bytes()) == ([], first)
    write(folder / "2.wav", tone(1.3))
    (folder / "0.wav").unlink()
    write(folder / "bad.wav", speechlike(seed=9))
    said = predict(lab, folder, "--out", out, "--resume")
    assert (said.code, sorted(heard)) == (0, ["2.wav", "bad.wav"])
    assert "2 of 4 rows kept from before" in said.err
    assert out.read_bytes() != first
    del heard[:]
    assert predict(lab, folder, "--out", out, "--resume", "--channel", "0").code == 0
    assert sorted(heard) == ["1.wav", "2.wav", "3.wav", "bad.wav"], "other settings answer everything again"
    out.write_text("something else")
    assert "not the" in predict(lab, folder, "--out", out, "--resume").err


def test_a_run_that_was_stopped_goes_on(
    lab: Lab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.jsonl"
    expected = predict(lab, folder)
    whole, calls = Vectorizer.whole, []

    def stopping(self: Vectorizer, given: list) -> object:  # type: ignore[type-arg]
        calls.append([Path(one.name).name for one in given])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, given)

    monkeypatch.setattr(Vectorizer, "whole", stopping)
    said = predict(lab, folder, "--out", out)
    assert (said.code, out.exists()) == (130, False)
    assert "goes on" in said.err
    with (tmp_path / ".a.jsonl.part").open("a") as file:
        file.write('{"path": "half a li')
    del calls[:]
    calls.append([])  # the second call would stop again
    calls.append([])
    said = predict(lab, folder, "--out", out, "--resume")
    assert said.code == 1
    assert "0.wav" not in [name for call_ in calls for name in call_]
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all_alike(rows, lines(expected))
    assert not (tmp_path / ".a.jsonl.part").exists()


def similarity(*arguments: object) -> Said:
    return call("similarity", "--backbone", "spectral_stats", *map(str, arguments))


def test_similarity_compares_every_pair_and_says_what_the_number_is(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.wav", speechlike(1.0, seed=i)) for i in range(2)]
    other = write(tmp_path / "other.wav", tone(2.0, hz=2500))
    said = similarity(*paths, other)
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert (said.code, [(row["a"], row["b"]) for row in rows]) == (
        0,
        [(str(paths[0]), str(paths[1])), (str(paths[0]), str(other)), (str(paths[1]), str(other))],
    )
    assert 1 >= rows[0]["cosine"] > max(rows[1]["cosine"], rows[2]["cosine"]) >= -1
    assert {row["backbone"] for row in rows} == {"spectral_stats (signal)"}
    assert "says nothing about speakers" in said.err
    assert "no threshold" in said.err
    same = json.loads(similarity(paths[0], write(tmp_path / "copy.wav", speechlike(1.0))).out)
    assert same["cosine"] == pytest.approx(1.0, abs=1e-6)


def test_similarity_with_bad_recordings_and_mistakes(tmp_path: Path) -> None:
    good = write(tmp_path / "a.wav", speechlike())
    said = similarity(good, "gone.wav")
    assert said.code == 1
    assert "No such file" in json.loads(said.out)["error"]
    for arguments, reason in (
        ((good,), "needs two or more"),
        ((good, good), "needs two or more"),
        ((good, "b.wav", "--device", "foo"), "not a device"),
        ((good, "b.wav", "--backbone", "mini"), "did you mean native_mini"),
    ):
        said = similarity(*arguments)
        assert said.code == 2, arguments
        assert reason in said.err
