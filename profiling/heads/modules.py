"""One head: a scaler, affine maps with ReLU between them, and answers in the task's own unit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.errors import BundleError
from profiling.heads.layer_mix import LayerMix
from profiling.heads.levels import Levels
from profiling.heads.scaler import Scaler
from profiling.heads.spec import HeadSpec

_PIECE_ROWS = 4096  # rows predicted at a time


class Affine(nn.Module):
    """``nn.Linear`` with given weights; PyTorch's own would draw some from the global generator first.

    Args:
        weight: (out, in).
        bias: (out,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, in) -> (batch, out)."""
        if len(self.bias) == len(self.weight):
            return F.linear(values, self.weight, self.bias)
        return F.linear(values, self.weight) + self.bias  # one score, an offset for each edge


class Head(nn.Module):
    """A head with its own scaler; for regression also the scaler, or the levels, of its target.

    Args:
        spec: what it is. The weights are drawn from ``spec.seed``, the scalers are not fitted.
    """

    target: Scaler | None

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.scaler = Scaler.identity(spec.dim)
        self.target = Scaler.identity(1) if spec.kind == "regression" else None
        self.levels = Levels(torch.zeros(()), torch.ones(()), spec.bins) if spec.bins else None
        self.mix = LayerMix([spec]) if spec.architecture == "layer_mix" else None
        self.maps = nn.ModuleList(Affine(weight, bias) for weight, bias in initial_maps(spec))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, dim) -> (batch, outputs): logits, or the standardised target."""
        first, *rest = self.maps
        seen = self.scaler(features)
        hidden: Tensor = first(seen if self.mix is None else torch.relu(self.mix(seen)[0]))
        for affine in rest:
            hidden = affine(torch.relu(hidden))
        return hidden

    @torch.no_grad()
    def predict(self, features: NDArray[np.float32] | Tensor) -> NDArray[np.float32]:
        """Answers.

        Args:
            features: (n, dim) float32, the columns of ``spec.layers``.

        Returns:
            Classification: (n, classes) probabilities in the order of ``spec.labels``.
            Regression: (n,) years.

        Raises:
            ValueError: another number of columns.
        """
        rows = torch.as_tensor(features)
        if rows.ndim != 2 or rows.shape[1] != self.spec.dim:
            raise ValueError(f"features are {tuple(rows.shape)}, this head reads (n, {self.spec.dim})")
        pieces = [self.answers(piece) for piece in torch.split(rows, _PIECE_ROWS)]
        return np.concatenate([piece.cpu().numpy() for piece in pieces])

    def answers(self, features: Tensor) -> Tensor:
        """(batch, dim) -> what :meth:`predict` gives, as a tensor; what ``profiling export`` traces."""
        outputs = self(features.to(self.scaler.mean))
        if self.target is None:
            return torch.softmax(outputs, dim=-1)
        if self.levels is not None:
            return self.levels.answers(outputs, self.spec.loss)
        return self.target.inverse(outputs).squeeze(-1)


def initial_maps(spec: HeadSpec) -> list[tuple[Tensor, Tensor]]:
    """Weights (out, in) and biases (out,) of each affine map, uniform in ±1/sqrt(in), PyTorch's own range.

    Drawn on the CPU from ``spec.seed`` alone: equal on every device and in every bank.
    """
    generator = torch.Generator().manual_seed(spec.seed)

    def draw(*shape: int, bound: float) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * bound

    maps = []
    for level, (size_in, size_out) in enumerate(zip(spec.widths[:-1], spec.widths[1:], strict=True)):
        bound = 1 / math.sqrt(size_in)
        scores = 1 if spec.loss == "ordinal" and level == len(spec.widths) - 2 else size_out
        maps.append((draw(scores, size_in, bound=bound), draw(size_out, bound=bound)))
    return maps


def layer_weights(head: Head) -> dict[str, float]:
    """Layer -> its weight in a layer-mix, summing to 1; empty for other heads."""
    if head.mix is None:
        return {}
    shares = head.mix.shares()[0].detach().tolist()
    return dict(zip((label for label, _ in head.spec.layers), shares, strict=True))


def build_head(spec: HeadSpec, state: Mapping[str, Tensor]) -> Head:
    """A head with stored tensors, in evaluation mode.

    Args:
        spec: what it is.
        state: tensors by name, as ``Head.state_dict`` and ``bank.head_state`` give them.

    Raises:
        BundleError: a tensor that is missing, unknown, of another shape or not finite.
    """
    head = Head(spec)
    expected = head.state_dict()
    if odd := sorted(expected.keys() ^ state.keys()):
        raise BundleError(f"head {spec.name}: tensor {odd[0]!r} is missing or unknown")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)}, its spec says {tuple(expected[name].shape)}"
            raise BundleError(f"head {spec.name}: tensor {name!r} is {shapes}")
        if not torch.isfinite(tensor).all():
            raise BundleError(f"head {spec.name}: tensor {name!r} holds values that are not finite")
    head.load_state_dict(dict(state))
    return head.eval()
