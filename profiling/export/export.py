"""From a bundle to an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from profiling import __version__
from profiling.audio import SAMPLE_RATE_HZ
from profiling.backbones.build import build_backbone
from profiling.backbones.ecapa2 import Ecapa2
from profiling.backbones.native import NativeBackbone, NativeNet
from profiling.backbones.protocol import Backbone
from profiling.bundle import Bundle
from profiling.card import misuse
from profiling.errors import ExportError
from profiling.export.check import check_head, check_waveform, features_like_training
from profiling.export.graph import HeadGraph, WaveformGraph
from profiling.export.onnx_file import to_onnx, with_metadata
from profiling.heads.modules import build_head
from profiling.predict.calibrated import Calibration
from profiling.predict.loading import backbone_config, default_cache
from profiling.predict.profiler import Profiler
from profiling.provenance import atomic_write, signature

_TRACED_SAMPLES = SAMPLE_RATE_HZ
_NETWORKS = ("native", "native_mini", "ecapa2")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        num_bytes: of it.
        inputs: name -> shape.
        outputs: names.
        differences: what was compared in onnxruntime -> largest difference.
    """

    path: Path
    num_bytes: int
    inputs: dict[str, str]
    outputs: list[str]
    differences: dict[str, float]


def export_head(bundle: Bundle, path: Path) -> Exported:
    """Writes the head: ``features`` (batch, dim) float32, raw, to the answer.

    Raises:
        ExportError: what onnxruntime computes differs, or the file exists.
    """
    _check_free(path)
    graph = _head_graph(bundle)
    example = features_like_training(graph.head, 2)
    traced = to_onnx(graph, example, name="features", axes={0: "batch"}, outputs=graph.outputs)
    metadata = _metadata(bundle, {"features": ["batch", bundle.spec.head.dim]})
    model = with_metadata(traced, f"profiling_{bundle.spec.task['name']}", metadata)
    worst = check_head(model, graph)
    atomic_write(path, model)
    shape = f"(batch, {bundle.spec.head.dim}) float32"
    return Exported(path, len(model), {"features": shape}, graph.outputs, {"answers": worst})


def export_waveform(bundle: Bundle, path: Path) -> Exported:
    """Writes everything: ``waveform`` (1, samples) float32 at 16 kHz to the answer and the features.

    Raises:
        ExportError: the backbone is no network, or a TorchScript file that ours does not reproduce; training changed
            the recordings; what onnxruntime computes differs; or the file exists.
        BundleError, BackboneError: the backbone cannot be loaded or is not the one of training.
    """
    _check_free(path)
    _check_exportable(bundle)
    backbone, net = _native(bundle)
    profiler = Profiler(bundle, backbone)
    answer = _head_graph(bundle)
    graph = WaveformGraph(net, answer, profiler.layers, profiler.dtype == "float16")
    example = torch.zeros(1, _TRACED_SAMPLES)
    traced = to_onnx(graph, example, name="waveform", axes={1: "samples"}, outputs=graph.outputs)
    metadata = _metadata(bundle, {"waveform": [1, "samples"]}) | {
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "min_samples": backbone.min_samples,
        "max_duration_s": profiler.audio.max_duration_s,
        "longer": "cut into equal windows of at most max_duration_s, average their features weighted by duration, "
        "and give the mean to the head (profiling export without --waveform)",
    }
    model = with_metadata(traced, f"profiling_{bundle.spec.task['name']}", metadata)
    worst = check_waveform(model, graph, backbone, profiler.layers)
    atomic_write(path, model)
    return Exported(path, len(model), {"waveform": "(1, samples) float32, 16 kHz"}, graph.outputs, worst)


def _native(bundle: Bundle) -> tuple[Backbone, NativeNet]:
    """The backbone on the CPU and the network that computes it.

    The file of ``ecapa2`` is TorchScript, whose graph cannot be exported; where our network measurably computes the
    same, it is exported in its place, whichever of the two the bundle was trained with.
    """
    config = replace(backbone_config(bundle, "cpu"), engine="native")
    backbone = build_backbone(config, default_cache())
    if isinstance(backbone, NativeBackbone):
        return backbone, backbone.net
    if isinstance(backbone, Ecapa2) and backbone.net is not None:
        return backbone, backbone.net
    raise ExportError(f"{getattr(backbone, 'notice', None) or backbone.name}; {_HEAD_ALONE}")


_HEAD_ALONE = "export the head alone, without --waveform"


def _check_exportable(bundle: Bundle) -> None:
    name = bundle.spec.backbone["name"]
    if name not in _NETWORKS:
        raise ExportError(f"backbone {name} is no network of {', '.join(_NETWORKS)}; {_HEAD_ALONE}")
    if steps := bundle.spec.audio.get("perturb"):
        raise ExportError(
            f"the head was trained on recordings after {', '.join(steps)}; a graph cannot do that to a waveform: "
            f"{_HEAD_ALONE}"
        )


def _check_free(path: Path) -> None:
    if path.exists():
        raise ExportError(f"{path} exists already; name another file, or remove it")
    if not path.absolute().parent.is_dir():
        raise ExportError(f"{path.parent} is no folder; make it, or name another file")


def _head_graph(bundle: Bundle) -> HeadGraph:
    head = build_head(bundle.spec.head, bundle.state)
    return HeadGraph(head, Calibration.of(bundle).temperature)


def _metadata(bundle: Bundle, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a reader of the file alone has to know."""
    spec = bundle.spec
    return {
        "task": str(spec.task["name"]),
        "labels": list(spec.head.labels),
        "unit": str(spec.task["unit"]),
        "layers": [list(layer) for layer in spec.head.layers],
        "inputs": inputs,
        "backbone": str(spec.backbone["name"]),
        "backbone_training": spec.backbone_training,
        "feature_key": spec.feature_key,
        "feature_key_sha256": signature(spec.feature_key),
        "calibration": spec.calibration,
        "licences": spec.licences,
        "citations": spec.citations,
        "not_for": misuse(str(spec.task["name"])),
        "profiler": bundle.signature,
        "profiling_version": __version__,
    }
