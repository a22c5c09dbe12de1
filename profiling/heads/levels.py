"""Numbers as levels: a range cut into equal bins, for label distributions and ordinal regression.

The range is that of a head's train rows; nothing is assumed about ages or ratings.

- ``distribution``: a softmax over the bins, trained towards a normal density around the target, one bin wide
  (Geng, Yin, Zhou, IEEE TPAMI 35, 2013); the answer is its mean.
- ``ordinal``: CORAL (Cao, Mirjalili, Raschka, Pattern Recognition Letters 140, 2020): one score with a bias for each
  inner edge says how likely the target is above it; the answer counts the edges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.heads.losses import weighted_mean

LEVEL_LOSSES = ("distribution", "ordinal")


class Levels(nn.Module):
    """Bins between ``low`` and ``high``; a batch of heads or a single one.

    Args:
        low: (...,) smallest train target of each head, in its own unit.
        high: (...,) largest.
        bins: how many.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor, bins: int) -> None:
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.bins = bins

    @property
    def width(self) -> Tensor:
        """(...,) width of a bin."""
        return (self.high - self.low) / self.bins

    def centres(self) -> Tensor:
        """(..., bins)."""
        steps = torch.arange(self.bins, device=self.low.device) + 0.5
        return self.low[..., None] + self.width[..., None] * steps

    def edges(self) -> Tensor:
        """(..., bins - 1) inner edges."""
        steps = torch.arange(1, self.bins, device=self.low.device)
        return self.low[..., None] + self.width[..., None] * steps

    def answers(self, outputs: Tensor, loss: str) -> Tensor:
        """(..., batch, bins or bins - 1) -> (..., batch), in the target's unit."""
        if loss == "distribution":
            shares = torch.softmax(outputs, -1)
            return (shares * self.centres()[..., None, :]).sum(-1)
        above = torch.sigmoid(outputs).sum(-1)
        return self.centres()[..., :1] + self.width[..., None] * above

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor, loss: str) -> Tensor:
        """Loss per head, (heads,).

        Args:
            outputs: (heads, batch, bins) or, ``ordinal``, (heads, batch, bins - 1).
            targets: (heads, batch) in the target's unit; anything where the weight is 0.
            weights: (heads, batch) row weights.
            loss: ``distribution`` or ``ordinal``.
        """
        known = torch.where(weights > 0, targets, torch.zeros_like(targets))[..., None]
        if loss == "distribution":
            distance = (known - self.centres()[:, None]) / self.width[:, None, None]
            wanted = torch.softmax(-distance.square() / 2, -1)  # a normal density over the bins
            per_row = -(wanted * F.log_softmax(outputs, -1)).sum(-1)
        else:
            above = (known > self.edges()[:, None]).to(outputs)
            per_row = F.binary_cross_entropy_with_logits(outputs, above, reduction="none").mean(-1)
        return weighted_mean(per_row, weights)
