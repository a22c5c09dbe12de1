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


def strided_count(count: Tensor, stride: int) -> Tensor:
    """How many of ``count`` positions (integers, at least 1) a stride visits, the first included.

    Frames of a spectrogram (stride = hop, in samples) and outputs of a padded strided convolution alike.
    """
    return torch.div(count - 1, stride, rounding_mode="floor") + 1


class LogSpectrogram(nn.Module):
    """Waveforms to (batch, 1, 256, frames), always computed in float32.

    The window is made anew in every call: as a buffer it would lose precision with ``.half()``.
    """

    def __init__(self, centre: bool = True) -> None:
        """Removes the mean over time per bin if ``centre``."""
        super().__init__()
        self.centre = centre
        self.fft, self.window, self.hop = FFT_SAMPLES, WINDOW_SAMPLES, HOP_SAMPLES  # TorchScript: no globals
        self.edge, self.floor, self.min_samples = EDGE_SAMPLES, POWER_FLOOR, MIN_SAMPLES

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Computes the spectrogram.

        Args:
            waveforms: (batch, samples), 16 kHz, in [-1, 1].
            lengths: (batch,) samples of each row, or None if all are equally long.

        Returns:
            (batch, 1, 256, frames) float32, zero beyond a row's end, and (batch,) frames or None.

        Raises:
            ValueError: below 400 samples; the lengths themselves are the caller's to check.
        """
        if waveforms.size(1) < self.min_samples:
            raise ValueError(f"{waveforms.size(1)} samples: at least {self.min_samples}")
        x = waveforms.float().unsqueeze(1)  # (batch, 1, samples)
        frames = None if lengths is None else strided_count(lengths, self.hop)
        index = None if lengths is None else reflection_index(lengths, x.size(2), self.edge)
        power = self._power(reflect(x, index, self.edge).squeeze(1))
        logs = torch.log(power + self.floor)  # (batch, bins, frames)
        padding = padding_mask(frames, logs.size(2))
        if self.centre:
            logs = logs - mean_over_time(logs, padding)
        return zero_padding(logs, padding).unsqueeze(1), frames

    def _power(self, reflected: Tensor) -> Tensor:
        window = torch.hamming_window(
            self.window, periodic=True, dtype=torch.float32, device=reflected.device
        )
        spectrum = torch.stft(
            reflected,
            self.fft,
            hop_length=self.hop,
            win_length=self.window,
            window=window,
            center=False,
            return_complex=True,
        )
        parts = torch.view_as_real(
            spectrum
        )  # (batch, bins, frames, 2); a sum over two values takes twice as long
        return parts.select(-1, 0).square() + parts.select(-1, 1).square()
