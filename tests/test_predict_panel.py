"""Several heads on one pass, any door, the feature cache, channels, long recordings, pandas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from profiling import Panel as LazyPanel
from profiling.audio import load_audio
from profiling.errors import AudioError, ConfigError
from profiling.predict import Panel, PanelOptions, Profile, Profiler, load_profilers
from profiling.predict import recording as recordings
from profiling.predict.sources import FileBytes, Samples
from profiling.predict.stop import Stop, StoppedError
from tests.recordings import speechlike, write
from tests.trained import Lab, call


@pytest.fixture(autouse=True)
def cache(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(lab.folder / "cache"))
    monkeypatch.setenv("PROFILING_DATA", str(lab.folder / "nothing"))


@pytest.fixture
def models(lab: Lab) -> list[Path]:
    return [lab.run("gender"), lab.run("age"), lab.run("emotion")]


@pytest.fixture
def voices(lab: Lab) -> list[Path]:
    return sorted(lab.other.parent.rglob("*.wav"))[:5]


def numbers(profile: Profile) -> list[float]:
    """Every number the heads said, in order."""
    said: list[float] = []
    for one in profile.answers:
        said += list(one.probabilities.values()) if one.value is None else [one.value]
    return said


def counted(profilers: list[Profiler], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the waveforms that the backbone computes from now on."""
    backbone, seen = profilers[0].backbone, []
    extract = backbone.extract

    def counting(waveforms: list[np.ndarray], layers: list[str]) -> object:
        seen.extend(len(waveform) for waveform in waveforms)
        return extract(waveforms, layers)

    monkeypatch.setattr(backbone, "extract", counting)
    return seen


def test_three_heads_share_one_pass_over_each_recording(
    models: list[Path], voices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    profilers = load_profilers(models)
    assert len({id(profiler.backbone) for profiler in profilers}) == 1
    seen = counted(profilers, monkeypatch)
    profiles = list(Panel(profilers).profiles([*voices, "gone.wav", voices[0]]))
    assert sorted(seen) == sorted(len(load_audio(path).waveform) for path in [*voices, voices[0]])
    assert [profile.path for profile in profiles] == [*map(str, voices), "gone.wav", str(voices[0])]
    assert [profile.error is None for profile in profiles] == [True] * 5 + [False, True]
    for path, profile in zip(voices, profiles, strict=False):
        alone = [Panel([one])(path) for one in profilers]
        assert numbers(profile) == pytest.approx([n for one in alone for n in numbers(one)], rel=1e-5)
        assert (profile.gender, profile.age) == (profile.answers[0], profile.answers[1])
        assert profile.audio_sha256 == load_audio(path).audio_sha256
    with pytest.raises(KeyError, match="gone"):
        profiles[5].age  # noqa: B018 - that it raises is the test


def test_every_door_hears_the_same(models: list[Path], voices: list[Path], tmp_path: Path) -> None:
    panel = LazyPanel.from_pretrained(*models)
    samples, rate_hz = sf.read(voices[0], dtype="float32")
    expected = numbers(panel(voices[0]))
    stereo = np.stack([samples, samples])
    for array in (samples, stereo, torch.from_numpy(stereo), torch.from_numpy(samples)[None]):
        assert numbers(panel(array, rate_hz)) == pytest.approx(expected, rel=1e-5)
    data = voices[0].read_bytes()
    (piped, array) = panel.profiles([FileBytes(data), Samples(samples, rate_hz)])
    assert (piped.path, array.path, array.audio_sha256) == ("bytes", "array", "")
    assert numbers(panel(data)) == numbers(piped)
    assert numbers(piped) == numbers(array) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ConfigError, match="rate_hz"):
        panel(samples)
    with pytest.raises(ConfigError, match="leave it out"):
        panel(voices[0], 16_000)
    with pytest.raises(AudioError, match="0 channels"):
        panel(np.zeros((0, 100), np.float32), 16_000)


def test_embed_gives_the_layers_as_arrays(models: list[Path], voices: list[Path]) -> None:
    profiler = Profiler.from_pretrained(models[0])
    vectors = profiler.embed(voices[0])
    assert {name: vector.shape for name, vector in vectors.items()} == {"embedding": (512,)}
    waveform = load_audio(voices[0]).waveform
    expected = profiler.backbone.extract([waveform], ["embedding"])["embedding"][0]
    np.testing.assert_allclose(vectors["embedding"], expected, rtol=1e-5)
    assert profiler.answers([vectors]) == [profiler(voices[0])]
    with pytest.raises(ConfigError, match="did you mean embedding"):
        profiler.embed(voices[0], layers=["embeding"])


def test_features_seen_before_are_not_computed_again(
    models: list[Path], voices: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profilers = load_profilers(models)
    plain = [numbers(profile) for profile in Panel(profilers).profiles(voices)]
    seen = counted(profilers, monkeypatch)
    store = PanelOptions(cache="write", features=tmp_path)
    list(Panel(profilers, store).profiles(voices[:3]))
    assert len(seen) == 3
    renamed = tmp_path / "renamed.wav"
    renamed.write_bytes(voices[2].read_bytes())
    panel = Panel(profilers, PanelOptions(cache="read", features=tmp_path))
    again = [numbers(profile) for profile in panel.profiles([*voices, renamed])]
    assert (len(seen), panel.found_in_cache) == (5, 4)
    np.testing.assert_allclose(np.array(again), np.array([*plain, plain[2]]), rtol=1e-5)
    list(Panel(profilers, PanelOptions(cache="off", features=tmp_path)).profiles(voices))
    assert len(seen) == 10


def test_training_and_prediction_share_the_cache(
    lab: Lab, models: list[Path], voices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    profilers = load_profilers(models)
    seen = counted(profilers, monkeypatch)
    panel = Panel(profilers, PanelOptions(features=lab.folder / "features"))
    assert all(profile.error is None for profile in panel.profiles(voices))
    assert (seen, panel.found_in_cache) == ([], 5)


def test_channels(models: list[Path], voices: list[Path], tmp_path: Path) -> None:
    first, second = (sf.read(path, dtype="float32")[0] for path in voices[:2])
    size = min(len(first), len(second))
    path = tmp_path / "call.wav"
    sf.write(path, np.stack([first[:size], second[:size]], 1), 16_000, subtype="FLOAT")
    profilers = load_profilers(models)
    alone = [numbers(Panel(profilers)(voice[:size], 16_000)) for voice in (first, second)]
    picked = Panel(profilers, PanelOptions(channel="1"))(path)
    assert (picked.channel, numbers(picked)) == ("1", pytest.approx(alone[1], rel=1e-5))
    each = Panel(profilers, PanelOptions(channel="each"))
    left, right = each.profiles([path])
    assert (left.channel, right.channel, left.channels) == ("0", "1", 2)
    assert [numbers(left), numbers(right)] == [pytest.approx(one, rel=1e-5) for one in alone]
    (bad,) = Panel(profilers, PanelOptions(channel="5")).profiles([path])
    assert "no channel '5'" in str(bad.error)
    with pytest.raises(ConfigError, match="profile per channel"):
        each(path)
    with pytest.raises(ConfigError, match="channel=left"):
        PanelOptions(channel="left")


def test_long_recordings_are_read_in_blocks_and_answered_alike(
    models: list[Path], voices: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.tile(sf.read(voices[0], dtype="float32")[0], 40)[: 95 * 16_000]
    path = tmp_path / "long.wav"
    sf.write(path, samples, 16_000)
    panel = Panel.from_pretrained(*models, options=PanelOptions(window_s=5, vad="energy"))
    whole = panel(path)
    monkeypatch.setattr(recordings, "STREAMED_ABOVE_S", 60.0)
    streamed = panel(path)
    assert "windowed" in whole.flags
    assert numbers(streamed) == pytest.approx(numbers(whole), rel=1e-5)
    assert len(streamed.timeline) == len(whole.timeline) > 5
    for one, other in zip(streamed.timeline, whole.timeline, strict=True):
        assert (one.start_s, one.end_s) == (other.start_s, other.end_s)
        assert one.answers[1].value == pytest.approx(other.answers[1].value, rel=1e-5)


@pytest.mark.parametrize("streamed_above_s", [1e9, 60.0], ids=["in memory", "in blocks"])
def test_work_that_nobody_waits_for_ends_between_two_windows(
    models: list[Path],
    voices: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    streamed_above_s: float,
) -> None:
    monkeypatch.setattr(recordings, "STREAMED_ABOVE_S", streamed_above_s)
    samples = np.tile(sf.read(voices[0], dtype="float32")[0], 70)[: 150 * 16_000]
    sf.write(tmp_path / "long.wav", samples, 16_000)
    panel, stop = Panel.from_pretrained(*models, options=PanelOptions(window_s=5, vad="energy")), Stop()
    seen = counted(panel.profilers, monkeypatch)
    assert panel(tmp_path / "long.wav", stop=stop).error is None
    windows = len(seen)
    assert windows > 15
    del seen[:]
    backbone = panel.profilers[0].backbone
    extract = backbone.extract
    monkeypatch.setattr(backbone, "extract", lambda *given: (stop.ask(), extract(*given))[1])
    with pytest.raises(StoppedError):
        panel(tmp_path / "long.wav", stop=stop)
    assert len(seen) == 1
    with pytest.raises(StoppedError):
        panel(tmp_path / "long.wav", stop=stop)
    assert len(seen) == 1, "asked before it began"


def test_a_timeline_does_not_change_the_whole_answer(models: list[Path], voices: list[Path]) -> None:
    profilers = load_profilers(models)
    plain = Panel(profilers)(voices[0])
    profile = Panel(profilers, PanelOptions(window_s=1.5, vad="energy"))(voices[0])
    assert profile.answers == plain.answers
    assert (profile.vad, plain.vad, plain.timeline) == ("energy", "", ())
    assert profile.speech_s == pytest.approx(sum(one.duration_s for one in profile.timeline), abs=0.01)
    assert max(one.duration_s for one in profile.timeline) <= 1.5
    share = [one.duration_s for one in profile.timeline]
    ages = [one.answers[1].value or 0.0 for one in profile.timeline]
    assert profile.speech[1].value == pytest.approx(np.average(ages, weights=share), rel=1e-6)
    part = profile.timeline[0]
    samples = load_audio(voices[0]).waveform[round(part.start_s * 16_000) : round(part.end_s * 16_000)]
    alone = Panel(profilers)(samples, 16_000)
    assert numbers(alone) == pytest.approx([n for one in (profile.timeline[0],) for n in numbers(
        Profile("", one.answers))], rel=1e-3)  # fmt: skip


def test_flags_say_what_to_doubt(models: list[Path], tmp_path: Path) -> None:
    panel = Panel.from_pretrained(*models)
    noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    assert set(panel(0.1 * noise, 16_000).flags) >= {"low_snr"}
    assert set(panel(speechlike(0.7), 16_000).flags) >= {"too_short"}
    assert set(panel(np.clip(9 * noise, -1, 1), 8_000).flags) >= {"clipped", "upsampled"}
    (short,) = panel.profiles([Samples(speechlike(100 / 16_000), 16_000)])
    assert "the backbone needs at least 400" in str(short.error)
    age = panel(write(tmp_path / "noise.wav", np.clip(5 * noise, -1, 1))).age
    assert ("outside_training_range" in age.flags) == (not 15 < (age.value or 0) < 90)


def test_pandas_in_and_out(models: list[Path], voices: list[Path]) -> None:
    panel = Panel.from_pretrained(*models)
    table = pd.DataFrame({"path": [*map(str, voices[:2]), "gone.wav", str(voices[0])]}, index=list("abcd"))
    answered = panel.frame(table)
    assert list(answered.index) == ["a", "b", "c", "d"]
    assert list(answered["error"].astype(bool)) == [False, False, True, False]
    joined = table.join(answered.drop(columns="path"))
    assert (
        joined.loc["a", "age"]
        == joined.loc["d", "age"]
        == pytest.approx(panel(voices[0]).age.value, abs=1e-5)
    )
    assert joined.loc["b", "gender_p_female"] == pytest.approx(
        panel(voices[1]).gender.probabilities["female"], abs=1e-5
    )
    assert list(panel.frame(list(map(str, voices[:2])))["gender"]) == list(answered["gender"][:2])
    with pytest.raises(ConfigError, match="no column 'path'"):
        panel.frame(table.rename(columns={"path": "file"}))
    with pytest.raises(ConfigError, match="give a list"):
        panel.frame("a.wav")


def test_two_heads_on_one_task_keep_their_names_apart(
    lab: Lab, models: list[Path], voices: list[Path]
) -> None:
    run = lab.folder / "shared" / "gender_2"
    if not run.exists():
        assert lab.train(run, "task=gender", "seed=7", train=[lab.many]).code == 0
    said = call("predict", "--model", str(models[0]), "--model", str(run), str(voices[0]))
    row = json.loads(said.out)
    names = [name for name in row if name.startswith("gender@")]
    assert len(names) == 2
    assert len({row[name]["profiler"] for name in names}) == 2


def test_options_that_do_not_exist() -> None:
    for wrong, said in (
        ({"cache": "reed"}, "did you mean read"),
        ({"window_s": 0.1}, "at least 0.5"),
        ({"window_s": float("nan")}, "at least 0.5"),
    ):
        with pytest.raises(ConfigError, match=said):
            PanelOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no profiler"):
        Panel([])
