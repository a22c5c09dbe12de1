"""A native network as a TorchScript file with the released ECAPA2's own call interface.

``torch.jit.load(file)(audio, label="gfe_1|pool")``: audio (batch, samples) of equal lengths, the named layers
concatenated on the last axis in the network's order.
So whatever loads ``ecapa2.pt`` can be driven without it.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from profiling.backbones.network import NativeNet
from profiling.backbones.protocol import ECAPA2_LAYERS, Training
from profiling.backbones.scripted import EXTRA_FILE
from profiling.provenance import atomic_write


class ReleasedInterface(nn.Module):
    """Answers as the released network does; no ``eval()`` or ``no_grad()`` needed by the caller."""

    def __init__(self, net: NativeNet) -> None:
        """Takes over ``net``."""
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self.order = list(ECAPA2_LAYERS)

    def forward(self, audio: Tensor, label: str = "embedding") -> Tensor:
        """Computes the labelled layers.

        Args:
            audio: (batch, samples) float32 at 16 kHz; equal lengths.
            label: layer names joined by ``|``, any order.

        Returns:
            (batch, sum of dims) in the network's order.

        Raises:
            ValueError: an unknown label, or fewer than 400 samples.
        """
        asked = label.split("|")
        for name in asked:
            if name not in self.order:
                raise ValueError(f"no layer {name}")
        with torch.no_grad():
            outputs = self.net(audio)
        parts: list[Tensor] = []
        for name in self.order:  # no comprehension: TorchScript knows none with a condition
            if name in asked:
                parts.append(outputs[name])
        return torch.cat(parts, dim=-1)


def export_torchscript(net: NativeNet, path: Path, training: Training = "untrained") -> None:
    """Writes a copy of ``net``, on the CPU and in float32, as one TorchScript file.

    Args:
        net: the network; it stays as it is.
        path: the file, replaced as a whole or not at all.
        training: what stands behind the weights; written into the file, where ``backbone=ecapa2`` finds it.
    """
    buffer = io.BytesIO()
    extra = {"training": training, "architecture": net.architecture}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is", DeprecationWarning)
        torch.jit.save(scripted(net), buffer, _extra_files={EXTRA_FILE: json.dumps(extra)})
    atomic_write(path, buffer.getvalue())


def scripted(net: NativeNet) -> torch.jit.ScriptModule:
    """A copy of ``net`` as TorchScript with the released call interface, on the CPU and in float32."""
    module = ReleasedInterface(copy.deepcopy(net).cpu().float()).eval()
    with warnings.catch_warnings():
        # Other formats are no choice: the released network exists as TorchScript only.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is", DeprecationWarning)
        script: torch.jit.ScriptModule = torch.jit.script(module)
    return script
