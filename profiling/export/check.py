"""Is an ONNX model the torch module it came from? Asked in onnxruntime before the file is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.probe_signals import noise, voice
from profiling.errors import ExportError
from profiling.export.graph import HeadGraph, WaveformGraph
from profiling.heads.modules import Head

Array = NDArray[np.float32]

#: Largest difference of a probability, and of a number relative to the spread of its training rows' answers.
HEAD_TOLERANCE = 1e-6
_ROWS = 64
#: Samples: the shortest that a network takes, odd ones, and more than was traced.
_LENGTHS = (400, 401, 16_000, 50_001)


def session_of(model: bytes) -> Any:
    """An onnxruntime session on the CPU, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_head(model: bytes, graph: HeadGraph) -> float:
    """Compares on rows spread as those of training.

    Returns:
        The largest difference; for numbers relative to their size.

    Raises:
        ExportError: it is above :data:`HEAD_TOLERANCE`.
    """
    rows = features_like_training(graph.head, _ROWS)
    found = session_of(model).run(graph.outputs, {"features": rows.numpy()})
    with torch.no_grad():
        expected = [output.numpy() for output in graph(rows)]
    worst = max(_difference(one, other) for one, other in zip(found, expected, strict=True))
    if not worst <= HEAD_TOLERANCE:
        raise ExportError(
            f"the exported head differs from its bundle by {worst:.1e} (at most {HEAD_TOLERANCE:g})"
        )
    return worst


def features_like_training(head: Head, rows: int) -> torch.Tensor:
    """(rows, dim): each column with the mean and spread of the head's training rows, the same each time."""
    drawn = torch.randn(rows, head.spec.dim, generator=torch.Generator().manual_seed(0))
    return drawn * head.scaler.scale + head.scaler.mean


def check_waveform(
    model: bytes, graph: WaveformGraph, reference: Any, layers: Sequence[str]
) -> dict[str, float]:
    """Compares the features of generated voices and noise of several lengths with the backbone's own.

    Args:
        model: exported.
        graph: what it was exported from.
        reference: the backbone.
        layers: in the order of the features.

    Returns:
        Layer -> largest relative L2.

    Raises:
        ExportError: a layer differs by more than two computations of it may.
    """
    session = session_of(model)
    worst = dict.fromkeys(layers, 0.0)
    for signal in (kind(length) for length in _LENGTHS for kind in (voice, noise)):
        found = session.run(["features"], {"waveform": signal[None]})[0][0]
        expected = reference.extract([signal], layers)
        for layer, part in zip(layers, np.split(found, _ends(expected, layers)), strict=True):
            worst[layer] = max(worst[layer], relative_l2(part, _rounded(expected[layer][0], graph.rounded)))
    for layer, difference in worst.items():
        if not difference <= TOLERANCE[layer]:
            raise ExportError(
                f"{layer} of the exported network differs by {difference:.1e} (at most {TOLERANCE[layer]:g})"
            )
    return worst


def _ends(expected: dict[str, Array], layers: Sequence[str]) -> list[int]:
    return list(np.cumsum([expected[layer].shape[1] for layer in layers])[:-1])


def _rounded(vector: Array, half: bool) -> Array:
    return vector.astype(np.float16).astype(np.float32) if half else vector


def _difference(one: Array, other: Array) -> float:
    return float(np.max(np.abs(one - other) / np.maximum(1.0, np.abs(other))))
