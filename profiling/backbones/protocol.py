"""What every backbone promises: waveforms in, one vector per layer and utterance out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from profiling.audio import SAMPLE_RATE_HZ as SAMPLE_RATE_HZ

#: The released network's outputs in the network's own order, with their dims (ECAPA2 model card).
ECAPA2_LAYERS: Mapping[str, int] = {
    "gfe_1": 2048,
    "gfe_2": 2048,
    "pool": 3072,
    "attention": 3072,
    "embedding": 192,
}

Waveform = NDArray[np.float32]  # (samples,) mono, 16 kHz, in [-1, 1]
Features = dict[str, NDArray[np.float32]]  # layer -> (batch, dim)

#: How mixed lengths may share a forward pass without changing the numbers.
#: ``single``: never. ``equal``: only waveforms of exactly equal length. ``masked``: any lengths.
Batching = Literal["single", "equal", "masked"]

#: What stands behind the numbers; printed wherever they appear.
#: ``released``: the authors' weights. ``mini``: our small network, trained. ``untrained``: random weights.
#: ``local``: a file the user named, other weights than the known ones. ``signal``: no network at all.
Training = Literal["released", "mini", "local", "untrained", "signal"]


class Backbone(Protocol):
    """A frozen feature extractor."""

    @property
    def name(self) -> str:
        """As in ``backbone=<name>``."""
        ...

    @property
    def layers(self) -> Mapping[str, int]:
        """Label -> dim, in the network's order."""
        ...

    @property
    def min_samples(self) -> int:
        """Shortest accepted waveform, in samples at 16 kHz."""
        ...

    @property
    def batching(self) -> Batching:
        """See :data:`Batching`."""
        ...

    @property
    def training(self) -> Training:
        """See :data:`Training`."""
        ...

    @property
    def device(self) -> str:
        """``cpu``, ``cuda``, ..."""
        ...

    @property
    def precision(self) -> str:
        """``fp32``, ``tf32`` or ``fp16``."""
        ...

    def identity(self) -> dict[str, str | int]:
        """What makes the weights these weights: enters the feature key (``weights_sha256``, ...)."""
        ...

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        """Computes the asked layers.

        Args:
            waveforms: (samples_i,) each, at least ``min_samples`` long; lengths as ``batching`` allows.
            layers: labels to return, any order.

        Returns:
            layer -> (batch, dim) float32, in the order of ``waveforms``.
        """
        ...


def notice_of(backbone: Backbone) -> str | None:
    """What must be said of a backbone wherever its numbers are shown; None for most."""
    found = getattr(backbone, "notice", None)
    return None if found is None else str(found)
