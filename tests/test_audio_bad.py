"""Recordings that must be refused, each with its stage and a reason that names the value."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from profiling.audio import hash_file, load_audio, probe_duration
from profiling.errors import AudioError
from tests.recordings import FORMATS, Samples, encode, speechlike, tone, without_xing, write, write_m4a


def refused(path: Path, **asked: object) -> AudioError:
    with pytest.raises(AudioError) as caught:
        load_audio(path, **asked)  # type: ignore[arg-type]
    assert str(path) in caught.value.reason
    assert "\n" not in caught.value.reason
    return caught.value


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("function", [load_audio, hash_file, probe_duration])
def test_missing(tmp_path: Path, function: object) -> None:
    with pytest.raises(AudioError, match=r"a\.wav: No such file") as caught:
        function(tmp_path / "a.wav")  # type: ignore[operator]
    assert caught.value.stage == "open"


def test_a_folder(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.stage, "is a folder" in error.reason) == ("open", True)


def test_a_pipe_does_not_wait_forever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert "not a regular file" in refused(tmp_path / "a.wav").reason


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", tone())
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
    error = refused(path)
    assert (error.stage, "Permission denied" in error.reason) == ("open", True)


def test_a_file_in_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert "Permission denied" in refused(tmp_path / "a.wav").reason


def test_zero_bytes(tmp_path: Path) -> None:
    error = refused(written(tmp_path / "a.wav", b""))
    assert (error.stage, error.reason.endswith("0 bytes")) == ("open", True)


@pytest.mark.parametrize(
    "data",
    [
        b"path,speaker\na.wav,1\n" * 500,
        b"\x89PNG\r\n\x1a\n" + bytes(999),
        bytes(5000),
        b"RIFF",
        b"\xff\xfbab",
    ],
    ids=["text", "picture", "zeros", "half a header", "a frame header"],
)
def test_not_audio(tmp_path: Path, data: bytes) -> None:
    assert refused(written(tmp_path / "a.wav", data)).stage == "decode"


def test_without_pyav_the_error_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    error = refused(written(tmp_path / "a.m4a", b"\0\0\0\x1cftypM4A " + bytes(5000)))
    assert error.stage == "decode"
    assert "pip install profiling[av]" in error.reason


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.003, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    data = encode(speechlike(3.0), 16_000, suffix)
    error = refused(written(tmp_path / f"a.{suffix}", data[: min(int(share * len(data)), len(data) - 4)]))
    assert error.stage == "decode"


def test_a_flac_that_promises_more_than_comes_or_than_memory_holds(tmp_path: Path) -> None:
    data = bytearray(encode(tone(), 16_000, "flac"))
    assert int.from_bytes(data[21:26], "big") & (2**36 - 1) == 16_000, "the total in STREAMINFO"
    for total in (20_000, 2**36 - 1):
        data[21:26] = ((data[21] >> 4 << 36) + total).to_bytes(5, "big")
        assert refused(written(tmp_path / "a.flac", bytes(data))).stage == "decode"


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_mp3_without_frame_count(tmp_path: Path, share: float) -> None:
    data = without_xing(encode(speechlike(3.0), 16_000, "mp3"))
    assert "mp3 frame ends at" in refused(written(tmp_path / "a.mp3", data[: int(share * len(data))])).reason


@pytest.mark.parametrize(("codec", "kind"), [("aac", "ipod"), ("libopus", "webm")])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_through_pyav(tmp_path: Path, codec: str, kind: str, share: float) -> None:
    pytest.importorskip("av")
    path = write_m4a(tmp_path / "a.x", speechlike(3.0, 48_000)[:, None], 48_000, codec=codec, kind=kind)
    data = path.read_bytes()
    assert refused(written(path, data[: int(share * len(data))])).stage == "decode"


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_an_ogg_without_its_last_page_is_flagged_and_a_hole_refused(tmp_path: Path, suffix: str) -> None:
    data = encode(speechlike(20.0), 16_000, suffix)
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    assert len(pages) > 5
    assert load_audio(written(tmp_path / "a.ogg", data[: pages[-1]])).flags == ("unterminated",)
    holed = data[: pages[3]] + data[pages[4] :]
    assert "page 3 is missing" in refused(written(tmp_path / "b.ogg", holed)).reason
    assert "several chained" in refused(written(tmp_path / "c.ogg", data + data)).reason


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_a_wav_from_a_pipe_promises_no_length_and_is_read(tmp_path: Path, size: int) -> None:
    data = encode(tone(), 16_000, "wav")
    at = data.index(b"data") + 4
    piped = data[:at] + struct.pack("<I", size) + data[at + 4 :]
    assert load_audio(written(tmp_path / "a.wav", piped)).num_samples == 16_000


def test_a_wav_that_says_it_is_empty_and_is_not(tmp_path: Path) -> None:
    data = encode(tone(), 16_000, "wav")
    at = data.index(b"data") + 4
    error = refused(written(tmp_path / "a.wav", data[:at] + bytes(4) + data[at + 4 :]))
    assert "promises no samples but 32000 bytes follow" in error.reason


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au"])
def test_0_samples(tmp_path: Path, suffix: str) -> None:
    error = refused(write(tmp_path / f"a.{suffix}", np.zeros(0, np.float32)))
    assert (error.stage, error.reason.endswith("0 samples")) == ("check", True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    samples = tone()
    samples[[77, 99]] = value
    error = refused(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert (error.stage, f"2 samples not finite, first {value} at 77" in error.reason) == ("check", True)


@pytest.mark.parametrize(
    "silence", [np.zeros(16_000, np.float32), tone(level=3e-5)], ids=["zeros", "-90.5 dB"]
)
def test_silent(tmp_path: Path, silence: Samples) -> None:
    error = refused(write(tmp_path / "a.wav", silence, subtype="FLOAT"))
    assert (error.stage, "silent" in error.reason) == ("check", True)


def test_a_silent_span_of_a_loud_file_and_a_very_quiet_signal(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.concatenate([tone(), np.zeros(16_000, np.float32)]))
    assert "silent" in refused(path, start_sample=16_500, end_sample=20_000).reason
    assert len(load_audio(path, 0, 16_000).waveform) == 16_000
    load_audio(write(tmp_path / "b.wav", tone(level=4e-5), subtype="FLOAT"))


@pytest.mark.parametrize("span", [(-1, 100), (0, 16_001), (100, 100), (200, 100), (16_000, -1), (0, -2)])
@pytest.mark.parametrize("suffix", ["wav", "opus", "mp3"])
def test_a_span_outside_of_the_file(tmp_path: Path, span: tuple[int, int], suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", tone())
    error = refused(path, start_sample=span[0], end_sample=span[1])
    assert error.stage == "check"
    assert (
        f"start_sample={span[0]} end_sample={span[1]} is no span of a file of 16000 samples" in error.reason
    )
