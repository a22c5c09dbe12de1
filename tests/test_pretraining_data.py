"""Speech, batches and distortions of the pretraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from profiling.audio import perturb
from profiling.errors import ConfigError, ManifestError
from profiling.pretraining import augment
from profiling.pretraining.config import AugmentConfig, PretrainConfig, SpeechConfig
from profiling.pretraining.data import CropStream, loader
from profiling.pretraining.recordings import load, read_utterances, speech_span
from tests.pretraining_speech import RATE, recordings, tone

NONE = AugmentConfig(gain=0, filter=0, reverb=0, noise=0, babble=0, telephone=0, overlap=0)
ALL = AugmentConfig(gain=1, filter=1, reverb=1, noise=1, babble=1, telephone=1, overlap=1)
SPEECH = SpeechConfig(speeds=[1.0, 1.1], crop_s=[0.5, 1.0], crop_share=[0.5, 0.5], batch_s=4.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stream(config: AugmentConfig = NONE, seed: int = 0) -> CropStream:
    return CropStream(recordings(), PretrainConfig(seed=seed, speech=SPEECH, augment=config))


def corpus(folder: Path) -> Path:
    lines = ["path,speaker,gender,age,split"]
    for name, speaker, split in (("a", "01", "train"), ("b", "02", "train"), ("c", "03", "test")):
        quiet = np.zeros(RATE, dtype=np.float32)
        soundfile.write(folder / f"{name}.wav", np.concatenate([quiet, tone(150, 1.0), quiet]), RATE)
        lines.append(f"{name}.wav,{speaker},female,30,{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_only_the_named_split_is_decoded_at_every_speed(tmp_path: Path) -> None:
    (corpus(tmp_path) / "c.wav").unlink()  # a test file is never opened
    speech = load(tmp_path, "train", [1.0, 0.9], tmp_path / "cache")
    assert [u.speaker for u in speech.utterances] == ["01", "02"]
    lengths = (speech.spans[:, :, 1] - speech.spans[:, :, 0]) / RATE
    assert lengths[:, 0] == pytest.approx(1.2, abs=0.03), "0.1 s of silence kept at either end of 1 s"
    assert lengths[:, 1] == pytest.approx(1.0 / 0.9 + 0.2, abs=0.03), "slower speech lasts longer"
    assert len(speech.samples) == pytest.approx(2 * 3 * RATE * (1 + 1 / 0.9), abs=8)


def test_slower_speech_has_a_lower_pitch(tmp_path: Path) -> None:
    speech = load(corpus(tmp_path), "train", [1.0, 0.9], tmp_path / "cache")
    strongest = []
    for speed in range(2):
        first, _ = speech.spans[0, speed]
        crop = speech.samples[first + RATE // 4 : first + RATE // 4 + RATE // 2]
        strongest.append(np.abs(np.fft.rfft(crop)).argmax() * 2)  # Hz: bins of half a second
    assert strongest == [150, pytest.approx(135, abs=2)]


def test_a_second_load_maps_what_the_first_decoded(tmp_path: Path) -> None:
    first = load(corpus(tmp_path), "train", [1.0], tmp_path / "cache")
    for name in "abc":
        (tmp_path / f"{name}.wav").unlink()
    again = load(tmp_path, "train", [1.0], tmp_path / "cache")
    assert np.array_equal(first.samples, again.samples) and np.array_equal(first.spans, again.spans)


def test_a_speaker_in_two_splits_is_refused(tmp_path: Path) -> None:
    manifest = corpus(tmp_path) / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("c.wav,03", "c.wav,01"))
    with pytest.raises(ManifestError, match="01"):
        read_utterances(tmp_path, "train")
    with pytest.raises(ManifestError, match="no row of split 'dev'; there are test, train"):
        read_utterances(tmp_path, "dev")


def test_speech_span_of_speech_without_silence_is_all_of_it() -> None:
    assert speech_span(tone(120, 1.0)) == (0, RATE)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = stream(ALL), stream(ALL)
    other.batch(3), torch.manual_seed(7)
    first, second = one.batch(5), other.batch(5)
    for a, b in zip([*first[:-1], *first.prosody], [*second[:-1], *second.prosody], strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num())
    assert not torch.equal(stream(ALL, seed=1).batch(5).waveforms, one.batch(5).waveforms)


def test_resuming_at_a_step_gives_the_batches_that_would_have_come() -> None:
    straight = iter(stream())
    wanted = [next(straight).waveforms for _ in range(4)][2:]
    later = stream()
    later.start = 2
    assert all(torch.equal(a, next_.waveforms) for a, next_ in zip(wanted, loader(later), strict=False))


def test_batches_hold_the_asked_seconds_and_fitting_labels() -> None:
    source = stream()
    speech = source.recordings
    for step in range(8):
        batch = source.batch(step)
        assert batch.waveforms.shape in ((8, RATE // 2), (4, RATE))
        speaker, speed = batch.identity // 2, batch.identity % 2
        assert torch.equal(batch.sex, speaker % 2) and torch.equal(batch.age, (speaker >= 2).long())
        pitch = (100 + 30 * speaker) * (1 + 0.1 * speed)
        spectrum = torch.fft.rfft(batch.waveforms).abs().argmax(1) * RATE / batch.waveforms.size(1)
        assert torch.allclose(spectrum, pitch.float(), atol=2.0), (
            "a crop's identity is its own speaker and speed"
        )
    assert source.identities == 2 * len(speech.speakers)


def test_clean_crops_stay_as_they_are() -> None:
    clean = torch.randn(4, 8000).clamp(-0.9, 0.9)
    mixture = augment.distort(clean, NONE, generator())
    assert torch.equal(mixture.waveforms, clean)
    assert torch.equal(mixture.partner, torch.arange(4)) and torch.equal(mixture.share, torch.ones(4))


@pytest.mark.parametrize("name", ["filter", "reverb", "noise", "babble", "telephone", "overlap", "gain"])
def test_every_distortion_changes_its_share_of_the_crops(name: str) -> None:
    config = AugmentConfig(
        **dict.fromkeys(("filter", "reverb", "noise", "babble", "telephone", "overlap", "gain"), 0.0)
    )
    setattr(config, name, 0.5)
    clean = torch.from_numpy(np.stack([tone(100 + 5 * i, 0.5) for i in range(200)]))
    changed = (augment.distort(clean, config, generator()).waveforms != clean).any(1).float().mean()
    assert 0.35 < changed < 0.65  # 200 draws: 4 standard deviations are 0.14
    assert torch.isfinite(augment.distort(clean, ALL, generator()).waveforms).all()


def test_noise_arrives_at_the_asked_ratio() -> None:
    speech, noise = torch.randn(3, 16000), 7 * torch.randn(3, 16000)
    asked = torch.tensor([0.0, 10.0, 20.0])
    added = augment.at_snr(speech, noise, asked) - speech
    ratio = 10 * torch.log10(speech.square().mean(1) / added.square().mean(1))
    assert torch.allclose(ratio, asked, atol=1e-3)


def test_an_overlap_mixes_levelled_neighbours_by_their_share() -> None:
    clean = torch.randn(40, 4000) * torch.linspace(0.05, 0.3, 40)[:, None]
    mixture = augment.overlap(clean, 1.0, generator())
    assert torch.equal(mixture.partner, torch.arange(40).roll(1))
    assert 0.5 <= mixture.share.min() < 0.6 and 0.9 < mixture.share.max() < 1
    rest = mixture.waveforms - mixture.share[:, None] * clean
    own = clean.square().mean(1).sqrt()
    assert torch.allclose(rest.square().mean(1).sqrt(), (1 - mixture.share) * own, rtol=1e-4)


def test_a_room_decays_by_sixty_db_in_its_own_time() -> None:
    taps = augment.room(200, generator())
    assert torch.equal(taps[:, 0], torch.ones(200))
    early, late = taps[:, 1:1600].square().mean(), taps[:, -1600:].square().mean()
    assert late < early / 100
    ratio = -10 * torch.log10(taps[:, 1:].square().sum(1))
    assert ratio.min() > -3.2 and ratio.max() < 12.2


def test_a_telephone_passes_its_band_only() -> None:
    x = torch.from_numpy(np.stack([tone(100, 0.5) + 0.1 * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)]))
    spectrum = torch.fft.rfft(augment.telephone(x.float(), x, generator())).abs()[0]
    level = spectrum / torch.fft.rfft(x.float()).abs()[0].clamp(min=1e-3)
    assert level[50] < 0.05 and level[500] == pytest.approx(1.0, abs=0.05)  # bins of 2 Hz: 100 Hz, 1 kHz


def test_torchaudio_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("undefined symbol")

    monkeypatch.setattr(perturb.importlib, "import_module", fail)
    with pytest.raises(ConfigError, match=r"pretraining needs torchaudio.*undefined symbol"):
        augment.functionals()
