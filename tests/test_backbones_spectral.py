"""The front end and its statistics, against NumPy's FFT by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from profiling.backbones.frontend import LogSpectrogram
from profiling.backbones.spectral import SpectralStats


def by_hand(wave: np.ndarray) -> np.ndarray:
    """(256, frames) log power: reflected by 255 samples, 400-sample periodic Hamming in the middle of 511."""
    padded = np.pad(wave.astype(np.float64), 255, mode="reflect")
    window = np.pad(scipy.signal.get_window("hamming", 400, fftbins=True), (55, 56))
    starts = range(0, len(padded) - 511 + 1, 160)
    spectra = np.array([np.fft.rfft(padded[start : start + 511] * window) for start in starts])
    return np.log(np.abs(spectra.T) ** 2 + 1e-6)


def waves(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    return [(random.uniform(0.01, 0.3) * random.standard_normal(n)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("samples", [400, 401, 480, 481, 16_000])
def test_spectrogram_equals_numpys(samples: int) -> None:
    wave = waves(samples)[0]
    logs, frames = LogSpectrogram(centre=False)(torch.from_numpy(wave)[None])
    expected = by_hand(wave)
    assert frames is None
    assert logs.shape == (1, 1, 256, 1 + (samples - 1) // 160)
    np.testing.assert_allclose(logs[0, 0], expected, atol=2e-3)
    centred, _ = LogSpectrogram()(torch.from_numpy(wave)[None])
    np.testing.assert_allclose(centred[0, 0], expected - expected.mean(1, keepdims=True), atol=2e-3)


def test_a_half_precision_network_keeps_its_spectrogram_in_float32() -> None:
    wave = torch.from_numpy(waves(4000)[0])[None]
    half, whole = LogSpectrogram().half(), LogSpectrogram()
    assert half(wave)[0].dtype == torch.float32
    assert torch.equal(half(wave)[0], whole(wave)[0])


def test_statistics_equal_numpys_in_a_batch_of_mixed_lengths() -> None:
    rows = waves(400, 7_000, 3_333)
    statistics = SpectralStats().extract(rows, ["embedding"])["embedding"]
    for row, answer in zip(rows, statistics, strict=True):
        logs = by_hand(row)
        np.testing.assert_allclose(answer, np.concatenate([logs.mean(1), logs.var(1)]), rtol=1e-3, atol=2e-3)


def test_the_backbone_describes_itself_and_refuses_networks_layers() -> None:
    backbone = SpectralStats()
    assert dict(backbone.layers) == {"embedding": 512}
    assert (backbone.training, backbone.batching, backbone.min_samples) == ("signal", "masked", 400)
    assert len(str(backbone.identity()["weights_sha256"])) == 64
    assert backbone.identity() == SpectralStats().identity()
    with pytest.raises(ValueError, match=r"no layer 'gfe_1'; .*embedding"):
        backbone.extract(waves(4000), ["gfe_1"])
    with pytest.raises(ValueError, match="320 samples, shortest accepted is 400"):
        backbone.extract(waves(320), ["embedding"])


@pytest.mark.data
def test_real_speech_equals_numpys(speech: Path) -> None:
    files = sorted((speech / "nemo").rglob("*.o*"))[:3]
    rows = [soundfile.read(file, dtype="float32")[0] for file in files]
    assert len(rows) == 3
    statistics = SpectralStats().extract(rows, ["embedding"])["embedding"]
    for row, answer in zip(rows, statistics, strict=True):
        logs = by_hand(row)
        np.testing.assert_allclose(answer, np.concatenate([logs.mean(1), logs.var(1)]), rtol=1e-3, atol=1e-2)
