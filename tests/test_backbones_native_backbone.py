"""The native backbone: what is built from which configuration, its weights files, and real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import load_file, save_file

from profiling.backbones import native
from profiling.backbones.calibration import recipe_sha256, untrained
from profiling.backbones.checkpoint import load_weights, read_card, save_weights
from profiling.backbones.native import NativeBackbone, build_native
from profiling.backbones.network import NativeNet, architecture, mini_config
from profiling.backbones.protocol import ECAPA2_LAYERS, Backbone, Features, Waveform
from profiling.config import BackboneConfig, NativeConfig
from profiling.errors import BackboneError
from profiling.provenance import sha256_file
from profiling.resources import conf_folder

TOLERANCE = {"gfe_1": 1e-4, "gfe_2": 1e-4, "pool": 1e-4, "attention": 1e-3, "embedding": 1e-3}
LAYERS = list(ECAPA2_LAYERS)
SMALL = NativeConfig(widths=[6, 8, 8], strides=[1, 4, 4], time_stride=2)


@pytest.fixture(scope="module")
def net() -> NativeNet:
    return untrained(SMALL)


@pytest.fixture(scope="module")
def weights(net: NativeNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(net, path, {"note": "a test", "steps": 0})
    return path


@pytest.fixture(scope="module")
def mini() -> NativeBackbone:
    return build_native(BackboneConfig(name="native_mini", device="cpu", untrained=True))


def small(**changes: object) -> BackboneConfig:
    return BackboneConfig(**{"name": "native", "native": SMALL, "device": "cpu"} | changes)  # type: ignore[arg-type]


def waves(*lengths: int) -> list[Waveform]:
    random = np.random.default_rng(0)
    return [(0.1 * random.standard_normal(length)).astype(np.float32) for length in lengths]


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def assert_rows_equal_alone(backbone: Backbone, rows: list[Waveform]) -> Features:
    mixed = backbone.extract(rows, LAYERS)
    for index, row in enumerate(rows):
        alone = backbone.extract([row], LAYERS)
        for layer in LAYERS:
            assert relative(mixed[layer][index], alone[layer][0]) <= TOLERANCE[layer], (layer, index)
    return mixed


def test_the_backbone_describes_itself(mini: NativeBackbone) -> None:
    described: Backbone = mini
    assert (described.name, described.training, described.batching) == ("native_mini", "untrained", "masked")
    assert (described.device, described.precision, described.min_samples) == ("cpu", "fp32", 400)
    assert dict(described.layers) == dict(ECAPA2_LAYERS)


def test_extraction_answers_what_was_asked_in_the_networks_order(mini: NativeBackbone) -> None:
    features = mini.extract(waves(4000, 900), ["embedding", "gfe_1"])
    assert {label: (value.shape, value.dtype) for label, value in features.items()} == {
        "gfe_1": ((2, 2048), np.float32),
        "embedding": ((2, 192), np.float32),
    }
    assert list(features) == ["gfe_1", "embedding"]


@pytest.mark.parametrize(
    ("lengths", "layers", "message"),
    [
        ([4000, 320], ["pool"], "320 samples, shortest accepted is 400"),
        ([4000], ["gfe_9"], "no layer 'gfe_9'; did you mean gfe_2, gfe_1"),
        ([], ["pool"], "0 waveforms and 1 layers"),
        ([4000], [], "1 waveforms and 0 layers"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(
    mini: NativeBackbone, lengths: list[int], layers: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mini.extract(waves(*lengths), layers)


@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_low_precision_on_a_cpu_is_refused(precision: str) -> None:
    with pytest.raises(BackboneError, match=f"{precision} needs CUDA"):
        build_native(small(precision=precision))


def test_an_untrained_network_is_identified_by_its_recipe() -> None:
    first, again = build_native(small()), build_native(small())
    assert (
        first.identity() == again.identity() == {"weights_sha256": recipe_sha256(SMALL), "family": "native"}
    )
    row = waves(3000)
    assert relative(first.extract(row, LAYERS)["pool"], again.extract(row, LAYERS)["pool"]) < 1e-5
    other = NativeConfig(SMALL.widths, SMALL.strides, SMALL.time_stride, seed=1)
    assert build_native(small(native=other)).identity() != first.identity()


def test_weights_from_a_file_are_local_and_identified_by_its_bytes(weights: Path, net: NativeNet) -> None:
    backbone = build_native(small(path=str(weights)))
    assert backbone.training == "local"
    assert backbone.identity()["weights_sha256"] == sha256_file(weights)
    rows = waves(4000)
    with torch.inference_mode():
        expected = net(torch.from_numpy(rows[0])[None])
    for layer, value in backbone.extract(rows, LAYERS).items():
        assert relative(value, expected[layer].numpy()) < 5e-3, layer  # parameters rounded to fp16


def test_equal_weights_give_equal_bytes_and_the_card_comes_back(
    weights: Path, net: NativeNet, tmp_path: Path
) -> None:
    save_weights(net, tmp_path / "again.safetensors", {"steps": 0, "note": "a test"})
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()
    card = read_card(weights)
    assert (card["note"], card["steps"], card["architecture"]) == ("a test", 0, architecture(SMALL))
    loaded, tensors = load_weights(weights), load_file(weights)
    assert not loaded.training
    assert tensors["embedding.weight"].dtype == torch.float16
    assert tensors["norm.running_var"].dtype == torch.float32
    torch.testing.assert_close(loaded.norm.running_var, net.norm.running_var, rtol=0, atol=0)


def test_weights_of_another_architecture_are_refused_by_name(weights: Path) -> None:
    wider = NativeConfig(widths=[6, 8, 9], strides=[1, 4, 4], time_stride=2)
    with pytest.raises(
        BackboneError, match=r"trained with widths=\[6, 8, 8\], backbone\.native\.widths=\[6, 8, 9\]"
    ):
        build_native(small(path=str(weights), native=wider))


def test_a_path_and_untrained_exclude_each_other(weights: Path) -> None:
    with pytest.raises(BackboneError, match=r"untrained=true and backbone\.path=.*one of them"):
        build_native(small(path=str(weights), untrained=True))


def test_damaged_and_foreign_files_are_refused(weights: Path, tmp_path: Path) -> None:
    cut, foreign = tmp_path / "cut.safetensors", tmp_path / "foreign.safetensors"
    cut.write_bytes(weights.read_bytes()[:-100])
    save_file({"x": torch.zeros(2)}, foreign)
    for path, message in (
        (cut, "not a safetensors file, or cut off"),
        (foreign, "no native network of ours"),
        (tmp_path / "none.safetensors", "no such weights file"),
    ):
        with pytest.raises(BackboneError, match=message):
            load_weights(path)


def test_weights_that_fp16_cannot_hold_are_not_saved(tmp_path: Path) -> None:
    net = NativeNet(SMALL)
    with torch.no_grad():
        net.embedding.weight[0, 0] = 1e5
    with pytest.raises(BackboneError, match=r"embedding\.weight is not finite in torch\.float16"):
        save_weights(net, tmp_path / "x.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_mini_takes_the_packages_weights_once_there_are_some(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "MINI_WEIGHTS", weights)
    trained = build_native(small(name="native_mini"))
    assert (trained.training, trained.identity()["weights_sha256"]) == ("mini", sha256_file(weights))
    assert build_native(small(name="native_mini", untrained=True)).training == "untrained"
    assert build_native(small(name="native")).training == "untrained"
    monkeypatch.setattr(native, "MINI_WEIGHTS", weights.with_name("none"))
    assert build_native(small(name="native_mini")).training == "untrained"


def test_mini_yaml_and_the_packages_weights_have_minis_architecture(mini: NativeBackbone) -> None:
    text = (conf_folder() / "backbone" / "native_mini.yaml").read_text(encoding="utf-8")
    assert NativeConfig(**yaml.safe_load(text)["native"]) == mini_config()
    assert mini.identity()["weights_sha256"] == recipe_sha256(mini_config())
    if native.MINI_WEIGHTS.is_file():
        assert read_card(native.MINI_WEIGHTS)["architecture"] == architecture(mini_config())
        assert native.MINI_WEIGHTS.stat().st_size < 16e6


def test_rows_of_mixed_lengths_equal_the_same_rows_alone(mini: NativeBackbone) -> None:
    assert_rows_equal_alone(mini, waves(400, 12_345, 5_000))


@pytest.mark.data
def test_real_speech_of_mixed_lengths_equals_the_same_files_alone(mini: NativeBackbone, speech: Path) -> None:
    """Five voices; an untrained network already tells them apart, beyond what rounding could do."""
    files = sorted((speech / "emodb").rglob("*a01*.o*"))[::4][:5]
    rows = [soundfile.read(file, dtype="float32")[0] for file in files]
    assert len({len(row) for row in rows}) == len(rows) == 5
    embedding = assert_rows_equal_alone(mini, rows)["embedding"]
    distances = [relative(a, b) for i, a in enumerate(embedding) for b in embedding[:i]]
    assert min(distances) > 0.05


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("tf32", 3e-2), ("fp16", 3e-2)])
def test_cuda_equals_the_cpu_within_its_precision(
    mini: NativeBackbone, precision: str, tolerance: float
) -> None:
    config = BackboneConfig(name="native_mini", device="cuda", precision=precision, untrained=True)
    rows = waves(400, 12_345, 5_000)
    expected, features = mini.extract(rows, LAYERS), build_native(config).extract(rows, LAYERS)
    for layer in LAYERS:
        assert relative(features[layer], expected[layer]) < tolerance, layer
