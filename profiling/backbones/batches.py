"""Waveforms of mixed lengths as one tensor, and the request checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from profiling.backbones.protocol import Waveform
from profiling.errors import did_you_mean


def check_request(
    waveforms: Sequence[Waveform], asked: Sequence[str], layers: Mapping[str, int], min_samples: int
) -> None:
    """Refuses what a backbone cannot answer.

    Raises:
        ValueError: an unknown layer, nothing asked, or a waveform below ``min_samples``.
    """
    for label in asked:
        if label not in layers:
            raise ValueError(f"no layer {label!r}; {did_you_mean(label, layers)}")
    if not waveforms or not asked:
        raise ValueError(f"{len(waveforms)} waveforms and {len(asked)} layers: at least one of each")
    shortest = min(len(waveform) for waveform in waveforms)
    if shortest < min_samples:
        raise ValueError(f"{shortest} samples, shortest accepted is {min_samples}")


def stack(waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor | None]:
    """Pads waveforms with zeros to the longest.

    Args:
        waveforms: (samples_i,) float32 each.

    Returns:
        (batch, samples) float32, and (batch,) lengths, or None if all are equally long.
    """
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.as_tensor(waveform)
    return batch, None if bool((lengths == lengths[0]).all()) else lengths
