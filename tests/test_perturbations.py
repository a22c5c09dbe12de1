"""Perturbed copies: each step against an independent measurement, and that the key tells them apart."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import welch

from profiling.audio import load_audio, load_heard, perturbed
from profiling.audio.perturb import impulse_response
from profiling.backbones.spectral import SpectralStats
from profiling.bundle import read_bundle, write_bundle
from profiling.config import AudioConfig, StoreConfig
from profiling.errors import BundleError, ConfigError
from profiling.features.decode import Utterance
from profiling.features.extract import feature_key
from profiling.features.key import perturbations_of
from profiling.features.maintenance import ls
from profiling.perturbations import STEPS, parse_perturbations
from profiling.predict import Profiler, default_bundles
from tests.command_line import CommandLine, manifest
from tests.recordings import Samples, level_db, speechlike, tone
from tests.stub_backbone import StubBackbone, extract, recording, recordings, rows, settings, vector

SHA = "ab" * 32
EXAMPLES = {
    "noise": "noise:10",
    "telephone": "telephone",
    "speed": "speed:1.1",
    "gain": "gain:-6",
    "reverb": "reverb:0.4",
    "truncate": "truncate:0.5",
}


def power_db(x: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(x.astype(np.float64)))))


def test_every_step_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(STEPS)


@pytest.mark.parametrize("step", EXAMPLES.values())
def test_a_copy_follows_from_the_content_alone(step: str) -> None:
    voice = speechlike(1.3)
    copy = perturbed(voice, [step], SHA)
    assert copy.dtype == np.float32
    assert np.isfinite(copy).all()
    assert np.array_equal(copy, perturbed(voice.copy(), parse_perturbations([step]), SHA))
    assert not np.array_equal(copy, voice)
    random = step.partition(":")[0] in ("noise", "reverb")
    assert np.array_equal(copy, perturbed(voice, [step], "cd" * 32)) != random
    assert np.array_equal(copy, perturbed(voice, [step], SHA, 100, 2000)) != random


@pytest.mark.parametrize("colour", ["white", "pink", "speech"])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_noise_has_the_ratio_asked(colour: str, snr_db: float) -> None:
    voice = speechlike(2.0)
    noise = perturbed(voice, [f"noise:{snr_db}:{colour}"], SHA) - voice
    assert power_db(voice) - power_db(noise) == pytest.approx(snr_db, abs=0.02)


def test_the_same_noise_at_every_level_and_another_for_another_seed() -> None:
    voice = speechlike(1.0)
    loud, soft = (perturbed(voice, [f"noise:{level}"], SHA) - voice for level in (0, 20))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-5)
    other = perturbed(voice, ["noise:snr_db=0,seed=1"], SHA) - voice
    assert abs(np.corrcoef(loud, other)[0, 1]) < 0.05
    two = perturbed(voice, ["noise:0", "noise:0"], SHA)
    assert power_db(two - voice) == pytest.approx(power_db(loud) + 4.77, abs=0.2), "independent: N + (S + N)"


def slope_db_per_octave(noise: Samples) -> float:
    frequency, density = welch(noise, 16_000, nperseg=4096)
    band = (frequency > 100) & (frequency < 6000)
    return float(np.polyfit(np.log2(frequency[band]), 10 * np.log10(density[band]), 1)[0])


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01)])
def test_the_colour_of_noise(colour: str, slope: float) -> None:
    voice = tone(8.0)
    noise = perturbed(voice, [f"noise:-20:{colour}"], SHA) - voice
    assert slope_db_per_octave(noise) == pytest.approx(slope, abs=0.25)


def test_speech_noise_has_the_spectrum_of_the_speech() -> None:
    voice = speechlike(2.0)
    noise = perturbed(voice, ["noise:0:speech"], SHA) - voice
    np.testing.assert_allclose(np.abs(np.fft.rfft(noise)), np.abs(np.fft.rfft(voice)), rtol=1e-3, atol=0.02)
    assert abs(np.corrcoef(noise, voice)[0, 1]) < 0.5, "its phases are its own"


@pytest.mark.parametrize(
    ("hz", "heard"), [(150, False), (400, True), (1000, True), (3300, True), (3600, False)]
)
def test_a_telephone_passes_its_band(hz: int, heard: bool) -> None:
    line = perturbed(tone(2.0, hz=hz), ["telephone"], SHA)
    assert len(line) == 32_000
    loss_db = level_db(tone(2.0, hz=hz), hz) - level_db(line, hz)
    assert abs(loss_db) < 0.3 if heard else loss_db > 35


def test_a_telephone_quantises_and_clips_as_mu_law_does() -> None:
    clean, line = tone(2.0, hz=1000), perturbed(tone(2.0, hz=1000), ["telephone"], SHA)
    inner = slice(1000, -1000)
    assert 33 < power_db(clean[inner]) - power_db((line - clean)[inner]) < 42, (
        "8 bits of mu-law give some 38 dB"
    )
    assert np.abs(perturbed(tone(1.0, level=3.0), ["telephone"], SHA)).max() < 1.5
    above = perturbed(tone(2.0, hz=5000), ["telephone"], SHA)
    assert level_db(above, 3000) < -70, "what 8 kHz cannot hold does not fold back"


@pytest.mark.parametrize("factor", [0.57, 0.9, 1.1, 1.5])
def test_speed_changes_length_and_pitch(factor: float) -> None:
    played = perturbed(tone(2.0, hz=500), [f"speed:{factor}"], SHA)
    assert len(played) == pytest.approx(32_000 / factor, abs=1)
    assert level_db(played[2000:-2000], 500 * factor) == pytest.approx(level_db(tone(2.0), 440), abs=0.1)


def test_gain_is_in_decibels_and_never_clips() -> None:
    voice = speechlike(0.5)
    np.testing.assert_allclose(perturbed(voice, ["gain:20"], SHA), 10 * voice, rtol=1e-6)
    np.testing.assert_allclose(perturbed(voice, ["gain:-6"], SHA), voice * 10**-0.3, rtol=1e-6)


@pytest.mark.parametrize("rt60_s", [0.3, 1.0])
def test_a_room_decays_by_60_db_in_its_time(rt60_s: float) -> None:
    room = impulse_response(rt60_s, 3.0, np.random.default_rng(0))
    tail = np.square(room[1:])
    assert 10 * np.log10(1 / tail.sum()) == pytest.approx(3.0, abs=1e-6)
    left_db = 10 * np.log10(np.cumsum(tail[::-1])[::-1] / tail.sum())  # Schroeder's backward integral
    early, late = np.flatnonzero(left_db < -5)[0], np.flatnonzero(left_db < -25)[0]
    assert 3 * (late - early) / 16_000 == pytest.approx(rt60_s, rel=0.1)


def test_reverberation_keeps_length_level_and_start() -> None:
    voice = np.zeros(16_000, np.float32)
    voice[4000:4400] = tone(0.025)
    wet = perturbed(voice, ["reverb:0.5"], SHA)
    assert len(wet) == len(voice)
    assert power_db(wet) == pytest.approx(power_db(voice), abs=0.01)
    assert np.abs(wet[:4000]).max() < 1e-6, "nothing is heard before the sound"
    assert np.abs(wet[5000:8000]).max() > 1e-3, "and much after it"


def test_truncation() -> None:
    voice = speechlike(2.0)
    for at, start in (("start", 0), ("middle", 12_000), ("end", 24_000)):
        assert np.array_equal(perturbed(voice, [f"truncate:0.5:{at}"], SHA), voice[start : start + 8000])
    places = {perturbed(voice, [f"truncate:0.5:random:{seed}"], SHA).tobytes() for seed in range(5)}
    assert len(places) == 5
    assert np.array_equal(perturbed(voice, ["truncate:3"], SHA), voice)


def test_steps_work_in_the_order_given() -> None:
    voice = speechlike(1.0)
    steps = ["gain:-12", "truncate:0.5:start"]
    one, other = perturbed(voice, ["noise:0", *steps], SHA), perturbed(voice, [*steps, "noise:0"], SHA)
    assert one.shape == other.shape
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("nois:10", "did you mean noise"),
        ("noise", "snr_db is missing; write a number from -30 to 90"),
        ("noise:loud", "snr_db=loud: write a number"),
        ("noise:nan", "snr_db=nan"),
        ("noise:snr=10", "did you mean snr_db"),
        ("noise:10:brown", "colour=brown: (valid: pink, speech, white)"),
        ("noise:10:white:0:7", "'7' is one value too many; it takes snr_db, colour, seed"),
        ("noise:10,snr_db=5", "snr_db is given twice"),
        ("noise:snr_db=10,seed=1.5", "a multiple of 1"),
        ("telephone:8000", "takes no values"),
        ("speed:3", "from 0.5 to 2"),
        ("speed:1.10005", "a multiple of 0.001"),
        ("truncate:0", "from 0.01"),
        ("", "valid: gain, noise"),
    ],
)
def test_a_step_that_cannot_be_read(step: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_perturbations([step])
    assert says in str(caught.value)


def test_without_torchaudio_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    monkeypatch.delitem(sys.modules, "torchaudio.functional", raising=False)
    with pytest.raises(ConfigError, match=r"audio\.perturb needs torchaudio"):
        perturbed(tone(), ["gain:3"], SHA)


def test_the_key_holds_the_steps_in_full_and_is_unchanged_without() -> None:
    def key(*steps: str) -> str:
        return feature_key(SpectralStats(), AudioConfig(perturb=list(steps)), StoreConfig()).sha256

    plain = feature_key(SpectralStats(), AudioConfig(), StoreConfig())
    assert set(plain.fields()["front_end"]) == {  # type: ignore[call-overload]
        "sample_rate_hz", "resampler", "mono", "long_audio", "max_duration_s",
    }  # fmt: skip
    assert perturbations_of(plain) == ()
    assert key("noise:10") == key("noise:snr_db=10.0,seed=0")
    others = [key(), key("noise:10"), key("noise:9"), key("noise:10:pink"), key("noise:10:white:1")]
    others += [key("noise:10", "gain:3"), key("gain:3", "noise:10")]
    assert len(set(others)) == len(others)


def test_extraction_stores_what_the_backbone_hears_of_the_copy(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 3, 9000), settings(tmp_path)
    asked = [*paths, Utterance("part", paths[0], 1000, 8000)]
    plain = extract(asked, config)
    config.audio.perturb = ["telephone", "noise:10"]
    done = extract(asked, config)
    assert done.store.folder != plain.store.folder
    assert done.keys == plain.keys, "a row is a recording; what was done to it is the store's"
    spans = [(0, -1), (0, -1), (0, -1), (1000, 8000)]
    for path, (start, end), row in zip([*paths, paths[0]], spans, rows(done), strict=True):
        audio = load_audio(path, start, end)
        copy = perturbed(audio.waveform, ["telephone", "noise:10"], audio.audio_sha256, start, end)
        np.testing.assert_array_equal(row, vector(copy, "gfe_1"))
    spec = json.loads((done.store.folder / "spec.json").read_text())
    steps = ["telephone", "noise:snr_db=10,colour=white,seed=0"]
    assert spec["key"]["front_end"]["perturb"] == steps
    assert {info.folder: list(info.perturb) for info in ls(tmp_path / "features")} == {
        plain.store.folder: [],
        done.store.folder: steps,
    }
    again = extract(asked, config, backbone := StubBackbone())
    assert (again.cached, backbone.batches) == (4, [])


def test_what_a_copy_is_too_short_for_is_quarantined(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.audio.perturb = ["truncate:0.02"]
    done = extract([recording(tmp_path / "a.wav", tone(0.5))], config)
    assert [(entry.stage, done.computed) for entry in done.quarantined] == [("duration", 0)]


def test_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = CommandLine(tmp_path, capsys)
    recording(tmp_path / "corpus" / "a.wav", speechlike())
    table = manifest(tmp_path / "corpus", ["a.wav"])
    said = command.extract(table, "audio.perturb=[telephone,noise:10:pink]")
    assert said.code == 0
    assert "goes through telephone, then noise:10:pink" in said.err
    listed = command("cache", "ls", *command.settings[2:])
    assert "perturbed copies: telephone, then noise:snr_db=10,colour=pink,seed=0" in listed.out
    assert "did you mean noise" in command.extract(table, "audio.perturb=[noize:10]").error
    assert command.extract(table, "audio.perturb=['noise:snr_db=10,colour=pink']").code == 0


def test_a_profiler_trained_on_copies_hears_copies_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = read_bundle(default_bundles()[0])
    backbone = Profiler.from_pretrained(given.folder).backbone
    rules = AudioConfig(perturb=["telephone"])
    key = feature_key(backbone, rules, StoreConfig()).fields()
    wrong = replace(given.spec, audio=asdict(rules))
    with pytest.raises(BundleError, match="trained on other features"):
        Profiler(read_bundle(write_bundle(tmp_path / "wrong", wrong, given.state, given.seen)), backbone)
    spec = replace(given.spec, audio=asdict(rules), feature_key=key)
    profiler = Profiler(read_bundle(write_bundle(tmp_path / "run", spec, given.state, given.seen)), backbone)
    voice = recording(tmp_path / "a.wav", speechlike())
    audio = load_heard(voice, rules)
    vectors = backbone.extract([audio.waveform], profiler.layers)
    answer = profiler(voice)
    assert answer == profiler.answers([{name: value[0] for name, value in vectors.items()}])[0]
    assert answer != Profiler.from_pretrained(given.folder)(voice)
    said = CommandLine(tmp_path, capsys)("predict", "--model", str(tmp_path / "run"), str(voice))
    assert "trained on recordings after telephone; yours go through the same" in said.err
    assert "perturbed" in json.loads(said.out)["flags"]
