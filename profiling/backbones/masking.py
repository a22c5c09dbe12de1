"""Batches of mixed lengths without a lie: what a row computes never depends on the rows beside it.

Padding enters a convolutional network by three doors: convolutions that look over a row's end, statistics
over time, and reflection at a row's end. Each has its function here. ``padding`` is always a boolean tensor
(batch, 1, frames), True beyond a row's end, or None when all rows are equally long, which costs nothing.
Everything here is written for TorchScript as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def padding_mask(lengths: Tensor | None, size: int) -> Tensor | None:
    """Marks what lies beyond each row's end.

    Args:
        lengths: (batch,) integers, or None for equal lengths.
        size: length of the batch's time axis.

    Returns:
        (batch, 1, size) bool, True beyond the end; None for None.
    """
    if lengths is None:
        return None
    return (torch.arange(size, device=lengths.device)[None, :] >= lengths[:, None]).unsqueeze(1)


def zero_padding(x: Tensor, padding: Tensor | None) -> Tensor:
    """Zeroes what lies beyond each row's end, as a convolution alone on that row would see it.

    Args:
        x: (batch, channels, frames) or (batch, channels, bins, frames).
        padding: (batch, 1, frames) bool or None.
    """
    if padding is None:
        return x
    return x.masked_fill(padding if x.dim() == 3 else padding.unsqueeze(2), 0.0)


def zero_padding_(x: Tensor, padding: Tensor | None) -> Tensor:
    """:func:`zero_padding` in place, for a tensor nobody else needs: a sixth of a small network's time."""
    if padding is None:
        return x
    return x.masked_fill_(padding if x.dim() == 3 else padding.unsqueeze(2), 0.0)


def mean_over_time(x: Tensor, padding: Tensor | None) -> Tensor:
    """Mean over each row's own frames, in float32.

    Args:
        x: (batch, channels, frames), any floating type.
        padding: (batch, 1, frames) bool or None.

    Returns:
        (batch, channels, 1) float32.
    """
    if padding is None:
        return x.float().mean(dim=-1, keepdim=True)
    count = padding.logical_not().sum(dim=-1, keepdim=True)
    return zero_padding(x, padding).float().sum(dim=-1, keepdim=True) / count


def mean_and_variance(x: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and population variance over each row's own frames, in two passes and in float32.

    Args:
        x: (batch, channels, frames), any floating type.
        padding: (batch, 1, frames) bool or None.

    Returns:
        Two tensors (batch, channels, 1) float32; the variance is never negative.
    """
    mean = mean_over_time(x, padding)
    return mean, mean_over_time((x.float() - mean).square(), padding)


def reflection_index(lengths: Tensor, size: int, pad: int) -> Tensor:
    """Where each position of a padded row is read from, the reflection at the row's own end.

    Args:
        lengths: (batch,) at least 1 each; a single position is repeated.
        size: length of the batch's time axis.
        pad: how many positions are put before and after.

    Returns:
        (batch, size + 2 * pad) indices below the row's length. What follows ``length + 2 * pad`` is
        reflected once more and means nothing.
    """
    position = torch.arange(-pad, size + pad, device=lengths.device)[None, :].abs()
    period = (2 * (lengths[:, None] - 1)).clamp(min=1)
    folded = position % period
    return torch.minimum(folded, period - folded)


def reflect(x: Tensor, index: Tensor | None, pad: int) -> Tensor:
    """Pads the time axis by reflection.

    Args:
        x: (batch, channels, frames).
        index: from :func:`reflection_index`, or None for equal lengths above ``pad``.
        pad: frames put before and after.

    Returns:
        (batch, channels, frames + 2 * pad).
    """
    if index is None:
        return F.pad(x, [pad, pad], mode="reflect")
    return x.gather(2, index.unsqueeze(1).expand(-1, x.size(1), -1))
