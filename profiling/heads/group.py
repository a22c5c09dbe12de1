"""Heads of one shape over the same columns and train rows, as stacked parameters and one wide product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from profiling.heads.augment import Mixing, draw_mixing, mixed_rows, with_noise
from profiling.heads.layer_mix import LayerMix, stacked_affine
from profiling.heads.modules import initial_maps
from profiling.heads.scaler import Scaler
from profiling.heads.spec import HeadSpec, Layers

_DROPOUT_STREAM = (
    0x5EED_D0  # keeps what a head draws in training apart from its initial weights, both from one seed
)


def group_key(spec: HeadSpec) -> tuple[object, ...]:
    """Heads with equal keys see the same standardised columns and have parameters of equal shape."""
    kind = (spec.architecture == "layer_mix", spec.loss == "ordinal", spec.augmented, bool(spec.penalties))
    return (spec.layers, spec.widths, spec.fold, *kind)


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
        self.mix = LayerMix(specs) if specs[0].architecture == "layer_mix" else None
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

    def forward(self, features: Tensor, mixing: Mixing | None = None) -> Tensor:
        """(batch, stream dim) -> (group, batch, outputs); zeros when idle. ``mixing`` is the whole bank's."""
        return self.nothing(features) if self.idle else self.outputs(self.trunk(features, mixing))

    def trunk(self, features: Tensor, mixing: Mixing | None = None) -> Tensor:
        """(batch, stream dim) -> what the last map reads: (batch, width), or (group, batch, width)."""
        rows = self._seen(self.scaler(self.own(features)), mixing)  # (batch, dim) or (group, batch, dim)
        if self.mix is not None:
            rows = self._dropped(torch.relu(self.mix(rows)))
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            rows = self._dropped(torch.relu(stacked_affine(rows, weight, bias)))
        return rows

    def outputs(self, hidden: Tensor) -> Tensor:
        """What :meth:`trunk` gives -> (group, batch, outputs)."""
        return stacked_affine(hidden, self.weights[-1], self.biases[-1])

    def nothing(self, features: Tensor) -> Tensor:
        """(group, batch, outputs) zeros, for heads that are all frozen."""
        return features.new_zeros(len(self.specs), len(features), self.specs[0].widths[-1])

    def draw_mixing(self, weights: Tensor) -> Mixing:
        """Which rows are mixed in this step; (group, batch) row weights of the group's heads."""
        return draw_mixing(self.specs, self._draws(weights.device), weights)

    def fit_scaler(self, fitted: Scaler) -> None:
        """Takes over the scaler of the group's fold, restricted to its own columns."""
        self.scaler.mean.copy_(self.own(fitted.mean[None])[0])
        self.scaler.scale.copy_(self.own(fitted.scale[None])[0])

    def head_tensors(self, position: int) -> dict[str, Tensor]:
        """One head's scaler and maps, named as in :class:`profiling.heads.modules.Head`."""
        tensors = {"scaler.mean": self.scaler.mean, "scaler.scale": self.scaler.scale}
        for level, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors[f"maps.{level}.weight"] = weight[position]
            tensors[f"maps.{level}.bias"] = bias[position]
        if self.mix is not None:
            tensors |= {f"mix.{name}": tensor[position, None] for name, tensor in self.mix.named_parameters()}
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

    def own(self, features: Tensor) -> Tensor:
        """(n, stream dim) -> (n, dim): the columns of the group's layers."""
        if len(self.columns) == 1:
            return features[:, self.columns[0]]
        return torch.cat([features[:, part] for part in self.columns], dim=1)

    def _seen(self, rows: Tensor, mixing: Mixing | None) -> Tensor:
        """What the heads see of (batch, dim) in training."""
        if not (self.training and self.specs[0].augmented):
            return rows
        if mixing is not None:
            rows = mixed_rows(rows, Mixing(mixing.share[self.members], mixing.partner[self.members]))
        return with_noise(rows, self.specs, self._draws(rows.device))

    def _dropped(self, hidden: Tensor) -> Tensor:
        if not (self.training and self._drops):
            return hidden
        shape = hidden.shape[1:]
        draws = [
            torch.rand(shape, generator=generator, device=hidden.device)
            if spec.dropout
            else hidden.new_ones(shape)
            for spec, generator in zip(self.specs, self._draws(hidden.device), strict=True)
        ]
        rates = self.rates[:, None, None]
        return hidden * (torch.stack(draws) >= rates) / (1 - rates)

    def _draws(self, device: torch.device) -> list[torch.Generator]:
        """A generator for each head, on the device."""
        if not self._generators or self._generators[0].device != device:
            self._generators = [
                torch.Generator(device).manual_seed(spec.seed ^ _DROPOUT_STREAM) for spec in self.specs
            ]
        return self._generators


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
