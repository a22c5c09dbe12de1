"""ECAPA2's local feature extractor: residual 2-D blocks that keep frequency apart (arXiv 2401.08342)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from profiling.backbones.masking import mean_over_time, zero_padding_

SQUEEZE_DIM = 128  # hidden width of every squeeze-excitation, local and global


class ConvReluNorm2d(nn.Module):
    """Convolution 3 by 3, ReLU, BatchNorm; frames beyond a row's end are zero again afterwards."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)) -> None:
        """Strides are (frequency, time)."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """(batch, inputs, bins, frames) to (batch, outputs, bins, frames); ``padding`` is the output's."""
        return zero_padding_(self.norm(torch.relu(self.conv(x))), padding)


class SqueezeExcitation(nn.Module):
    """Gates each channel by what the whole utterance says about it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, SQUEEZE_DIM)
        self.norm = nn.BatchNorm1d(SQUEEZE_DIM)
        self.excite = nn.Linear(SQUEEZE_DIM, channels)

    def forward(self, mean: Tensor) -> Tensor:
        """Mean of each channel, (batch, channels), to its gate in (0, 1), the same shape."""
        hidden = self.norm(torch.relu(self.squeeze(mean.to(self.squeeze.weight.dtype))))
        return torch.sigmoid(self.excite(hidden))


class Shortcut(nn.Module):
    """Residual path of a block that halves frequency: 1 by 1 convolution without bias, BatchNorm."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """(batch, inputs, bins, frames) to the block's output shape, zero beyond a row's end."""
        return zero_padding_(self.norm(self.conv(x)), padding)


class LocalBlock(nn.Module):
    """Three convolutions, squeeze-excitation, and the residual where there is one.

    The residual is the input itself if shapes agree, a :class:`Shortcut` if frequency is strided, and
    nothing if only the channel count changes (or time is strided, which the released network never does).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, time_stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvReluNorm2d(inputs, outputs, (stride, time_stride))
        self.conv2 = ConvReluNorm2d(outputs, outputs)
        self.conv3 = ConvReluNorm2d(outputs, outputs)
        self.gate = SqueezeExcitation(outputs)
        self.keeps_input = stride == 1 and time_stride == 1 and inputs == outputs
        self.shortcut = Shortcut(inputs, outputs, (stride, time_stride)) if stride > 1 else None

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """(batch, inputs, bins, frames), zero beyond a row's end, to (batch, outputs, bins', frames')."""
        y: Tensor = self.conv3(self.conv2(self.conv1(x, padding), padding), padding)
        gate = self.gate(mean_over_time(y.mean(dim=2, dtype=torch.float32), padding).squeeze(2))
        y = y * gate[:, :, None, None]
        if self.keeps_input:
            return y + x
        if self.shortcut is not None:
            y = y + self.shortcut(x, padding)
        return y
