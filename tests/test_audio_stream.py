"""Recordings in blocks are the recordings of ``load_audio``, and arrays are heard as files are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from profiling.audio import load_audio, load_bytes, pieces
from profiling.audio import stream as streaming
from profiling.audio.arrays import audio_from_array
from profiling.audio.loader import Waveform
from profiling.audio.pieces import FilePieces, Spliced
from profiling.audio.stream import stream_audio
from profiling.errors import AudioError
from tests.recordings import Samples, encode, speechlike, tone, without_xing, write, write_m4a

LENGTH_S = 3.0


def streamed(path: Path, channel: str = "mix") -> tuple[streaming.AudioStream, Waveform]:
    seen: list[Waveform] = []
    stream = stream_audio(path, channel, seen.append)
    again = np.concatenate(list(stream.blocks()))
    np.testing.assert_array_equal(np.concatenate(seen), again)
    assert stream.num_samples == len(again)
    return stream, again


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_BLOCK_FRAMES", 1 << 12)


@pytest.mark.parametrize(
    ("suffix", "rate_hz"),
    [("wav", 16_000), ("wav", 44_100), ("flac", 48_000), ("aiff", 22_050), ("ogg", 16_000), ("mp3", 44_100),
     ("opus", 48_000), ("wav", 8_000), ("caf", 16_000), ("w64", 32_000)],
)  # fmt: skip
def test_a_stream_is_the_file(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    voice = speechlike(LENGTH_S, rate_hz)
    path = write(tmp_path / f"a.{suffix}", np.stack([voice, 0.5 * voice], 1), rate_hz)
    for channel in ("mix", "1"):
        stream, samples = streamed(path, channel)
        whole = load_audio(path, channel=channel)
        assert len(samples) == len(whole.waveform)
        np.testing.assert_allclose(samples, whole.waveform, atol=2e-6)
        assert (stream.audio_sha256, stream.flags) == (whole.audio_sha256, whole.flags)
        assert (stream.sample_rate_hz, stream.channels) == (whole.sample_rate_hz, 2)


def test_an_mp3_without_the_number_of_its_frames_is_streamed_whole(tmp_path: Path) -> None:
    data = without_xing(encode(speechlike(LENGTH_S, 44_100), 44_100, "mp3"))
    (tmp_path / "a.mp3").write_bytes(data)
    whole = load_audio(tmp_path / "a.mp3").waveform
    assert len(whole) >= LENGTH_S * 16_000
    np.testing.assert_allclose(streamed(tmp_path / "a.mp3")[1], whole, atol=2e-6)
    (tmp_path / "cut.mp3").write_bytes(data[:-100])
    with pytest.raises(AudioError, match="truncated"):
        streamed(tmp_path / "cut.mp3")


def test_a_file_in_pieces_is_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 100)
    random = np.random.default_rng(0)
    data = random.integers(0, 256, 1009, np.uint8).tobytes() + b"wanted" + bytes(50)
    path = tmp_path / "a"
    path.write_bytes(data)
    with FilePieces(path) as read:
        assert len(read) == len(data)
        for start, size in random.integers(0, [1100, 300], (200, 2)):
            assert read[start : start + size] == data[start : start + size]
        for start in range(0, 1100, 7):
            assert read.find(b"wanted", start) == data.find(b"wanted", start)
            assert read.find(b"\xff", start) == data.find(b"\xff", start)
    spliced = io.BytesIO(b"head" + data[40:])
    with Spliced(path.open("rb"), b"head", 40) as other:
        for at, whence in ((0, 2), (0, 0), (2, 0), (500, 0), (-7, 2), (3, 1)):
            assert other.seek(at, whence) == spliced.seek(at, whence)
            assert other.read(64) == spliced.read(64)
            assert other.tell() == spliced.tell()
        other.seek(0)
        assert other.read() == spliced.getvalue()


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(8_000, 1), (11_025, 2), (22_050, 1), (44_100, 2), (96_000, 8)]
)
@pytest.mark.parametrize("block", [1 << 9, 1000, 1 << 15])
def test_blocks_of_any_size_are_heard_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: int, channels: int, block: int
) -> None:
    monkeypatch.setattr(streaming, "_BLOCK_FRAMES", block)
    voices = np.stack([speechlike(1.5, rate_hz, seed=i) for i in range(channels)], 1)
    path = write(tmp_path / "a.wav", voices, rate_hz)
    for channel in ("mix", str(channels - 1)):
        whole = load_audio(path, channel=channel).waveform
        np.testing.assert_allclose(streamed(path, channel)[1], whole, atol=1e-5)


def test_a_stream_through_pyav_is_the_file(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = write_m4a(tmp_path / "a.m4a", speechlike(LENGTH_S, 48_000)[:, None], 48_000)
    np.testing.assert_allclose(streamed(path)[1], load_audio(path).waveform, atol=2e-6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError):
        streamed(path)


def spoiled(samples: Samples, at: int, value: float) -> Samples:
    copy = samples.copy()
    copy[at] = value
    return copy


def test_what_load_audio_refuses_a_stream_refuses(tmp_path: Path) -> None:
    voice = speechlike(LENGTH_S)
    whole = encode(voice, 16_000, "wav")
    for name, data in {"empty": b"", "text": b"path\n" * 999, "cut": whole[: len(whole) // 2]}.items():
        (tmp_path / f"{name}.wav").write_bytes(data)
    write(tmp_path / "nan.wav", spoiled(voice, 30_000, np.nan), subtype="FLOAT")
    write(tmp_path / "silent.wav", 0 * voice)
    write(tmp_path / "none.wav", voice[:0])
    for path in [*tmp_path.iterdir(), tmp_path, tmp_path / "gone.wav"]:
        with pytest.raises(AudioError) as whole_error:
            load_audio(path)
        with pytest.raises(AudioError) as stream_error:
            streamed(path)
        assert stream_error.value.stage == whole_error.value.stage, path
        assert str(path) in str(stream_error.value)
    with pytest.raises(AudioError, match="no channel '1'"):
        streamed(write(tmp_path / "ok.wav", voice), "1")


def test_clipping_is_flagged_in_streams(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.clip(5 * tone(LENGTH_S), -1, 1))
    assert streamed(path)[0].flags == load_audio(path).flags == ("clipped",)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_arrays_are_heard_as_files(tmp_path: Path, rate_hz: int) -> None:
    voice = speechlike(1.5, rate_hz)
    stereo = np.stack([voice, 0.25 * voice], 1)
    path = write(tmp_path / "a.wav", stereo, rate_hz, subtype="FLOAT")
    whole = load_audio(path)
    for array in (
        stereo.T,
        stereo.T.astype(np.float64),
        torch.from_numpy(stereo.T.copy()),
        stereo.T.tolist(),
    ):
        np.testing.assert_allclose(audio_from_array(array, rate_hz).waveform, whole.waveform, atol=1e-6)
    one = load_audio(path, channel="1").waveform
    np.testing.assert_allclose(audio_from_array(stereo.T, rate_hz, "1").waveform, one, atol=1e-6)
    np.testing.assert_array_equal(load_bytes(path.read_bytes(), "-").waveform, whole.waveform)


def test_integers_have_their_own_full_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone())
    data, rate_hz = sf.read(path, dtype="int16")
    np.testing.assert_array_equal(audio_from_array(data, rate_hz).waveform, load_audio(path).waveform)
    wide, _ = sf.read(path, dtype="int32")
    np.testing.assert_array_equal(audio_from_array(wide, rate_hz).waveform, load_audio(path).waveform)


@pytest.mark.parametrize(
    ("array", "rate_hz", "said"),
    [
        (np.full(16_000, np.nan), 16_000, "not finite"),
        (spoiled(tone(), 5, np.inf), 16_000, "not finite|peak inf"),
        (np.zeros((0, 16_000)), 16_000, "0 channels"),
        (np.zeros((1, 0)), 16_000, "0 samples"),
        (np.zeros(0), 16_000, "0 samples"),
        (np.zeros(16_000), 16_000, "silent"),
        (np.zeros((16_000, 2)), 16_000, "transpose"),
        (np.zeros((1, 1, 9)), 16_000, r"shape \(1, 1, 9\)"),
        (np.float32(1), 16_000, r"shape \(\)"),
        (tone() * 32_768, 16_000, "full scale is 1"),
        (np.zeros(9, np.uint8), 16_000, "type uint8"),
        (np.array(["a"]), 16_000, "type <U1"),
        ([[0.1, 0.2], [0.1]], 16_000, "not an array"),
        (tone(), 16, "rate_hz=16: a whole number"),
        (tone(), 0, "rate_hz=0"),
        (tone(), -16_000, "rate_hz=-16000"),
        (tone(), float("nan"), "rate_hz=nan"),
        (tone(), 16_000.5, "rate_hz=16000.5"),
        (tone(), "fast", "rate_hz=fast"),
        (tone(), 10**9, "rate_hz=1000000000"),
    ],
    ids=str,
)
def test_arrays_that_are_no_recording(array: object, rate_hz: float, said: str) -> None:
    with pytest.raises(AudioError, match=said) as caught:
        audio_from_array(array, rate_hz)
    assert caught.value.stage == "check"


def test_bytes_that_are_no_recording() -> None:
    for data, said in ((b"", "-: 0 bytes"), (b"nothing" * 99, "not audio")):
        with pytest.raises(AudioError, match=said):
            load_bytes(data, "-")
