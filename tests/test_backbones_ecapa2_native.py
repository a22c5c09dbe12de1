"""The released loading path, driven by our own network exported as TorchScript, on real speech."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from profiling.backbones.calibration import untrained
from profiling.backbones.ecapa2 import Ecapa2
from profiling.backbones.export import export_torchscript
from profiling.backbones.network import NativeNet
from profiling.backbones.probe import TOLERANCE, relative_l2, split
from profiling.backbones.protocol import ECAPA2_LAYERS, Waveform
from profiling.config import BackboneConfig, NativeConfig

NARROW = NativeConfig(widths=[8, 8, 12, 12, 16], strides=[1, 2, 2, 2, 2])


@pytest.fixture(scope="module")
def net() -> NativeNet:
    return untrained(NARROW)


@pytest.fixture(scope="module")
def file(net: NativeNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "native.pt"
    export_torchscript(net, path)
    return path


@pytest.fixture(scope="module")
def backbone(file: Path) -> Ecapa2:
    return Ecapa2.load(BackboneConfig(path=str(file), device="cpu"), file.parent / "cache")


def test_an_exported_untrained_network_keeps_the_contract_and_says_untrained(backbone: Ecapa2) -> None:
    assert (backbone.batching, backbone.layout, backbone.min_samples) == ("equal", "mean_variance", 400)
    assert backbone.training == "untrained"


def test_a_trained_mini_network_says_mini(net: NativeNet, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_torchscript(net, tmp_path / "other.pt", training="mini")
    loaded = Ecapa2.load(BackboneConfig(path=str(tmp_path / "other.pt"), device="cpu"), tmp_path)
    assert loaded.training == "mini"


@pytest.mark.data
def test_real_speech_equals_the_card_one_by_one(backbone: Ecapa2, file: Path, speech: Path) -> None:
    recordings, card = read_some(speech), load_as_the_card(file)
    for audio in recordings:
        found = backbone.extract([audio], list(ECAPA2_LAYERS))
        for label, bound in TOLERANCE.items():
            assert relative_l2(found[label], ask(card, audio, label)) <= bound, label


@pytest.mark.data
def test_real_speech_of_equal_length_in_a_batch_equals_each_alone(backbone: Ecapa2, speech: Path) -> None:
    crops = [audio[4000:12_000] for audio in read_some(speech)]
    together = backbone.extract(crops, list(ECAPA2_LAYERS))
    for row, crop in enumerate(crops):
        alone = backbone.extract([crop], list(ECAPA2_LAYERS))
        for label, bound in TOLERANCE.items():
            assert relative_l2(together[label][row], alone[label][0]) <= bound, (row, label)


@pytest.mark.slow  # 13 minutes measured at a load of ten on two cores
@pytest.mark.timeout(1800)
@pytest.mark.data
def test_twenty_real_files_at_the_released_width(tmp_path: Path, speech: Path) -> None:
    """27.1 M parameters through the loading path; whole recordings, the shortest twenty of EmoDB."""
    file = tmp_path / "ecapa2.pt"
    export_torchscript(untrained(NativeConfig()), file)
    backbone = Ecapa2.load(BackboneConfig(path=str(file), device="cpu"), tmp_path)
    assert (backbone.batching, backbone.layout, backbone.min_samples) == ("equal", "mean_variance", 400)
    card = load_as_the_card(file)
    recordings = [
        soundfile.read(path, dtype="float32")[0] for path in sorted((speech / "emodb").rglob("*.ogg"))
    ]
    for audio in sorted(recordings, key=len)[:20]:
        found = backbone.extract([audio], list(ECAPA2_LAYERS))
        expected = split(ask(card, audio, "|".join(ECAPA2_LAYERS)), list(ECAPA2_LAYERS))
        for label, bound in TOLERANCE.items():
            assert relative_l2(found[label], expected[label]) <= bound, label


def load_as_the_card(file: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(file), map_location="cpu")


def ask(card: torch.jit.ScriptModule, audio: Waveform, label: str) -> np.ndarray:
    """The model card's own call."""
    with torch.jit.optimized_execution(False):
        return card(torch.from_numpy(audio)[None], label=label).numpy()


def read_some(speech: Path) -> list[Waveform]:
    """The first two recordings of two corpora."""
    paths = [path for corpus in ("emodb", "nemo") for path in sorted((speech / corpus).rglob("*.ogg"))[:2]]
    recordings = [soundfile.read(path, dtype="float32")[0] for path in paths]
    assert all(len(audio) > 12_000 and np.abs(audio).max() > 0.01 for audio in recordings)
    return recordings
