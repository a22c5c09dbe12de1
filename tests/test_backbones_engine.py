"""``backbone.engine=native``: a TorchScript file computed by the native network, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from profiling.backbones import engine
from profiling.backbones.adoption import Source, adopt
from profiling.backbones.build import build_backbone
from profiling.backbones.calibration import untrained
from profiling.backbones.ecapa2 import Ecapa2
from profiling.backbones.engine import wanted_engine
from profiling.backbones.export import export_torchscript, scripted
from profiling.backbones.network import NativeNet
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.probe_signals import noise, voice
from profiling.backbones.protocol import ECAPA2_LAYERS, Features, Waveform
from profiling.config import BackboneConfig, NativeConfig
from profiling.errors import BackboneError
from tests.scripted_networks import save_tiny_network
from tests.variant_networks import (
    LATE_REGISTRATION,
    LYING_NAMES,
    RELU_AFTER_SUM,
    fill,
    fill_in_order,
    save,
    variant,
)

#: A shortcut, a kept residual and a block without any.
SMALL = NativeConfig(widths=[6, 6, 8], strides=[4, 1, 4])
LAYERS = list(ECAPA2_LAYERS)
SIGNALS: list[Waveform] = [0.7 * voice(6111), noise(4000), noise(400), voice(2503)]


@pytest.fixture(scope="module")
def net() -> NativeNet:
    return untrained(SMALL)


@pytest.fixture(scope="module")
def file(net: NativeNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.pt"
    export_torchscript(net, path)
    return path


def load(file: Path, cache: Path, engine: str = "native", native: NativeConfig = SMALL) -> Ecapa2:
    config = BackboneConfig(path=str(file), device="cpu", engine=engine, native=native)
    backbone = build_backbone(config, cache)
    assert isinstance(backbone, Ecapa2)
    return backbone


def alone(backbone: Ecapa2, signals: list[Waveform]) -> Features:
    rows = [backbone.extract([signal], LAYERS) for signal in signals]
    return {layer: np.concatenate([row[layer] for row in rows]) for layer in LAYERS}


def assert_same(found: Features, expected: Features) -> None:
    for layer, bound in TOLERANCE.items():
        for one, other in zip(found[layer], expected[layer], strict=True):
            assert relative_l2(one, other) <= bound, layer


def test_an_exported_file_is_computed_by_the_native_network(file: Path, tmp_path: Path) -> None:
    native, script = load(file, tmp_path), load(file, tmp_path, "torchscript")
    assert (native.engine, native.batching) == ("native", "masked")
    assert (script.engine, script.batching) == ("torchscript", "equal")
    assert_same(native.extract(SIGNALS, LAYERS), alone(script, SIGNALS))  # mixed lengths in one batch


def test_the_engine_is_not_in_the_key(file: Path, tmp_path: Path) -> None:
    native, script = load(file, tmp_path), load(file, tmp_path, "torchscript")
    assert native.identity() == script.identity()
    assert (native.name, native.training, native.notice) == ("ecapa2", "untrained", script.notice)


@pytest.mark.parametrize(
    ("edits", "order"),
    [(LYING_NAMES, "registration"), (LATE_REGISTRATION, "use"), (LATE_REGISTRATION + LYING_NAMES, "use")],
)
def test_names_and_the_order_of_registration_do_not_matter(
    net: NativeNet, tmp_path: Path, edits: list[tuple[str, str]], order: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = variant(tmp_path, [e for e in edits if e in LATE_REGISTRATION], SMALL)
    fill(other, net)
    if edits != LATE_REGISTRATION:
        other = fill_in_order(variant(tmp_path, edits, SMALL), other)
        assert sum(name in net.state_dict() for name in other.state_dict()) < len(other.state_dict())
    path = save(other, tmp_path / "other.pt")
    caplog.set_level("INFO", logger="profiling")
    native = load(path, tmp_path / "cache")
    assert native.engine == "native"
    assert f"copied by order of {order}" in caplog.text
    assert_same(native.extract(SIGNALS, LAYERS), alone(load(path, tmp_path, "torchscript"), SIGNALS))


def test_another_computation_of_the_same_shapes_is_refused(net: NativeNet, tmp_path: Path) -> None:
    path = save(fill(variant(tmp_path, RELU_AFTER_SUM, SMALL), net), tmp_path / "relu.pt")
    backbone, script = load(path, tmp_path), load(path, tmp_path, "torchscript")
    assert (backbone.engine, backbone.batching) == ("torchscript", "equal")
    assert backbone.notice is not None
    assert "backbone.engine=native is refused, TorchScript computes: gfe_1 is " in backbone.notice
    assert "from the file's on 8000 samples, allowed 1e-04" in backbone.notice
    for signal in SIGNALS:
        found, expected = backbone.extract([signal], LAYERS), script.extract([signal], LAYERS)
        assert all(np.array_equal(found[layer], expected[layer]) for layer in LAYERS)


@pytest.mark.parametrize(
    ("widths", "strides", "layer"),
    [
        ([6, 6, 9], [4, 1, 4], "12 of 33, of shapes 9x6x3x3 9 "),
        ([6, 6], [4, 1], "12 of 27, of shapes 1024x384x1 "),
    ],
)
def test_another_architecture_is_refused_by_its_shapes(
    net: NativeNet, tmp_path: Path, widths: list[int], strides: list[int], layer: str
) -> None:
    path = save(net, tmp_path / "silent.pt")  # ours say their architecture, this one does not
    backbone = load(path, tmp_path, native=NativeConfig(widths=widths, strides=strides))
    assert backbone.engine == "torchscript"
    assert f"TorchScript computes: it has no tensors left for layer {layer}" in str(backbone.notice)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    backbone = load(save_tiny_network(tmp_path / "tiny.pt"), tmp_path)
    assert backbone.engine == "torchscript"
    assert "it has no tensors left for layer 1 of" in str(backbone.notice)


def test_tensors_without_a_place_are_refused(net: NativeNet) -> None:
    file = scripted(NativeNet(NativeConfig(widths=[6, 6, 8, 8], strides=[4, 1, 4, 1])))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(BackboneError, match=r"18 of its tensors have no place, as one of shape "):
        adopt(net, Source(file), "registration")
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


class TestMemory:
    def test_a_second_start_compares_the_shortest_signal_only(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[list[int]] = []
        original = engine._difference
        monkeypatch.setattr(
            engine,
            "_difference",
            lambda *given: compared.append([len(s) for s in given[3]]) or original(*given),
        )
        load(file, tmp_path)
        load(file, tmp_path)
        assert compared == [[8000, 5003, 1601, 400], [400]]

    def test_a_refusal_is_remembered_with_its_reason(
        self, net: NativeNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = save(fill(variant(tmp_path, RELU_AFTER_SUM, SMALL), net), tmp_path / "relu.pt")
        first = load(path, tmp_path)
        monkeypatch.setattr(engine, "_first_equal", lambda *_: pytest.fail("compared again"))
        assert load(path, tmp_path).notice == first.notice

    def test_a_remembered_order_that_no_longer_holds_is_measured_again(
        self, file: Path, tmp_path: Path
    ) -> None:
        load(file, tmp_path)
        (memory,) = (tmp_path / "engines").glob("*.json")
        memory.write_text(memory.read_text().replace('"registration"', '"alphabet"'))
        assert load(file, tmp_path).engine == "native"
        assert '"registration"' in memory.read_text()


@pytest.mark.parametrize(
    ("asked", "device", "engine"),
    [
        ("auto", "cpu", "torchscript"),
        ("auto", "cuda:1", "native"),
        ("native", "cpu", "native"),
        ("torchscript", "cuda", "torchscript"),
    ],
)
def test_auto_is_native_where_batches_pay(asked: str, device: str, engine: str) -> None:
    assert wanted_engine(asked, device) == engine


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_on_cuda_mixed_lengths_share_a_batch(file: Path, tmp_path: Path, precision: str) -> None:
    config = BackboneConfig(path=str(file), device="cuda", engine="native", precision=precision, native=SMALL)
    native = build_backbone(config, tmp_path)
    assert isinstance(native, Ecapa2)
    assert native.engine == "native"
    found, expected = native.extract(SIGNALS, LAYERS), alone(load(file, tmp_path, "torchscript"), SIGNALS)
    for layer, bound in TOLERANCE.items():
        allowed = bound * (1 if precision == "fp32" else 100)
        assert relative_l2(found[layer], expected[layer]) <= allowed, layer
