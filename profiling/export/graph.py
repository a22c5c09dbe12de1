"""What is exported, as torch modules: features to an answer, and a waveform to features and an answer."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from profiling.backbones.frontend import LogSpectrogram
from profiling.backbones.network import NativeNet
from profiling.evaluation.applied import PROBABILITY_FLOOR
from profiling.heads.modules import Head


class HeadGraph(nn.Module):
    """Features to the answer, scaler and calibration inside.

    Args:
        head: in evaluation mode.
        temperature: of its probabilities; None where none was fitted.
    """

    def __init__(self, head: Head, temperature: float | None) -> None:
        super().__init__()
        self.head, self.temperature = head, temperature

    @property
    def outputs(self) -> list[str]:
        """Names of what it returns, those of ``profiling predict``."""
        if not self.head.spec.labels:
            return ["value"]
        return ["probabilities"] if self.temperature is None else ["probabilities", "uncalibrated"]

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(batch, dim) -> probabilities (batch, classes), and those before calibration; or numbers (batch,)."""
        answers = self.head.answers(features)
        if self.temperature is None or not self.head.spec.labels:
            return (answers,)
        return torch.softmax(answers.clamp(min=PROBABILITY_FLOOR).log() / self.temperature, dim=-1), answers


class DftSpectrogram(LogSpectrogram):
    """The same spectrogram with the Fourier transform as a convolution, which every ONNX runtime has.

    The kernels are computed in double precision; the window lies in the middle of them, as ``torch.stft`` puts it.
    """

    kernels: Tensor

    def __init__(self, centre: bool) -> None:
        super().__init__(centre)
        sample = torch.arange(self.fft, dtype=torch.float64)
        turns = (
            torch.outer(torch.arange(self.fft // 2 + 1, dtype=torch.float64), sample) % self.fft / self.fft
        )
        window = torch.zeros(self.fft, dtype=torch.float64)
        before = (self.fft - self.window) // 2
        window[before : before + self.window] = torch.hamming_window(
            self.window, periodic=True, dtype=torch.float64
        )
        waves = torch.cat([torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)])  # (2 * bins, fft)
        self.register_buffer("kernels", (waves * window).float().unsqueeze(1))

    def _power(self, reflected: Tensor) -> Tensor:
        real, imaginary = F.conv1d(reflected.unsqueeze(1), self.kernels, stride=self.hop).chunk(2, dim=1)
        return real.square() + imaginary.square()


class WaveformGraph(nn.Module):
    """One recording to features and answer.

    Args:
        net: the network; it stays as it is.
        answer: what reads its features.
        layers: those the head reads, in the order of its columns.
        rounded: whether features are rounded to half precision, as the store of its training did.
    """

    def __init__(self, net: NativeNet, answer: HeadGraph, layers: list[str], rounded: bool) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.net.frontend = DftSpectrogram(net.frontend.centre)
        self.answer, self.layers, self.rounded = answer, layers, rounded

    @property
    def outputs(self) -> list[str]:
        """Names of what it returns."""
        return [*self.answer.outputs, "features"]

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """(1, samples) at 16 kHz -> the answer's outputs and features (1, dim).

        The masked way through the network is taken, with nothing masked: the other one chooses by length, and a
        traced graph cannot choose.
        """
        lengths = torch.full((1,), waveform.shape[1], dtype=torch.int64)
        layers = self.net(waveform, lengths)
        features = torch.cat([layers[name] for name in self.layers], dim=1)
        if self.rounded:
            features = features.half().float()
        return (*self.answer(features), features)
