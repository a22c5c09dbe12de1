"""Heads of one shape over the same columns and train rows, as stacked parameters and one wide product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.heads.modules import initial_maps
from profiling.heads.scaler import Scaler
from profiling.heads.spec import HeadSpec, Layers

_DROPOUT_STREAM = 0x5EED_D0  # keeps a head's dropout apart from its initial weights, both from one seed


def group_key(spec: HeadSpec) -> tuple[object, ...]:
    """Heads with equal keys see the same standardised columns and have parameters of equal shape."""
    return (spec.layers, spec.widths, spec.fold, bool(spec.penalties))


class Group(nn.Module):
    """Several heads at once: (batch, stream dim) -> (group, batch, outputs).

    The first maps of all heads read the same columns, so they are one matrix product; later maps are a
    batched one. Gradients of different heads never mix.

    Args:
        specs: heads with equal :func:`group_key`.
        stream: (label, dim) of the columns that come in.
        members: their numbers in the bank.
    """

    members: Tensor
    rates: Tensor

    def __init__(self, specs: Sequence[HeadSpec], stream: Layers, members: Sequence[int]) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self.columns = column_slices(stream, specs[0].layers)
        self.scaler = Scaler.identity(specs[0].dim)
        maps = [initial_maps(spec) for spec in specs]
        self.weights = nn.ParameterList(
            torch.stack([w for w, _ in level]) for level in zip(*maps, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.stack([b for _, b in level]) for level in zip(*maps, strict=True)
        )
        self.register_buffer("members", torch.tensor(members))
        self.register_buffer("rates", torch.tensor([spec.dropout for spec in specs]))
        self.idle = False  # all heads frozen: no need to compute
        self._drops = any(spec.dropout for spec in specs)
        self._generators: list[torch.Generator] = []

    def forward(self, features: Tensor) -> Tensor:
        """(batch, stream dim) -> (group, batch, outputs); zeros when idle."""
        if self.idle:
            return features.new_zeros(len(self.specs), len(features), self.specs[0].widths[-1])
        rows = self.scaler(self._own(features))  # (batch, dim)
        count, width, dim = self.weights[0].shape
        wide = F.linear(rows, self.weights[0].reshape(-1, dim), self.biases[0].reshape(-1))
        hidden = wide.view(-1, count, width).transpose(0, 1)  # (group, batch, width)
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = self._dropped(torch.relu(hidden))
            hidden = torch.baddbmm(bias[:, None], hidden, weight.transpose(1, 2))
        return hidden

    def fit_scaler(self, fitted: Scaler) -> None:
        """Takes over the scaler of the group's fold, restricted to its own columns."""
        self.scaler.mean.copy_(self._own(fitted.mean[None])[0])
        self.scaler.scale.copy_(self._own(fitted.scale[None])[0])

    def head_tensors(self, position: int) -> dict[str, Tensor]:
        """One head's scaler and maps, named as in :class:`profiling.heads.modules.Head`."""
        tensors = {"scaler.mean": self.scaler.mean, "scaler.scale": self.scaler.scale}
        for level, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors[f"maps.{level}.weight"] = weight[position]
            tensors[f"maps.{level}.bias"] = bias[position]
        return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}

    def generator_states(self) -> list[Tensor]:
        """The states of the heads' generators, uint8 on the CPU; none before the first draw."""
        return [generator.get_state() for generator in self._generators]

    def restore_generators(self, states: Sequence[Tensor]) -> None:
        """Goes on drawing where :meth:`generator_states` was taken."""
        device = self.members.device
        self._generators = [torch.Generator(device) for _ in states]
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)

    def _own(self, features: Tensor) -> Tensor:
        if len(self.columns) == 1:
            return features[:, self.columns[0]]
        return torch.cat([features[:, part] for part in self.columns], dim=1)

    def _dropped(self, hidden: Tensor) -> Tensor:
        if not (self.training and self._drops):
            return hidden
        if not self._generators or self._generators[0].device != hidden.device:
            self._generators = [
                torch.Generator(hidden.device).manual_seed(spec.seed ^ _DROPOUT_STREAM) for spec in self.specs
            ]
        shape = hidden.shape[1:]
        draws = [torch.rand(shape, generator=g, device=hidden.device) for g in self._generators]
        rates = self.rates[:, None, None]
        return hidden * (torch.stack(draws) >= rates) / (1 - rates)


def column_slices(stream: Layers, layers: Layers) -> list[slice]:
    """Where a head's layers lie in the stream's columns; neighbours are merged.

    Raises:
        ValueError: a layer the stream does not have, or has with another dim.

    >>> column_slices((("gfe_1", 4), ("pool", 6), ("embedding", 2)), (("gfe_1", 4), ("pool", 6)))
    [slice(0, 10, None)]
    """
    starts, position = {}, 0
    for label, dim in stream:
        starts[(label, dim)] = position
        position += dim
    slices: list[slice] = []
    for layer in layers:
        if layer not in starts:
            raise ValueError(f"layer {layer} is not in the stream {stream}")
        start, stop = starts[layer], starts[layer] + layer[1]
        if slices and slices[-1].stop == start:
            slices[-1] = slice(slices[-1].start, stop)
        else:
            slices.append(slice(start, stop))
    return slices
