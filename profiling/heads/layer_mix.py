"""Layer-mix: every layer projected to one width, then summed with learned softmax weights.

The weighted sum over layers of a frozen network is the usual probe of speech models (Yang et al., SUPERB,
Interspeech 2021); ECAPA2's layers have unequal widths, hence the projections. The weights say what a task reads,
as far as the projections leave their scale alone: read them with the layer study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.heads.spec import HeadSpec

# A step of AdamW is as large as the learning rate whatever the gradient, so plain logits stay near 0 in the few hundred
# steps of a small corpus and every layer keeps 1 / k: measured on emodb, 0.33, 0.34 and 0.33 after 15 epochs at 1e-3.
_GAIN = 20.0
_STREAM = 0x31A7E4  # keeps the projections apart from the maps, both drawn from one seed


class LayerMix(nn.Module):
    """(batch, dim) -> (heads, batch, project) for a stack of heads; all read the same layers.

    Args:
        specs: heads of architecture ``layer_mix`` with equal layers and projections.
    """

    def __init__(self, specs: Sequence[HeadSpec]) -> None:
        super().__init__()
        self.dims = [dim for _, dim in specs[0].layers]
        drawn = [initial_projections(spec) for spec in specs]
        stacked = [
            (torch.stack(w), torch.stack(b))
            for w, b in (_columns(level) for level in zip(*drawn, strict=True))
        ]
        self.weights = nn.ParameterList(weight for weight, _ in stacked)  # (heads, project, dim) each
        self.biases = nn.ParameterList(bias for _, bias in stacked)  # (heads, project) each
        self.logits = nn.Parameter(torch.zeros(len(specs), len(self.dims)))  # equal weights at first

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, dim), or (heads, batch, dim) where heads see rows of their own -> (heads, batch, project)."""
        shares = self.shares()
        mixed: Tensor | None = None
        for layer, (end, dim) in enumerate(zip(accumulate(self.dims), self.dims, strict=True)):
            part = rows[..., end - dim : end]
            projected = stacked_affine(part, self.weights[layer], self.biases[layer])
            weighted = shares[:, layer, None, None] * projected
            mixed = weighted if mixed is None else mixed + weighted
        if mixed is None:
            raise ValueError("a layer-mix of no layers")
        return mixed

    def shares(self) -> Tensor:
        """(heads, layers) weight of each layer; those of a head sum to 1."""
        return torch.softmax(_GAIN * self.logits, dim=1)


def stacked_affine(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Affine maps of several heads: one wide product where they share the rows, a batched one where not.

    Args:
        rows: (batch, in) shared, or (heads, batch, in).
        weight: (heads, out, in); (heads, 1, in) with several biases is one score with several offsets.
        bias: (heads, out).

    Returns:
        (heads, batch, out).
    """
    heads, out, size = weight.shape
    if rows.ndim == 2:
        wide = F.linear(rows, weight.reshape(-1, size)).view(rows.shape[0], heads, out).transpose(0, 1)
    else:
        wide = torch.bmm(rows, weight.transpose(1, 2))
    return wide + bias[:, None]


def initial_projections(spec: HeadSpec) -> list[tuple[Tensor, Tensor]]:
    """Weight (project, dim) and bias (project,) of every layer, uniform in ±1/sqrt(dim), from ``spec.seed``."""
    generator = torch.Generator().manual_seed(spec.seed ^ _STREAM)
    found = []
    for _, dim in spec.layers:
        bound = 1 / math.sqrt(dim)
        weight = (torch.rand(spec.project, dim, generator=generator) * 2 - 1) * bound
        found.append((weight, (torch.rand(spec.project, generator=generator) * 2 - 1) * bound))
    return found


def _columns(level: Sequence[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [weight for weight, _ in level], [bias for _, bias in level]
