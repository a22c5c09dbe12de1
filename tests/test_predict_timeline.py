"""Speech is found, cut into windows, and the windows' answers are weighted by their duration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from profiling.audio.levels import LevelMeter, snr_db
from profiling.audio.loader import Waveform
from profiling.bundle import Bundle
from profiling.errors import AudioError, ConfigError
from profiling.predict.activity import Detector, energy_speech
from profiling.predict.answer import Interval
from profiling.predict.calibrated import Calibration
from profiling.predict.recording import Recording, cut, hear
from profiling.predict.timeline import windows_of
from tests.recordings import Samples, tone, write

RATE = 16_000


def metered(samples: Samples, block: int = 1 << 20) -> np.ndarray:
    meter = LevelMeter()
    for first in range(0, len(samples), block):
        meter.add(samples[first : first + block])
    return meter.levels()


def test_levels_are_mean_squares_in_db_whatever_the_blocks() -> None:
    voice = tone(1.01, level=0.5)
    levels = metered(voice)
    assert len(levels) == 50
    assert levels == pytest.approx(10 * np.log10(0.5**2 / 2), abs=0.3)
    np.testing.assert_allclose(metered(voice, 1234), levels, atol=1e-5)
    assert len(metered(voice[:100])) == 0


def talk(noise: float = 1e-3, level: float = 0.25) -> Samples:
    """0.5 s pause, 1 s voice, 1 s pause, 2 s voice, 0.5 s pause, under white noise of that level."""
    parts = [np.zeros(8000), tone(1.0, level=level), np.zeros(16_000), tone(2.0, level=level), np.zeros(8000)]
    samples = np.concatenate(parts)
    return (samples + noise * np.random.default_rng(1).standard_normal(len(samples))).astype(np.float32)


@pytest.mark.parametrize("wanted_db", [10.0, 20.0, 35.0])
def test_the_signal_to_noise_ratio_where_there_are_pauses(wanted_db: float) -> None:
    level = 0.25 / np.sqrt(2)
    estimate = snr_db(metered(talk(noise=level / 10 ** (wanted_db / 20))))
    assert estimate == pytest.approx(wanted_db, abs=2.0)  # the loud frames hold the noise as well
    assert snr_db(metered(tone(0.4))) is None


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
def test_the_energy_rule_finds_voice_between_pauses(noise: float) -> None:
    samples = talk(noise)
    spans = energy_speech(metered(samples), len(samples))
    assert np.array(spans) / RATE == pytest.approx(np.array([[0.5, 1.5], [2.5, 4.5]]), abs=0.03)


def test_the_energy_rule_takes_speech_without_pauses_whole_and_silence_not_at_all() -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    swell = (0.05 + 0.2 * np.abs(np.sin(np.linspace(0, 20, 2 * RATE)))).astype(np.float32) * noise
    (start, end), *more = energy_speech(metered(swell), len(swell))
    assert (start, more) == (0, []) or end - start > 1.5 * RATE
    assert energy_speech(np.zeros(0, np.float32), 100) == []


def blocks_of(samples: Samples, size: int) -> Iterator[Waveform]:
    yield from (samples[first : first + size] for first in range(0, len(samples), size))


@pytest.mark.parametrize("size", [7, 100, 10_000])
def test_cutting_blocks_is_cutting_the_whole(size: int) -> None:
    samples = np.arange(1000, dtype=np.float32)
    spans = [(0, 10), (10, 250), (300, 301), (640, 1000)]
    for (start, end), piece in zip(spans, cut(blocks_of(samples, size), spans), strict=True):
        np.testing.assert_array_equal(piece, samples[start:end])
    with pytest.raises(AudioError, match="the file changed"):
        list(cut(blocks_of(samples, size), [(0, 1001)]))


def test_windows_cover_speech_are_no_longer_than_asked_and_no_shorter_than_a_second() -> None:
    speech = [(0, 1600), (16_000, 80_000), (160_000, 161_600), (319_000, 320_000)]
    windows = windows_of(speech, 2.0, 320_000)
    lengths = [end - start for start, end in windows]
    assert max(lengths) <= 2 * RATE
    assert min(lengths) >= RATE
    heard = np.zeros(320_000, bool)
    for start, end in windows:
        assert not heard[start:end].any(), "windows do not overlap"
        heard[start:end] = True
    assert all(heard[start:end].all() for start, end in speech)
    assert windows_of([(100, 200)], 5.0, 4000) == [(0, 4000)], "a recording below a second is one window"
    assert windows_of([], 5.0, 4000) == []


def bundle_with(calibration: dict[str, object]) -> Bundle:
    return cast(Bundle, SimpleNamespace(spec=SimpleNamespace(calibration=calibration)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_temperature_divides_the_logits(temperature: float) -> None:
    logits = np.array([2.0, -1.0, 0.5])
    softmax = np.exp(logits) / np.exp(logits).sum()
    divided = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    calibration = Calibration.of(bundle_with({"temperature": {"value": temperature}}))
    given = dict(zip("abc", softmax.tolist(), strict=True))
    assert list(calibration.probabilities(given).values()) == pytest.approx(divided.tolist(), rel=1e-9)


def test_intervals_and_label_sets_follow_the_quantile() -> None:
    entries = [
        {"level": 0.5, "quantile": 1.0, "reason": None},
        {"level": 0.9, "quantile": 0.7, "reason": None},
    ]
    calibration = Calibration.of(bundle_with({"temperature": None, "conformal": entries}))
    assert calibration.interval(30.0) == Interval(pytest.approx(29.3), pytest.approx(30.7), 0.9)
    assert calibration.label_set({"a": 0.25, "b": 0.4, "c": 0.35}) == ("b", "c")
    assert calibration.label_set({"a": 0.25, "b": 0.25, "c": 0.2}) == ("a",), "the most probable always"
    few = [{"level": 0.9, "quantile": None, "reason": "no interval: 6 speakers, 9 needed"}]
    without = Calibration.of(bundle_with({"conformal": few}))
    assert (without.interval(30.0), without.label_set({"a": 1.0})) == (None, ())
    assert "9 needed" in without.reason
    assert "not calibrated" in Calibration.of(bundle_with({})).reason


def heard(tmp_path: Path, samples: Samples) -> Recording:
    return hear(write(tmp_path / "a.wav", samples), "mix")


def test_detectors_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = heard(tmp_path, talk())
    assert Detector("none").find(recording) == [(0, len(talk()))]
    assert Detector("energy").name == "energy"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Detector("auto").name == "energy"
    with pytest.raises(ConfigError, match=r"pip install profiling\[vad\]"):
        Detector("silero")
    with pytest.raises(ConfigError, match="did you mean energy"):
        Detector("enrgy")


@pytest.mark.data
def test_silero_and_the_energy_rule_find_the_same_speech(speech: Path) -> None:
    """Frames of 20 ms on ten clean recordings; without changing PyTorch's threads for everyone."""
    pytest.importorskip("silero_vad")
    import torch

    threads = torch.get_num_threads()
    silero, energy = Detector("auto"), Detector("energy")
    assert silero.name.startswith("silero 6")
    agreed = []
    for path in sorted((speech / "emodb" / "wav").iterdir())[::34]:
        recording = hear(path, "mix")
        marks = [marked(one.find(recording), recording.num_samples) for one in (silero, energy)]
        agreed.append(np.mean(marks[0] == marks[1]))
    assert np.mean(agreed) > 0.75
    assert torch.get_num_threads() == threads


def marked(spans: list[tuple[int, int]], num_samples: int) -> np.ndarray:
    active = np.zeros(num_samples // 320 + 1, bool)
    for start, end in spans:
        active[start // 320 : end // 320] = True
    return active


def test_silero_is_imported_only_for_a_timeline() -> None:
    script = (
        "import sys, profiling.predict.panel; print('silero_vad' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False"
