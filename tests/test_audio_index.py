"""Remembered hashes: valid only for the unchanged file, fast, shared by processes, never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiling.audio import Audio, Stamp, load_audio
from profiling.audio_index import AudioIndex
from profiling.errors import ConfigError
from tests.recordings import speechlike, tone, write

OLD_NS = 1_700_000_000_000_000_000


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    paths = [write(tmp_path / f"{k}.wav", speechlike(0.1, seed=k)) for k in range(5)]
    for path in paths:
        os.utime(path, ns=(OLD_NS, OLD_NS))
    return paths


@pytest.fixture
def index(tmp_path: Path, recordings: list[Path]) -> AudioIndex:
    index = AudioIndex(tmp_path / "cache")
    for path in recordings:
        index.remember(path, load_audio(path))
    index.commit()
    return index


def test_what_was_loaded_is_remembered(tmp_path: Path, index: AudioIndex, recordings: list[Path]) -> None:
    again = AudioIndex(tmp_path / "cache")
    found = again.lookup_many(recordings)
    assert list(found) == recordings
    for path in recordings:
        audio = load_audio(path)
        row = found[path]
        assert (row.audio_sha256, row.num_samples, row.sample_rate_hz, row.channels) == (
            audio.audio_sha256,
            audio.num_samples,
            audio.sample_rate_hz,
            audio.channels,
        )
        assert (row.num_bytes, row.mtime_ns) == (path.stat().st_size, OLD_NS)
        assert again.lookup(path) == row


def test_what_waits_is_known_before_it_is_written(tmp_path: Path, recordings: list[Path]) -> None:
    index = AudioIndex(tmp_path / "other")
    assert index.lookup(recordings[0]) is None
    index.remember(recordings[0], load_audio(recordings[0]))
    assert index.lookup(recordings[0]) is not None
    assert not (tmp_path / "other").exists()


def test_another_size_or_time_or_no_file_is_not_known(index: AudioIndex, recordings: list[Path]) -> None:
    longer, touched, gone, same, _ = recordings
    longer.write_bytes(longer.read_bytes() + b"\0\0")
    os.utime(longer, ns=(OLD_NS, OLD_NS))
    os.utime(touched, ns=(OLD_NS, OLD_NS + 1))
    gone.unlink()
    assert index.lookup(longer) is None
    assert index.lookup(touched) is None
    assert index.lookup(gone) is None
    assert index.lookup(same) is not None


def test_the_key_is_the_real_path(
    tmp_path: Path, index: AudioIndex, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "link.wav").symlink_to(recordings[3])
    asked = [Path("3.wav"), Path("folder/3.wav"), Path("link.wav"), Path("cache/../3.wav")]
    hashes = {row.audio_sha256 for row in index.lookup_many(asked).values()}
    assert hashes == {load_audio(recordings[3]).audio_sha256}
    assert len(index.lookup_many(asked)) == 4


def test_a_file_read_in_the_tick_it_was_written_is_not_remembered(
    tmp_path: Path, recordings: list[Path]
) -> None:
    index = AudioIndex(tmp_path / "other")
    audio = load_audio(recordings[0])
    assert audio.stamp is not None
    index.remember(recordings[0], replace(audio, stamp=replace(audio.stamp, read_ns=OLD_NS + 1_000_000)))
    index.remember(recordings[1], replace(audio, stamp=None))
    assert index.lookup_many(recordings) == {}


OPENED: list[str] = []
WATCHING = [False]


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if WATCHING[0] and event == "open":
        OPENED.append(str(arguments[0]))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths opened during the test, by an audit hook (which Python cannot remove again)."""
    if not hasattr(sys, "_profiling_audio_hook"):
        sys.addaudithook(_hook)
        sys._profiling_audio_hook = True  # type: ignore[attr-defined]
    OPENED.clear()
    WATCHING[0] = True
    yield OPENED
    WATCHING[0] = False


def test_a_lookup_opens_no_audio(index: AudioIndex, recordings: list[Path], opened: list[str]) -> None:
    assert len(index.lookup_many(recordings)) == 5
    assert not [name for name in opened if name.endswith(".wav")]
    load_audio(recordings[0])
    assert str(recordings[0]) in opened, "the hook sees what it should"


def test_ten_thousand_files_are_looked_up_within_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    index = AudioIndex(tmp_path / "cache")
    paths = [folder / f"{k}.wav" for k in range(10_000)]
    for path in paths:
        path.touch()
        os.utime(path, ns=(OLD_NS, OLD_NS))
        index.remember(
            path, Audio(np.zeros(1, np.float32), "0" * 64, 1, 16_000, 1, stamp=Stamp(0, OLD_NS, 0))
        )
    index.commit()
    started = time.perf_counter()
    assert len(AudioIndex(tmp_path / "cache").lookup_many(paths)) == 10_000
    assert time.perf_counter() - started < 5.0


@pytest.mark.parametrize("damage", ["header", "middle"])
def test_a_damaged_file_is_moved_aside_with_a_notice(
    tmp_path: Path, recordings: list[Path], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    index = AudioIndex(tmp_path / "cache")
    audio = Audio(tone(), "0" * 64, 1, 16_000, 1, stamp=Stamp(0, OLD_NS, 0))
    for k in range(2000):
        index.remember(tmp_path / f"x{k}.wav", audio)
    index.commit()
    file = tmp_path / "cache" / "audio_index.sqlite"
    data = bytearray(file.read_bytes())
    wrong = slice(0, 100) if damage == "header" else slice(4096, None)
    data[wrong] = b"\xa5" * len(data[wrong])
    file.write_bytes(data)
    assert AudioIndex(tmp_path / "cache").lookup_many(recordings) == {}
    assert "is damaged" in caplog.text
    assert len(list(file.parent.glob("audio_index.damaged-*"))) == 1
    index.remember(recordings[0], load_audio(recordings[0]))
    index.commit()
    assert AudioIndex(tmp_path / "cache").lookup(recordings[0]) is not None


def test_a_cache_folder_that_cannot_be_written(tmp_path: Path, recordings: list[Path]) -> None:
    (tmp_path / "file").write_text("not a folder")
    index = AudioIndex(tmp_path / "file" / "cache")
    index.remember(recordings[0], load_audio(recordings[0]))
    with pytest.raises(ConfigError, match=r"paths\.cache: .*file/cache"):
        index.commit()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from profiling.audio import Audio, Stamp
from profiling.audio_index import AudioIndex
index = AudioIndex(Path(sys.argv[1]))
audio = Audio(np.zeros(1, np.float32), "0" * 64, 1, 16000, 1, stamp=Stamp(0, OLD_NS, 0))
for k in range(40):
    index.remember(Path(f"/nowhere/{sys.argv[2]}-{k}.wav"), audio)
    index.commit()
"""


def test_processes_write_at_once(tmp_path: Path) -> None:
    import sqlite3

    command = [sys.executable, "-c", WRITER.replace("OLD_NS", str(OLD_NS)), str(tmp_path)]
    root = Path(__file__).resolve().parents[1]
    running = [subprocess.Popen([*command, str(k)], cwd=root) for k in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    with sqlite3.connect(tmp_path / "audio_index.sqlite") as database:
        assert database.execute("SELECT count(*) FROM audio_1").fetchone() == (120,)
