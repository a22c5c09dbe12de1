"""What a head sees in training beside the plain rows: mixtures of two rows, and noise, drawn by the head itself.

Every head has a generator of its own, so that what it draws is the same alone and in a bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.special import betaincinv
from torch import Tensor

from profiling.heads.spec import HeadSpec


class Mixing(NamedTuple):
    """Which rows are mixed, for every head of a bank.

    Attributes:
        share: (heads,) of the row itself, in [0, 1]; 1 for heads without mixup.
        partner: (heads, batch) position of the other row, one of the head's own train rows.
    """

    share: Tensor
    partner: Tensor


def draw_mixing(specs: Sequence[HeadSpec], generators: Sequence[torch.Generator], weights: Tensor) -> Mixing:
    """Draws one share and one permutation of its train rows for each head with mixup.

    Args:
        specs: the heads.
        generators: one for each, on the device of ``weights``.
        weights: (heads, batch) row weights, 0 outside a head's train rows.
    """
    heads, batch = weights.shape
    share = torch.ones(heads, device=weights.device)
    partner = torch.arange(batch, device=weights.device).repeat(heads, 1)
    for head, (spec, generator) in enumerate(zip(specs, generators, strict=True)):
        if spec.mixup:
            chance = float(torch.rand((), generator=generator, device=weights.device))
            share[head] = float(betaincinv(spec.mixup, spec.mixup, chance))
            own = weights[head].nonzero().squeeze(1)
            order = torch.randperm(len(own), generator=generator, device=weights.device)
            partner[head, own] = own[order]
    return Mixing(share, partner)


def mixed_rows(rows: Tensor, mixing: Mixing) -> Tensor:
    """(batch, dim) -> (heads, batch, dim)."""
    share = mixing.share[:, None, None]
    return share * rows + (1 - share) * rows[mixing.partner]


def with_noise(rows: Tensor, specs: Sequence[HeadSpec], generators: Sequence[torch.Generator]) -> Tensor:
    """(batch, dim) or (heads, batch, dim) -> (heads, batch, dim), each head's own noise added."""
    shape = rows.shape[-2:]
    drawn = [
        spec.noise * torch.randn(shape, generator=generator, device=rows.device)
        if spec.noise
        else rows.new_zeros(shape)
        for spec, generator in zip(specs, generators, strict=True)
    ]
    return rows + torch.stack(drawn)
