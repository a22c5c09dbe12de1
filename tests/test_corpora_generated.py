"""The generated corpus: whole or absent, the same for a seed, and its voices measured, not believed."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import signal
from scipy.linalg import solve_toeplitz

from profiling.audio import Audio, load_audio
from profiling.corpora import generated
from profiling.corpora.articulation import _VOWELS_HZ
from profiling.corpora.generated import generate_corpus
from profiling.corpora.reading import read_corpus
from profiling.corpora.synthesis import _source, synthesise
from profiling.corpora.voices import EMOTIONS, Delivery, draw_delivery, draw_speaker
from profiling.errors import ManifestError
from tests.recordings import level_db

SPEAKERS, UTTERANCES = 12, 4
STEADY = Delivery(120.0, 0.0, 0.0, 4.0, 0.0, 0.0, 6.0, -40.0, -25.0, -90.0, np.ones(4), "male")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_corpus(tmp_path_factory.mktemp("generated") / "voices", SPEAKERS, UTTERANCES, seed=7)


@pytest.fixture(scope="module")
def table(manifest: Path) -> pd.DataFrame:
    return pd.read_csv(manifest, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def audios(manifest: Path, table: pd.DataFrame) -> list[Audio]:
    return [load_audio(manifest.parent / path) for path in table["path"]]


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_folder_looks_like_a_publishers(manifest: Path, table: pd.DataFrame) -> None:
    header = "path,speaker,gender,age,emotion,language,split,text_id"
    assert manifest.read_text(encoding="utf-8").splitlines()[0] == header
    assert len(table) == SPEAKERS * UTTERANCES
    assert table["path"].is_unique
    assert set(table["emotion"]) == set(EMOTIONS)
    readme = (manifest.parent / "README.txt").read_text(encoding="utf-8")
    assert "not recordings of people" in readme
    assert "says nothing about people" in readme
    assert json.loads((manifest.parent / "generated.json").read_text())["seed"] == 7


def test_speakers_keep_their_sex_and_age_and_their_split(table: pd.DataFrame) -> None:
    traits = table.groupby("speaker")[["gender", "age", "split"]].nunique()
    assert (traits == 1).all().all()
    people = table.drop_duplicates("speaker")
    ages = people["age"].astype(int)
    assert ages.between(20, 80).all()
    assert ages.max() - ages.min() > 35
    assert people["gender"].value_counts().to_dict() == {"female": 6, "male": 6}
    assert people.groupby(["split", "gender"]).size().to_dict() == {
        (split, gender): count
        for split, count in (("test", 1), ("train", 4), ("val", 1))
        for gender in ("female", "male")
    }


def test_the_csv_reader_reads_it(manifest: Path) -> None:
    read = read_corpus(f"csv:{manifest}", {})
    assert len(read) == SPEAKERS * UTTERANCES
    assert set(read["emotion"]) == set(EMOTIONS)
    assert read["age_years"].notna().all()


def test_every_utterance_loads_without_a_flag(audios: list[Audio]) -> None:
    for audio in audios:
        assert audio.sample_rate_hz == 16_000
        assert audio.flags == ()
        assert 1.5 <= audio.duration_s <= 2.5
        assert np.abs(audio.waveform).max() < 0.95


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    once, again, other = (
        hashes(generate_corpus(tmp_path / name, 3, 3, seed).parent)
        for name, seed in (("once", 7), ("deep/again", 7), ("other", 8))
    )
    assert once == again
    assert not {once[name] for name in once if name.endswith(".wav")} & set(other.values())


def test_what_is_there_is_left_alone_and_something_else_refused(tmp_path: Path) -> None:
    folder = generate_corpus(tmp_path / "voices", 2, 1, seed=0).parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert generate_corpus(folder, 2, 1, seed=0) == folder / "manifest.csv"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with pytest.raises(ManifestError, match=r'voices: holds something else.*"seed":1'):
        generate_corpus(folder, 2, 1, seed=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ManifestError, match="mine: holds something else"):
        generate_corpus(tmp_path / "mine", 2, 1, seed=0)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_half_a_corpus_never_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def interrupted(*arguments: object) -> NDArray[np.float32]:
        said.append(1)
        if len(said) == 5:
            raise KeyboardInterrupt
        return synthesise(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(generated, "synthesise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_corpus(tmp_path / "voices", 4, 4, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("speakers", "utterances"), [(0, 1), (1, 0), (-2, 4)])
def test_nothing_asked_is_refused(tmp_path: Path, speakers: int, utterances: int) -> None:
    with pytest.raises(ManifestError, match=f"speakers={speakers} utterances={utterances}"):
        generate_corpus(tmp_path / "voices", speakers, utterances, seed=0)


def test_few_speakers_have_no_split(tmp_path: Path) -> None:
    table = pd.read_csv(generate_corpus(tmp_path / "voices", 3, 2, seed=0), keep_default_na=False)
    assert set(table["split"]) == {""}
    assert table.groupby("speaker")["gender"].first().tolist() == ["female", "male", "female"]


def measured_f0_hz(waveform: NDArray[np.float32]) -> float:
    """First peak of the autocorrelation of the loud middle, refined by a parabola."""
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle, 2 * len(middle))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(middle)] / np.arange(len(middle), 0, -1)
    lags = np.arange(16_000 // 500, 16_000 // 60)
    candidates = [lag for lag in lags if correlation[lag] > 0.85 * correlation[lags].max()]
    first = next(lag for lag in candidates if correlation[lag] >= correlation[lag - 1 : lag + 2].max())
    left, top, right = correlation[first - 1 : first + 2]
    return float(16_000 / (first + 0.5 * (left - right) / (left - 2 * top + right)))


@pytest.mark.parametrize("f0_hz", [85.0, 120.0, 205.0, 290.0])
def test_the_pitch_is_the_one_asked_for(f0_hz: float) -> None:
    waveform = synthesise(["a"] * 4, replace(STEADY, f0_hz=f0_hz), np.random.default_rng(0))
    assert measured_f0_hz(waveform) == pytest.approx(f0_hz, rel=0.02)


def measured_formants_hz(waveform: NDArray[np.float32], order: int = 18) -> NDArray[np.float64]:
    """Resonances below 500 Hz of bandwidth, from linear prediction of the pre-emphasised middle."""
    middle = waveform[len(waveform) // 3 : -len(waveform) // 3].astype(np.float64)
    middle = signal.lfilter([1, -0.97], [1], middle) * np.hamming(len(middle))
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :][: order + 1]
    correlation[0] *= 1 + 1e-9
    taps = solve_toeplitz(correlation[:-1], correlation[1:])
    roots = np.roots(np.r_[1, -taps])
    roots = roots[(roots.imag > 0) & (-np.log(np.abs(roots)) * 16_000 / np.pi < 500)]
    return np.sort(np.angle(roots)) * 16_000 / (2 * np.pi)


@pytest.mark.parametrize("gender", ["female", "male"])
@pytest.mark.parametrize("vowel", ["i", "e", "a", "y"])
@pytest.mark.parametrize("scale", [0.95, 1.0])
def test_the_formants_are_hillenbrands_times_the_speakers(gender: str, vowel: str, scale: float) -> None:
    delivery = replace(STEADY, f0_hz=90.0, gender=gender, formant_scale=np.full(4, scale))
    found = measured_formants_hz(synthesise([vowel] * 6, delivery, np.random.default_rng(0)))
    for expected_hz in scale * np.array(_VOWELS_HZ[gender][vowel][:3]):
        assert np.abs(found / expected_hz - 1).min() < 0.06, (found, expected_hz)


def test_jitter_is_the_spread_of_cycle_lengths() -> None:
    f0_hz = np.full(600, 100.0)
    for jitter in (0.0, 0.02):
        delivery = replace(STEADY, f0_hz=100.0, jitter=jitter, tilt_db=0.0, breath_db=-120.0)
        flow = _source(f0_hz, 601 * 160, delivery, np.random.default_rng(0))
        closures, _ = signal.find_peaks(-flow, height=0.5 * np.abs(flow).max(), distance=100)
        lengths = np.diff(closures)
        assert lengths.mean() == pytest.approx(160, rel=0.005)
        assert lengths.std() / 160 == pytest.approx(jitter, abs=0.003)


def test_tilt_is_what_is_missing_at_3_khz() -> None:
    levels = {}
    for tilt_db in (0.0, 12.0):
        delivery = replace(STEADY, f0_hz=100.0, tilt_db=tilt_db, breath_db=-120.0)
        flow = _source(np.full(200, 100.0), 201 * 160, delivery, np.random.default_rng(0))
        levels[tilt_db] = level_db(flow[1000:-1000].astype(np.float32), 3000)
    assert levels[0.0] - levels[12.0] == pytest.approx(12.0, abs=0.2)


def test_sexes_ages_and_emotions_differ_on_average_and_overlap() -> None:
    rng = np.random.default_rng(0)

    def people(gender: str, age_years: int) -> list[Delivery]:
        return [draw_delivery(draw_speaker("x", gender, age_years, rng), "neutral", rng) for _ in range(300)]

    women, men, old_men = people("female", 30), people("male", 30), people("male", 78)
    assert np.median([d.f0_hz for d in women]) == pytest.approx(212, rel=0.05)
    assert np.median([d.f0_hz for d in men]) == pytest.approx(117, rel=0.05)
    assert min(d.f0_hz for d in women) < max(d.f0_hz for d in men)
    assert np.median([d.syllables_per_s for d in old_men]) < 0.9 * np.median([d.syllables_per_s for d in men])
    assert np.median([d.jitter for d in old_men]) > 1.5 * np.median([d.jitter for d in men])
    assert max(d.jitter for d in men) > min(d.jitter for d in old_men)
    person = draw_speaker("x", "female", 40, rng)
    said = {emotion: [draw_delivery(person, emotion, rng) for _ in range(300)] for emotion in EMOTIONS}
    pitch = {emotion: np.mean([d.f0_hz for d in said[emotion]]) for emotion in EMOTIONS}
    level = {emotion: np.mean([d.level_dbfs for d in said[emotion]]) for emotion in EMOTIONS}
    assert pitch["sad"] < pitch["neutral"] < min(pitch["angry"], pitch["happy"])
    assert level["sad"] < level["neutral"] < level["happy"] < level["angry"]
    assert max(d.level_dbfs for d in said["happy"]) > min(d.level_dbfs for d in said["angry"])


def test_what_is_measured_follows_the_labels(table: pd.DataFrame, audios: list[Audio]) -> None:
    rms_db = pd.Series([20 * np.log10(np.std(audio.waveform)) for audio in audios])
    by_emotion = rms_db.groupby(table["emotion"]).mean()
    assert by_emotion["angry"] > by_emotion["neutral"] > by_emotion["sad"]
    neutral = (table["emotion"] == "neutral").to_numpy()
    pitch_hz = pd.Series([measured_f0_hz(a.waveform) for a, n in zip(audios, neutral, strict=True) if n])
    median_hz = pitch_hz.groupby(table["gender"][neutral].to_numpy()).median()
    assert 150 < median_hz["female"] < 260
    assert 80 < median_hz["male"] < 150


def test_a_demo_sized_corpus_takes_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    generate_corpus(tmp_path / "voices", 8, 6, seed=1)
    assert time.process_time() - started < 2.5, "an eighth of 64 speakers"
