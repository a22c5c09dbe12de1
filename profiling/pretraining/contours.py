"""Channels of the network that are asked to follow a contour of the voice, each contour many times.

``gfe_1`` and ``pool`` hand out the mean and variance of every channel over time, ``attention`` a weighted mean
and standard deviation. A channel that follows the pitch therefore hands out its mean and its spread; the
attention of such a channel learns to look where there is pitch. Nothing but its contour moves such a channel:
the layers behind it hear it, and send no gradient back (with it, the speakers' loss pulled the channels away).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from profiling.backbones.frame_level import POOLED_CHANNELS
from profiling.backbones.network import NativeNet
from profiling.pretraining.prosody import CONTOURS, Prosody

#: Layer -> how often each contour is asked of its first channels (16 contours): a quarter of the channels.
COPIES = {"gfe_1": 16, "pool": 24}
OFFSET = 3.0  # the channels follow contour + 3, because ReLUs come behind them and contours reach down to -3


class Contours(nn.Module):
    """Watches a network's frame-level layers and says how far the asked channels are from the contours.

    Holds no parameters; the watched frames are those of the last forward pass.
    """

    def __init__(self, net: NativeNet) -> None:
        super().__init__()
        self._seen: dict[str, Tensor] = {}
        for name, copies in COPIES.items():
            layer = getattr(net, name)
            layer.register_forward_hook(self._keep(name))
            with torch.no_grad():
                layer.bias[: copies * len(CONTOURS)] = OFFSET

    def frames(self, prosody: Prosody, alone: Tensor) -> Tensor:
        """Loss of the frames of both layers: a sum over contours, a mean over copies and frames.

        Args:
            prosody: targets of the clean crops, (batch, contours, frames).
            alone: (batch,) 1 where a crop has one speaker; others do not count.
        """
        losses = []
        for name, copies in COPIES.items():
            told = self._seen[name][:, : copies * len(CONTOURS)].float()  # (batch, copies * contours, frames)
            wanted = prosody.contours.repeat(1, copies, 1) + OFFSET
            rows = F.smooth_l1_loss(told, wanted, reduction="none").mean(dim=(1, 2)) * len(CONTOURS)
            losses.append((rows * alone).sum() / alone.sum().clamp(min=1))
        return torch.stack(losses).sum()

    def pooled(self, attention: Tensor, prosody: Prosody, alone: Tensor) -> Tensor:
        """Loss of the attention's weighted means and deviations, (batch, 3072), against the statistics."""
        asked = COPIES["pool"] * len(CONTOURS)
        means, deviations = attention[:, :asked], attention[:, POOLED_CHANNELS : POOLED_CHANNELS + asked]
        told = torch.stack([means - OFFSET, deviations], dim=1).reshape(len(attention), 2, COPIES["pool"], -1)
        return known_loss(told.transpose(1, 2).flatten(2), prosody.statistics[:, None], alone)

    def _keep(self, name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            asked = COPIES[name] * len(CONTOURS)
            self._seen[name] = output
            return torch.cat([output[:, :asked].detach(), output[:, asked:]], dim=1)

        return hook


def known_loss(told: Tensor, wanted: Tensor, alone: Tensor) -> Tensor:
    """Mean smooth L1 over what is known of crops with one speaker.

    Args:
        told: (batch, ..., statistics).
        wanted: broadcast to ``told``; NaN where unknown.
        alone: (batch,) 1 or 0.
    """
    wanted = wanted.expand_as(told)
    known = torch.isfinite(wanted) & (alone == 1).reshape(-1, *[1] * (told.dim() - 1))
    errors = F.smooth_l1_loss(told, torch.where(known, wanted, told.detach()), reduction="sum")
    return errors / known.sum().clamp(min=1)
