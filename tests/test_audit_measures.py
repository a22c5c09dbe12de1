"""Measures of a recording: pitch, level, clipping, silence, bandwidth, and its decoded content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from profiling.audio import load_audio
from profiling.audit.pitch import voiced_f0
from profiling.audit.signal import Measures, bandwidth_hz, measure
from tests.recordings import Samples, speechlike, tone, write

RATE_HZ = 16_000


def pulses(hz: float, seconds: float = 1.0) -> Samples:
    """(samples,) float32 of all harmonics below 4 kHz in equal strength: rich, as a voice is."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.cos(2 * np.pi * hz * k * t + k) for k in range(1, int(4000 / hz)))
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def measured(path: Path) -> Measures:
    return measure(load_audio(path))


@pytest.mark.parametrize("hz", [75.0, 110.0, 173.0, 220.0, 330.0, 440.0])
def test_pitch_is_within_a_percent_of_the_truth(hz: float) -> None:
    f0 = voiced_f0(pulses(hz))
    assert len(f0) > 40
    assert np.median(f0) == pytest.approx(hz, rel=0.01)


def test_pitch_of_a_weak_fundamental_is_still_the_fundamental() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    telephone = sum(np.cos(2 * np.pi * 120 * k * t) for k in range(3, 20)).astype(np.float32)
    assert np.median(voiced_f0(telephone)) == pytest.approx(120, rel=0.01)


def test_noise_and_very_short_recordings_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    assert len(voiced_f0(noise)) <= 2
    assert len(voiced_f0(noise[:300])) == 0


def test_pauses_give_no_pitch() -> None:
    hum = pulses(150)
    padded = np.concatenate(
        [hum, 1e-4 * np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)]
    )
    assert abs(len(voiced_f0(padded)) - len(voiced_f0(hum))) <= 3


def test_level_peak_and_clipping_are_those_of_the_samples(tmp_path: Path) -> None:
    sine = tone(1.0, level=0.5)
    loud = np.clip(4 * sine, -1, 32767 / 32768)
    found = measured(write(tmp_path / "a.wav", sine))
    assert found.level_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found.peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.05)
    assert found.clipped_share == 0
    clipped = measured(write(tmp_path / "b.wav", loud))
    assert clipped.clipped_share == pytest.approx(
        np.mean(np.abs(2 * np.sin(np.arange(1000) / 500 * np.pi)) > 1), abs=0.01
    )


def test_silence_is_counted_within_and_at_the_ends(tmp_path: Path) -> None:
    still = np.zeros(RATE_HZ, dtype=np.float32)
    path = write(tmp_path / "a.wav", np.concatenate([still, tone(1.0), still, tone(1.0), still, still]))
    found = measured(path)
    assert found.silence_share == pytest.approx(4 / 6, abs=0.01)
    assert found.edge_silence_s == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize(("rate_hz", "highest"), [(8_000, 4_000), (11_025, 5_512), (16_000, 8_000)])
def test_bandwidth_is_that_of_the_first_recording_whatever_the_file_says(
    rate_hz: int, highest: float
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * rate_hz).astype(np.float32)
    once = noise if rate_hz == RATE_HZ else soxr.resample(noise, rate_hz, RATE_HZ, quality="HQ")
    assert bandwidth_hz(once) == pytest.approx(highest, rel=0.06)


def test_another_container_or_name_has_the_same_decoded_content(tmp_path: Path) -> None:
    samples = (np.round(speechlike() * 32767) / 32768).astype(np.float32)
    wav, flac = (measured(write(tmp_path / f"a.{suffix}", samples)) for suffix in ("wav", "flac"))
    other = measured(write(tmp_path / "b.wav", 0.99 * samples))
    assert wav.decoded_sha256 == flac.decoded_sha256 != other.decoded_sha256


def test_a_short_or_unvoiced_recording_is_measured_too(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(160).astype(np.float32)
    found = measured(write(tmp_path / "a.wav", noise))
    assert found.f0_hz is None
    assert found.voiced_frames == 0
    assert found.silence_share == 0
