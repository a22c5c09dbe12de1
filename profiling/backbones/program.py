"""A native network as a ``torch.export`` program: batches of mixed lengths, any number of rows and samples."""

from __future__ import annotations

import copy
from typing import Any

import torch

from profiling.backbones.frontend import MIN_SAMPLES
from profiling.backbones.network import NativeNet

#: What the tracing hears: different lengths, and no size that means something by itself.
_EXAMPLE_SAMPLES = (12 * MIN_SAMPLES + 7, 9 * MIN_SAMPLES)


def export_program(net: NativeNet) -> torch.export.ExportedProgram:
    """Traces the masked forward pass once, with its batch and its time axis left open.

    The program takes (batch, samples) float32 and (batch,) lengths, as ``NativeNet.forward`` with lengths, for
    waveforms of equal length too, and gives the same dictionary. ``torch.export.save`` writes it to a file.

    Args:
        net: the network; it stays as it is. The program computes on the CPU in float32.
    """
    still = copy.deepcopy(net).cpu().float().eval().requires_grad_(False)
    lengths = torch.tensor(_EXAMPLE_SAMPLES)
    waveforms = torch.zeros(len(lengths), int(lengths.max()))
    # AUTO: bounds of our own are refused, because PyTorch does not see that min(x, 32 x) is x.
    open_axis: Any = torch.export.Dim.AUTO
    shapes = ({0: open_axis, 1: open_axis}, {0: open_axis})
    return torch.export.export(still, (waveforms, lengths), dynamic_shapes=shapes, strict=False)
