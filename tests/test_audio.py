"""The loader on good recordings: level, length, pitch, channels, rate, spans by independent numbers."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from profiling.audio import Recording, check_duration, hash_file, load_audio, probe_duration
from profiling.audio.loader import read_span
from profiling.errors import AudioError
from tests.recordings import (
    FORMATS,
    encode,
    level_db,
    speechlike,
    tone,
    without_xing,
    write,
    write_m4a,
)

QUARTER_DB = 20 * np.log10(0.25)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_level_length_and_pitch(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", tone(1.5, 48_000, hz=1000), 48_000)
    audio = load_audio(path)
    assert audio.waveform.dtype == np.float32
    assert (audio.sample_rate_hz, audio.channels, audio.num_samples) == (48_000, 1, 72_000)
    assert len(audio.waveform) == 24_000
    assert audio.duration_s == 1.5
    assert level_db(audio.waveform[1000:-1000], 1000) == pytest.approx(QUARTER_DB, abs=0.1)
    assert level_db(audio.waveform[1000:-1000], 1040) < QUARTER_DB - 50
    assert audio.flags == ()


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_hash_is_that_of_the_files_bytes(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", tone())
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_audio(path).audio_sha256 == expected
    assert load_audio(path, 100, 9000).audio_sha256 == expected, "a span has the whole file's hash"
    assert hash_file(path) == expected


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("start", "end"), [(0, 40), (1, 160), (5000, 9001), (20_000, -1), (31_999, 32_000)])
def test_a_span_equals_the_slice_of_the_whole(tmp_path: Path, suffix: str, start: int, end: int) -> None:
    path = write(tmp_path / f"a.{suffix}", speechlike(2.0))
    whole = load_audio(path)
    span = load_audio(path, start, end)
    stop = end if end > 0 else 32_000
    assert np.array_equal(span.waveform, whole.waveform[start:stop])
    assert span.num_samples == whole.num_samples == 32_000


@pytest.mark.parametrize("suffix", FORMATS)
def test_spans_of_a_recording_do_not_depend_on_what_was_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("profiling.audio.decode._BLOCK_FRAMES", 4001)
    path = write(tmp_path / f"a.{suffix}", speechlike(2.0))
    whole, opened = load_audio(path).waveform, Recording(path)
    for start, stop in [
        (0, 40),
        (3990, 4010),
        (9000, 20_000),
        (100, 4001),
        (31_999, 32_000),
        (0, 32_000),
        (8002, 8003),
    ]:
        assert np.array_equal(read_span(opened, start, stop).waveform, whole[start:stop])


def test_a_recording_is_read_and_decoded_once_for_all_of_its_spans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiling.audio.decode._BLOCK_FRAMES", 4000)
    path, decoded = write(tmp_path / "a.opus", speechlike(4.0)), []
    opened = Recording(path)
    read = sf.SoundFile.read
    monkeypatch.setattr(
        sf.SoundFile, "read", lambda file, count, **how: decoded.append(count) or read(file, count, **how)
    )
    for start in range(0, 64_000, 1000):
        opened.decode(start, start + 1000)
    assert sum(decoded) == 64_000


def test_libsndfiles_own_seek_is_not_exact_for_vorbis() -> None:
    """Why lossy files are decoded from their start: if this fails, libsndfile got better."""
    data = encode(speechlike(3.0, 44_100), 44_100, "ogg")
    whole, _ = sf.read(io.BytesIO(data), dtype="float32")
    with sf.SoundFile(io.BytesIO(data)) as file:
        file.seek(len(whole) - 1)
        last = file.read(1, dtype="float32")
    assert abs(last[0] - whole[-1]) > 1e-4


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = speechlike(seed=1), speechlike(seed=2)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    expected = ((left.astype(np.float64) + right) / 2).astype(np.float32)
    assert np.array_equal(load_audio(path).waveform, expected)
    assert np.array_equal(load_audio(path, channel="0").waveform, left)
    assert np.array_equal(load_audio(path, channel="1").waveform, right)
    assert load_audio(path).channels == 2


def test_opposite_channels_cancel_exactly(tmp_path: Path) -> None:
    left = speechlike()
    path = write(tmp_path / "a.wav", np.stack([left, -left], axis=1), subtype="FLOAT")
    with pytest.raises(AudioError, match="silent"):
        load_audio(path)
    assert np.array_equal(load_audio(path, channel="1").waveform, -left)


@pytest.mark.parametrize("channel", ["2", "-1", "left", ""])
def test_a_channel_that_is_not_there(tmp_path: Path, channel: str) -> None:
    path = write(tmp_path / "a.wav", np.stack([tone(), tone()], axis=1))
    with pytest.raises(AudioError, match=rf"check: .*no channel '{channel}' \(valid: mix, 0, 1\)"):
        load_audio(path, channel=channel)


def test_eight_channels_at_96_khz(tmp_path: Path) -> None:
    channels = np.stack([tone(0.5, 96_000, hz=500, level=0.1 * k) for k in range(1, 9)], axis=1)
    audio = load_audio(write(tmp_path / "a.wav", channels, 96_000))
    assert (audio.channels, audio.sample_rate_hz, len(audio.waveform)) == (8, 96_000, 8000)
    assert level_db(audio.waveform[500:-500], 500) == pytest.approx(20 * np.log10(0.45), abs=0.01)


def test_8_khz_is_upsampled_and_flagged(tmp_path: Path) -> None:
    audio = load_audio(write(tmp_path / "a.wav", tone(1.0, 8000, hz=1000), 8000))
    assert audio.flags == ("upsampled",)
    assert len(audio.waveform) == 16_000
    assert level_db(audio.waveform[500:-500], 1000) == pytest.approx(QUARTER_DB, abs=0.01)
    assert level_db(audio.waveform[500:-500], 7000) < -100, "an image of the tone"


def test_what_16_khz_cannot_hold_does_not_leak(tmp_path: Path) -> None:
    both = tone(1.0, 44_100, hz=9000) + tone(1.0, 44_100, hz=6900)
    waveform = load_audio(write(tmp_path / "a.wav", both, 44_100, subtype="FLOAT")).waveform[1000:-1000]
    assert level_db(waveform, 7000) < -100, "9 kHz folds to 7 kHz"
    assert level_db(waveform, 6900) == pytest.approx(QUARTER_DB, abs=0.01)


def test_clipping_is_flagged_and_a_lone_peak_is_not(tmp_path: Path) -> None:
    clipped = np.clip(tone(level=3.0), -1, 1)
    assert load_audio(write(tmp_path / "a.wav", clipped)).flags == ("clipped",)
    lone = tone()
    lone[100] = 1.0
    assert load_audio(write(tmp_path / "b.wav", lone)).flags == ()


def test_100_samples_load_and_the_backbone_decides(tmp_path: Path) -> None:
    waveform = load_audio(write(tmp_path / "a.wav", tone(100 / 16_000))).waveform
    assert len(waveform) == 100
    check_duration(waveform, 100)
    with pytest.raises(AudioError, match=r"100 samples at 16 kHz \(0\.0063 s\).* at least 400") as caught:
        check_duration(waveform, 400)
    assert caught.value.stage == "duration"


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_header_gives_the_duration(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", tone(1.25, 48_000), 48_000)
    assert probe_duration(path) == (60_000, 48_000)


def test_an_mp3_without_a_frame_count_is_read_whole(tmp_path: Path) -> None:
    """libsndfile alone guesses the length from the first frame and stops there."""
    silent_start = np.concatenate([1e-3 * tone(1.0), speechlike(2.0)])
    data = encode(silent_start, 16_000, "mp3")
    with sf.SoundFile(io.BytesIO(without_xing(data))) as file:
        guessed = file.frames
    path = tmp_path / "a.mp3"
    path.write_bytes(without_xing(data))
    audio = load_audio(path)
    assert guessed < 0.6 * len(silent_start)
    assert len(silent_start) < audio.num_samples < len(silent_start) + 2000, "encoder delay is not cut"
    delay = int(np.argmax(np.correlate(audio.waveform, silent_start, "valid")))
    assert delay == 576, "of the encoder, which the lost header would have told"
    kept = audio.waveform[delay : delay + len(silent_start)]
    expected = load_audio(write(tmp_path / "b.mp3", silent_start)).waveform
    assert np.abs(kept - expected).max() < 1e-4


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + bytes(24)])
def test_tags_around_an_mp3_do_not_matter(tmp_path: Path, tag: bytes) -> None:
    data = encode(speechlike(), 16_000, "mp3")
    (tmp_path / "a.mp3").write_bytes(data)
    (tmp_path / "b.mp3").write_bytes(b"ID3\x03\0\0\0\0\1\0" + bytes(128) + data + tag)
    assert np.array_equal(load_audio(tmp_path / "a.mp3").waveform, load_audio(tmp_path / "b.mp3").waveform)


@pytest.mark.parametrize(("codec", "kind", "suffix"), [("aac", "ipod", "m4a"), ("libopus", "webm", "webm")])
def test_what_libsndfile_cannot_read_comes_through_pyav(
    tmp_path: Path, codec: str, kind: str, suffix: str
) -> None:
    pytest.importorskip("av")
    stereo = np.stack([tone(2.0, 48_000, hz=1000), tone(2.0, 48_000, hz=3000, level=0.125)], axis=1)
    path = write_m4a(tmp_path / f"a.{suffix}", stereo, 48_000, codec=codec, kind=kind)
    audio = load_audio(path)
    assert (audio.channels, audio.sample_rate_hz) == (2, 48_000)
    assert audio.duration_s == pytest.approx(2.0, abs=0.05)
    middle = audio.waveform[4000:-4000]
    assert level_db(middle, 1000) == pytest.approx(QUARTER_DB - 6.02, abs=0.2), "mean, not FFmpeg's downmix"
    assert level_db(middle, 3000) == pytest.approx(QUARTER_DB - 12.04, abs=0.2)
    span = load_audio(path, 12_000, 36_000, channel="0").waveform
    assert len(span) == 8000
    assert level_db(span[500:-500], 1000) == pytest.approx(QUARTER_DB, abs=0.2)
    num_samples, rate_hz = probe_duration(path)
    assert num_samples / rate_hz == pytest.approx(2.0, abs=0.05)


@pytest.mark.data
def test_every_recording_of_emodb_loads(speech: Path) -> None:
    paths = sorted((speech / "emodb" / "wav").glob("*.ogg"))
    assert len(paths) == 339
    for path in paths:
        audio, header = load_audio(path), sf.info(path)
        assert audio.num_samples == header.frames == probe_duration(path)[0], path
        assert audio.duration_s == pytest.approx(header.duration, abs=1e-4), path
        assert audio.flags == (), path
