"""ECAPA2's input: a natural log power spectrogram on 256 linear bins, its mean over time removed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from profiling.backbones.masking import (
    mean_over_time,
    padding_mask,
    reflect,
    reflection_index,
    zero_padding,
)

FFT_SAMPLES = 511
BINS = FFT_SAMPLES // 2 + 1  # 256
WINDOW_SAMPLES = 400  # 25 ms at 16 kHz
HOP_SAMPLES = 160  # 10 ms at 16 kHz
EDGE_SAMPLES = FFT_SAMPLES // 2  # reflected at either end, so that the first frame is centred on sample 0
POWER_FLOOR = 1e-6  # added to the power before the logarithm
MIN_SAMPLES = 400  # three frames; the released network refuses 320 and takes 400


def frame_count(samples: Tensor) -> Tensor:
    """Spectrogram frames of waveforms of ``samples`` samples (tensor of integers)."""
    return torch.div(samples - 1, HOP_SAMPLES, rounding_mode="floor") + 1


class LogSpectrogram(nn.Module):
    """Waveforms to (batch, 1, 256, frames), always computed in float32.

    The window is made anew in every call: as a buffer it would lose precision with ``.half()``.
    """

    def __init__(self, centre: bool = True) -> None:
        """Removes the mean over time per bin if ``centre``."""
        super().__init__()
        self.centre = centre

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Computes the spectrogram.

        Args:
            waveforms: (batch, samples), 16 kHz, in [-1, 1].
            lengths: (batch,) samples of each row, or None if all are equally long.

        Returns:
            (batch, 1, 256, frames) float32, zero beyond a row's end, and (batch,) frames or None.
        """
        x = waveforms.float().unsqueeze(1)  # (batch, 1, samples)
        frames = None if lengths is None else frame_count(lengths)
        index = None if lengths is None else reflection_index(lengths, x.size(2), EDGE_SAMPLES)
        power = self._power(reflect(x, index, EDGE_SAMPLES).squeeze(1))
        logs = torch.log(power + POWER_FLOOR)  # (batch, bins, frames)
        padding = padding_mask(frames, logs.size(2))
        if self.centre:
            logs = logs - mean_over_time(logs, padding)
        return zero_padding(logs, padding).unsqueeze(1), frames

    def _power(self, reflected: Tensor) -> Tensor:
        window = torch.hamming_window(
            WINDOW_SAMPLES, periodic=True, dtype=torch.float32, device=reflected.device
        )
        spectrum = torch.stft(
            reflected,
            FFT_SAMPLES,
            hop_length=HOP_SAMPLES,
            win_length=WINDOW_SAMPLES,
            window=window,
            center=False,
            return_complex=True,
        )
        return torch.view_as_real(spectrum).square().sum(-1)
