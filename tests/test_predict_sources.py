"""What is typed becomes recordings: files, folders, globs, lists, standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from profiling.errors import AudioError, ConfigError
from profiling.predict import sources
from profiling.predict.recording import hear
from profiling.predict.sources import FileBytes, NamedFile, expand
from tests.recordings import encode, speechlike


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.wav",
        "a.wav",
        "deep/er/c.FLAC",
        "deep/notes.txt",
        "deep/.hidden.wav",
        "Bär 1.wav",
        "x[1].wav",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_files_folders_and_globs(place: Path) -> None:
    assert expand(["b.wav", "gone.wav"]) == ["b.wav", "gone.wav"], (
        "what is missing becomes a row that says so"
    )
    assert expand(["deep"]) == ["deep/er/c.FLAC"]
    assert expand(["*.wav"]) == ["Bär 1.wav", "a.wav", "b.wav", "x[1].wav"]
    assert expand(["**/*.FLAC"]) == ["deep/er/c.FLAC"]
    assert expand([str(place / "*.wav")])[0] == str(place / "Bär 1.wav")
    assert expand(["x[1].wav"]) == ["x[1].wav"], "a file with a glob's letters in its name is that file"
    assert expand(["b.wav", "*.wav", "b.wav"]) == ["b.wav", "Bär 1.wav", "a.wav", "x[1].wav"]


def test_lists(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "list.txt").write_bytes("\ufeffa.wav\r\n\r\nBär 1.wav\r\n".encode())
    assert expand(["@list.txt"]) == expand([], ["list.txt"]) == ["a.wav", "Bär 1.wav"]
    stdin(monkeypatch, b"b.wav\na.wav\n")
    assert expand([], ["-"]) == ["b.wav", "a.wav"]
    stdin(monkeypatch, b"b.wav\n")
    assert expand(["@-"]) == ["b.wav"]
    (place / "@odd.wav").touch()
    assert expand(["@odd.wav"]) == ["@odd.wav"]


def test_bytes_on_standard_input(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"RIFF")
    (source,) = expand(["-"])
    assert isinstance(source, FileBytes)
    assert (source.data, source.name) == (b"RIFF", "-")


def test_a_long_recording_on_standard_input_waits_in_a_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_PIPED_IN_MEMORY_BYTES", 1000)
    data = encode(speechlike(1.5), 16_000, "wav")
    stdin(monkeypatch, data)
    (source,) = expand(["-"])
    assert isinstance(source, NamedFile)
    path = source.path
    assert path.read_bytes() == data
    piped, direct = hear(source, "mix"), hear(FileBytes(data, "-"), "mix")
    assert (piped.name, piped.audio_sha256, piped.levels.tolist()) == (
        "-",
        direct.audio_sha256,
        direct.levels.tolist(),
    )
    with pytest.raises(AudioError, match=r"check: -: no channel '3'"):
        hear(source, "3")
    del source, piped
    assert not path.exists()


@pytest.mark.parametrize(
    ("asked", "lists", "said"),
    [
        ([], [], "no recording named"),
        (["empty"], [], "no recordings below it"),
        (["*.mp3"], [], r"\*\.mp3: matches nothing"),
        (["@gone.txt"], [], "list gone.txt: No such file"),
        ([], ["blank.txt"], "no path in it"),
        ([], ["binary.txt"], "not UTF-8"),
        (["-", "@-"], [], "asked for twice"),
        (["-"], ["-"], "asked for twice"),
    ],
)
def test_mistakes_name_what_is_wrong(place: Path, asked: list[str], lists: list[str], said: str) -> None:
    (place / "empty").mkdir()
    (place / "empty" / "readme.txt").touch()
    (place / "blank.txt").write_text("\n \n")
    (place / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=said):
        expand(asked, lists)
