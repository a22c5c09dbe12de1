"""A torch module as an ONNX model with metadata."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_OPSET = 17  # onnxruntime 1.12 (2022) and later


def to_onnx(
    graph: nn.Module, example: Tensor, *, name: str, axes: Mapping[int, str], outputs: list[str]
) -> bytes:
    """Traces a module.

    The tracer of ``torch.jit`` is used rather than ``torch.export``'s: three seconds rather than eighty for
    ``native_mini``, equal graphs for modules that do not choose by their input, and no further package.

    Args:
        graph: in evaluation mode.
        example: an input; its sizes on ``axes`` stay free.
        name: of the input.
        axes: of the input that are free, and their names.
        outputs: their names; where the first axis of the input is free, theirs is.

    Returns:
        The model, serialised.
    """
    free: dict[str, dict[int, str]] = {name: dict(axes)}
    if 0 in axes:
        free |= {output: {0: axes[0]} for output in outputs}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        file = Path(folder) / "model.onnx"
        warnings.simplefilter("ignore")  # that the tracer is old, and that checks of lengths are not traced
        torch.onnx.export(
            graph.eval(),
            (example,),
            file,
            dynamo=False,
            opset_version=_OPSET,
            input_names=[name],
            output_names=outputs,
            dynamic_axes=free,
        )
        return file.read_bytes()


def with_metadata(model: bytes, name: str, metadata: Mapping[str, Any]) -> bytes:
    """The model with a name and properties: text as it is, anything else as JSON."""
    import onnx

    loaded = onnx.load_model_from_string(model)
    loaded.graph.name, loaded.producer_name = name, "profiling"
    said = {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for key, value in metadata.items()
    }
    onnx.helper.set_model_props(loaded, said)
    onnx.checker.check_model(loaded)
    serialised: bytes = loaded.SerializeToString()
    return serialised
