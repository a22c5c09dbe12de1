"""ECAPA2's topology in PyTorch at any width, exact on batches of mixed lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from profiling.backbones.frame_level import (
    CHANNELS,
    EMBEDDING_DIM,
    POOLED_CHANNELS,
    AttentivePooling,
    ReluNorm,
    SERes2NetBlock,
)
from profiling.backbones.frontend import BINS, LogSpectrogram, strided_count
from profiling.backbones.local import LocalBlock
from profiling.backbones.masking import mean_and_variance, padding_mask
from profiling.config import NativeConfig
from profiling.errors import ConfigError


def mini_config() -> NativeConfig:
    """The small offline network: one block a stage, 7.0 M parameters, 14 MB in fp16, 25 frames a second.

    Chosen by what a training step costs: time stride 4 and an early frequency stride of 4 take 0.9 s of one
    core for 32 s of audio, widths [16, 32, 48, 64, 64] at stride 2 about three times that.
    """
    return NativeConfig(widths=[16, 24, 32, 48, 64], strides=[1, 4, 2, 2, 1], time_stride=4)


class NativeNet(nn.Module):
    """Five outputs with ECAPA2's dims; with the default config exactly 27,107,708 parameters."""

    def __init__(self, config: NativeConfig) -> None:
        """Builds the network with PyTorch's default initialisation.

        Raises:
            ConfigError: widths and strides that do not fit each other.
        """
        super().__init__()
        _check(config)
        self.architecture = architecture(config)
        self.time_stride = config.time_stride
        self.frontend = LogSpectrogram()
        self.blocks = nn.ModuleList()
        channels, bins = 1, BINS
        for width, stride in zip(config.widths, config.strides, strict=True):
            time_stride = config.time_stride if len(self.blocks) == 0 else 1
            self.blocks.append(LocalBlock(channels, width, stride, time_stride))
            channels, bins = width, (bins - 1) // stride + 1
        self.gfe_1 = nn.Conv1d(channels * bins, CHANNELS, kernel_size=1)
        self.norm_1 = ReluNorm(CHANNELS)
        self.gfe_2 = SERes2NetBlock()
        self.pool = nn.Conv1d(CHANNELS, POOLED_CHANNELS, kernel_size=1)
        self.attention = AttentivePooling()
        self.norm = nn.BatchNorm1d(2 * POOLED_CHANNELS)
        self.embedding = nn.Linear(2 * POOLED_CHANNELS, EMBEDDING_DIM)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Computes all five layers.

        Args:
            waveforms: (batch, samples) at 16 kHz in [-1, 1]; nothing beyond a row's length is read.
            lengths: (batch,) samples of each row; None if all are equally long. Only in eval mode, because
                batch statistics would count the padding.

        Returns:
            gfe_1 (batch, 2048), gfe_2 (batch, 2048), pool (batch, 3072): mean and variance over time;
            attention (batch, 3072): weighted mean and standard deviation; embedding (batch, 192). float32.
        """
        if self.training and lengths is not None:
            raise ValueError("lengths: mixed lengths only in eval mode; train on crops of equal length")
        spectrogram, frames = self.frontend(waveforms, lengths)
        if frames is not None:
            frames = strided_count(frames, self.time_stride)
        x = spectrogram.to(self.gfe_1.weight.dtype)
        padding = padding_mask(frames, (x.size(3) - 1) // self.time_stride + 1)
        for block in self.blocks:
            x = block(x, padding)
        return self._global(x.flatten(1, 2), frames, padding)

    def _global(self, x: Tensor, frames: Tensor | None, padding: Tensor | None) -> dict[str, Tensor]:
        first = self.gfe_1(x)  # (batch, 1024, frames), as all below
        y, second = self.gfe_2(self.norm_1(first), frames, padding)
        third = self.pool(y)
        attention = self.attention(torch.relu(third), padding)
        embedding = self.embedding(self.norm(attention.to(third.dtype)))
        return {
            "gfe_1": torch.cat(mean_and_variance(first, padding), dim=1).squeeze(2),
            "gfe_2": torch.cat(mean_and_variance(second, padding), dim=1).squeeze(2),
            "pool": torch.cat(mean_and_variance(third, padding), dim=1).squeeze(2),
            "attention": attention,
            "embedding": embedding.float(),
        }


def architecture(config: NativeConfig) -> dict[str, object]:
    """What decides the shapes of the weights, as plain JSON: the config without its seed."""
    return {
        "widths": list(config.widths),
        "strides": list(config.strides),
        "time_stride": config.time_stride,
    }


def _check(config: NativeConfig) -> None:
    if not config.widths or len(config.widths) != len(config.strides):
        raise ConfigError(
            f"backbone.native: {len(config.widths)} widths and {len(config.strides)} strides; "
            "one of each per block, at least one block"
        )
    for key, values in (("widths", config.widths), ("strides", config.strides)):
        if min(values) < 1:
            raise ConfigError(f"backbone.native.{key}={values}: each must be at least 1")
    if config.time_stride < 1:
        raise ConfigError(f"backbone.native.time_stride={config.time_stride}: must be at least 1")
