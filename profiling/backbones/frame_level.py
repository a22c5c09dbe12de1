"""ECAPA2's global feature extractor and attentive pooling: 1-D convolutions over all bins at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from profiling.backbones.local import SQUEEZE_DIM, SqueezeExcitation
from profiling.backbones.masking import mean_and_variance, mean_over_time, reflect, reflection_index

CHANNELS = 1024
POOLED_CHANNELS = 1536
EMBEDDING_DIM = 192
GROUPS = 8  # of the Res2Net convolution
GROUP_CHANNELS = CHANNELS // GROUPS
DILATION = 2  # with kernel 3: reflection of two frames at either end
VARIANCE_FLOOR = 1e-5  # below a square root


class ReluNorm(nn.Module):
    """ReLU, then BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) to the same shape."""
        y: Tensor = self.norm(torch.relu(x))
        return y


class Res2NetGroup(nn.Module):
    """One dilated convolution of the hierarchy, ReLU, BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.dilation = DILATION
        self.conv = nn.Conv1d(GROUP_CHANNELS, GROUP_CHANNELS, kernel_size=3, dilation=DILATION)
        self.norm = ReluNorm(GROUP_CHANNELS)

    def forward(self, x: Tensor, index: Tensor | None) -> Tensor:
        """(batch, 128, frames) to the same shape; ``index`` as in :func:`reflect`."""
        y: Tensor = self.norm(self.conv(reflect(x, index, self.dilation)))
        return y


class Res2NetConv(nn.Module):
    """Hierarchy of dilated convolutions: each group also hears the one before it; the first stays."""

    def __init__(self) -> None:
        super().__init__()
        self.dilation = DILATION
        self.groups = nn.ModuleList(Res2NetGroup() for _ in range(GROUPS - 1))

    def forward(self, x: Tensor, frames: Tensor | None) -> Tensor:
        """(batch, 1024, frames) to the same shape; ``frames`` (batch,) gives each row's own end."""
        size = x.size(2)
        if frames is None and size <= self.dilation:  # shorter than its own reflection: fold it again
            frames = torch.full([x.size(0)], size, dtype=torch.int64, device=x.device)
        index = None if frames is None else reflection_index(frames, size, self.dilation)
        parts = x.chunk(len(self.groups) + 1, dim=1)
        done = [parts[0]]
        for i, group in enumerate(self.groups):
            heard = parts[i + 1] if i == 0 else parts[i + 1] + done[-1]
            done.append(group(heard, index))
        return torch.cat(done, dim=1)


class SERes2NetBlock(nn.Module):
    """Residual block of the global extractor, 1024 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(CHANNELS, CHANNELS, kernel_size=1)
        self.norm_in = ReluNorm(CHANNELS)
        self.res2net = Res2NetConv()
        self.conv_out = nn.Conv1d(CHANNELS, CHANNELS, kernel_size=1)
        self.norm_out = ReluNorm(CHANNELS)
        self.gate = SqueezeExcitation(CHANNELS)

    def forward(self, x: Tensor, frames: Tensor | None, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, 1024, frames) to the output and the last convolution before its ReLU, same shapes."""
        y = self.res2net(self.norm_in(self.conv_in(x)), frames)
        linear = self.conv_out(y)
        y = self.norm_out(linear)
        gate = self.gate(mean_over_time(y, padding).squeeze(2))
        return x + y * gate.unsqueeze(2), linear


class AttentivePooling(nn.Module):
    """Channel-dependent attentive statistics with global context (ECAPA-TDNN, arXiv 2005.07143)."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = VARIANCE_FLOOR
        self.conv_in = nn.Conv1d(3 * POOLED_CHANNELS, SQUEEZE_DIM, kernel_size=1)
        self.norm = ReluNorm(SQUEEZE_DIM)
        self.conv_out = nn.Conv1d(SQUEEZE_DIM, POOLED_CHANNELS, kernel_size=1)

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """(batch, 1536, frames) to weighted mean and std, (batch, 3072) float32."""
        mean, variance = mean_and_variance(x, padding)
        std = variance.clamp(min=self.floor).sqrt()
        context = torch.cat([mean, std], dim=1).to(x.dtype).expand(-1, -1, x.size(2))
        score = self.conv_out(self.norm(self.conv_in(torch.cat([x, context], dim=1)))).float()
        if padding is not None:
            score = score.masked_fill(padding, float("-inf"))
        weight = torch.softmax(score, dim=2)
        centre = (weight * x).sum(dim=2, keepdim=True)
        spread = (weight * (x - centre).square()).sum(dim=2)
        return torch.cat([centre.squeeze(2), spread.clamp(min=self.floor).sqrt()], dim=1)
