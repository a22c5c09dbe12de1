"""ONNX files against the heads and networks they came from, and what cannot be exported."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from profiling.backbones.build import build_backbone
from profiling.backbones.calibration import untrained
from profiling.backbones.engine import Twin
from profiling.backbones.export import export_torchscript
from profiling.backbones.frontend import LogSpectrogram
from profiling.backbones.native import NativeBackbone
from profiling.backbones.network import NativeNet
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.bundle import Bundle, ProfilerSpec, Seen, read_bundle
from profiling.config import AudioConfig, BackboneConfig, NativeConfig, StoreConfig
from profiling.errors import ExportError
from profiling.export.check import check_head, check_waveform, features_like_training, session_of
from profiling.export.export import export_head, export_waveform
from profiling.export.graph import DftSpectrogram, HeadGraph, WaveformGraph
from profiling.export.onnx_file import to_onnx
from profiling.features.extract import feature_key
from profiling.heads.modules import Head, build_head
from profiling.heads.spec import HeadSpec
from profiling.predict.loading import default_bundles
from tests.recordings import speechlike
from tests.trained import call

LAYERS = (("gfe_1", 40), ("embedding", 24))
LABELS = ("anger", "joy", "neutral")


def head_of(**settings: object) -> Head:
    """A head with scalers as after training."""
    head = Head(HeadSpec(layers=LAYERS, **settings)).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    head.scaler.mean.copy_(torch.randn(head.spec.dim, generator=generator) * 3)
    head.scaler.scale.copy_(torch.rand(head.spec.dim, generator=generator) + 0.1)
    if head.target is not None:
        head.target.mean.fill_(41.0)
        head.target.scale.fill_(13.0)
    if head.levels is not None:
        head.levels.low.fill_(4.0)
        head.levels.high.fill_(80.0)
    return head


HEADS = {
    "linear": {"architecture": "linear", "labels": LABELS},
    "mlp": {"architecture": "mlp", "labels": LABELS, "hidden": (16, 8), "dropout": 0.3},
    "layer_mix": {"architecture": "layer_mix", "labels": LABELS, "project": 8},
    "age": {"architecture": "linear", "loss": "l1"},
    "distribution": {"architecture": "mlp", "hidden": (16,), "loss": "distribution", "bins": 12},
    "ordinal": {"architecture": "linear", "loss": "ordinal", "bins": 9},
}


@pytest.mark.parametrize("name", HEADS)
def test_every_kind_of_head_gives_the_same_numbers(name: str) -> None:
    head = head_of(**HEADS[name])
    graph = HeadGraph(head, None).eval()
    model = to_onnx(graph, torch.zeros(2, 64), name="features", axes={0: "batch"}, outputs=graph.outputs)
    assert check_head(model, graph) <= 1e-6
    for rows in (1, 7):
        features = features_like_training(head, rows).numpy()
        (found,) = session_of(model).run(None, {"features": features})
        expected = head.predict(features)
        assert found.shape == expected.shape
        np.testing.assert_allclose(
            found, expected, rtol=1e-5 if "labels" not in HEADS[name] else 0, atol=1e-6
        )


def test_the_temperature_is_inside() -> None:
    head = head_of(**HEADS["linear"])
    graph = HeadGraph(head, 1.7).eval()
    model = to_onnx(graph, torch.zeros(2, 64), name="features", axes={0: "batch"}, outputs=graph.outputs)
    features = features_like_training(head, 5)
    calibrated, own = session_of(model).run(["probabilities", "uncalibrated"], {"features": features.numpy()})
    with torch.no_grad():
        logits = head(features).double().numpy()
    by_hand = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(1, keepdims=True)
    np.testing.assert_allclose(calibrated, by_hand, atol=2e-6)
    np.testing.assert_allclose(own, head.predict(features), atol=1e-6)


def test_a_model_that_differs_is_not_written() -> None:
    graph = HeadGraph(head_of(**HEADS["linear"]), None).eval()
    model = to_onnx(graph, torch.zeros(2, 64), name="features", axes={0: "batch"}, outputs=graph.outputs)
    graph.head.maps[0].bias.data[0] += 1e-3
    with pytest.raises(ExportError, match="differs from its bundle"):
        check_head(model, graph)


def test_the_convolution_is_the_fourier_transform() -> None:
    signals = torch.from_numpy(np.stack([speechlike(0.5), speechlike(0.5, seed=1)]))
    expected, found = LogSpectrogram()(signals)[0], DftSpectrogram(True)(signals)[0]
    assert relative_l2(found.numpy(), expected.numpy()) < 1e-5
    reference = np.fft.rfft(
        np.pad(np.hamming(401)[:400], (55, 56)) * np.pad(signals[0].numpy(), 255, "reflect")[1600:2111]
    )
    power = DftSpectrogram(False)(signals)[0][0, 0, :, 10].exp().numpy() - 1e-6
    np.testing.assert_allclose(power, np.abs(reference) ** 2, rtol=1e-3, atol=1e-6)


@pytest.fixture(scope="module")
def voice_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    """The shipped gender bundle, from the waveform."""
    path = tmp_path_factory.mktemp("onnx") / "voice.onnx"
    bundle = read_bundle(next(one for one in default_bundles() if one.name == "gender"))
    export_waveform(bundle, path)
    return path, bundle


def test_a_waveform_of_any_length_is_answered_as_predict_does(
    voice_model: tuple[Path, Bundle], tmp_path: Path
) -> None:
    from profiling.predict import Profiler

    path, bundle = voice_model
    session = session_of(path.read_bytes())
    profiler = Profiler.from_pretrained(bundle.folder, cache=tmp_path)
    for number, seconds in enumerate((0.025, 0.31, 1.0, 2.7)):
        heard = speechlike(seconds, seed=number)
        found = session.run(None, {"waveform": heard[None]})
        names = [output.name for output in session.get_outputs()]
        row = dict(zip(names, found, strict=True))
        answer = profiler(heard, 16_000)
        labels = list(bundle.spec.head.labels)
        expected = [answer.probabilities[label] for label in labels]
        np.testing.assert_allclose(row["probabilities"][0], expected, atol=1e-4)
        layers = profiler.embed(heard, 16_000, profiler.layers)
        wanted = np.concatenate([layers[layer] for layer in profiler.layers])
        assert relative_l2(row["features"][0], wanted) < 1e-3


def test_all_layers_of_a_native_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = NativeNet(NativeConfig(widths=[4, 6], strides=[4, 4], time_stride=2)).eval()
    backbone = NativeBackbone(net, "0" * 64, "untrained")
    head = Head(HeadSpec("linear", tuple(ECAPA2_LAYERS.items()), LABELS)).eval()
    graph = WaveformGraph(backbone.net, HeadGraph(head, None), list(ECAPA2_LAYERS), rounded=False).eval()
    model = to_onnx(graph, torch.zeros(1, 8000), name="waveform", axes={1: "samples"}, outputs=graph.outputs)
    differences = check_waveform(model, graph, backbone, list(ECAPA2_LAYERS))
    assert all(differences[layer] <= TOLERANCE[layer] for layer in ECAPA2_LAYERS)
    with torch.no_grad():
        graph.net.gfe_1.bias[0] += 0.1
    spoilt = to_onnx(graph, torch.zeros(1, 8000), name="waveform", axes={1: "samples"}, outputs=graph.outputs)
    with pytest.raises(ExportError, match="gfe_1 of the exported network differs"):
        check_waveform(spoilt, graph, NativeBackbone(net, "0" * 64, "untrained"), list(ECAPA2_LAYERS))


def test_metadata_says_what_the_file_is(tmp_path: Path, voice_model: tuple[Path, Bundle]) -> None:
    bundle = voice_model[1]
    said = call("export", str(bundle.folder), "--to", str(tmp_path / "head.onnx"))
    assert said.code == 0, said.err
    assert "in: features (batch," in said.err
    model = onnx.load(tmp_path / "head.onnx")
    found = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(found["labels"]) == list(bundle.spec.head.labels)
    assert json.loads(found["feature_key"]) == bundle.spec.feature_key
    assert json.loads(found["licences"]) == bundle.spec.licences
    assert found["profiler"] == bundle.signature
    assert found["backbone_training"] == bundle.spec.backbone_training
    whole = {prop.key: prop.value for prop in onnx.load(voice_model[0]).metadata_props}
    assert (whole["sample_rate_hz"], whole["max_duration_s"]) == ("16000", "30.0")
    rows = features_like_training(build_head(bundle.spec.head, bundle.state), 3).numpy()
    names = ["probabilities"]
    (shares,) = session_of((tmp_path / "head.onnx").read_bytes()).run(names, {"features": rows})
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)


def changed(bundle: Bundle, **fields: object) -> Bundle:
    spec: ProfilerSpec = replace(bundle.spec, **fields)  # type: ignore[arg-type]
    return Bundle(bundle.folder, spec, bundle.state, Seen(frozenset(), frozenset()), bundle.signature)


@pytest.mark.parametrize("flaw", [None, "order"])
def test_a_torchscript_file_is_exported_as_the_native_network_that_computes_the_same(
    voice_model: tuple[Path, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flaw: str | None
) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(tmp_path / "cache"))
    native = NativeConfig(widths=[4, 6], strides=[4, 4], time_stride=2)
    torch.manual_seed(0)
    file = tmp_path / "other.pt"
    export_torchscript(untrained(native), file, "mini")
    config = BackboneConfig(name="ecapa2", path=str(file), native=native, device="cpu")
    if flaw:
        monkeypatch.setattr("profiling.backbones.ecapa2.find_twin", lambda *_: Twin(None, "too different"))
    key = feature_key(build_backbone(config, tmp_path / "cache"), AudioConfig(), StoreConfig()).fields()
    section = {name: value for name, value in asdict(config).items() if name != "device"}
    bundle = changed(voice_model[1], backbone=section, feature_key=key)
    if flaw:
        with pytest.raises(ExportError, match=r"native is refused.*too different.*without --waveform"):
            export_waveform(bundle, tmp_path / "a.onnx")
        return
    done = export_waveform(bundle, tmp_path / "a.onnx")
    assert done.differences["embedding"] <= TOLERANCE["embedding"]


def test_what_cannot_be_exported_says_why(tmp_path: Path, voice_model: tuple[Path, Bundle]) -> None:
    path, mini = voice_model
    with pytest.raises(ExportError, match="exists already"):
        export_head(mini, path)
    with pytest.raises(ExportError, match="no folder"):
        export_head(mini, tmp_path / "nothing" / "a.onnx")
    disturbed = changed(mini, audio={**mini.spec.audio, "perturb": ["telephone"]})
    with pytest.raises(ExportError, match="after telephone"):
        export_waveform(disturbed, tmp_path / "a.onnx")
    signal = changed(mini, backbone={**mini.spec.backbone, "name": "spectral_stats"})
    with pytest.raises(ExportError, match="spectral_stats is no network"):
        export_waveform(signal, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    said = call("export", "run", "--to", "a.onnx")
    assert said.code == 2
    assert "onnx not installed; pip install profiling[onnx]" in said.err
