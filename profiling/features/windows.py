"""Long audio (DESIGN 5): above ``audio.max_duration_s`` a row is the weighted mean of its windows, by definition."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from profiling.backbones.protocol import SAMPLE_RATE_HZ
from profiling.errors import ConfigError
from profiling.features.store import RowKey

Vectors = dict[str, NDArray[np.float32]]  # layer -> (dim,)


def equal_windows(num_samples: int, max_samples: int) -> list[tuple[int, int]]:
    """Spans of equal windows (to one sample), each at most ``max_samples`` long, covering everything.

    >>> equal_windows(10, 4)
    [(0, 3), (3, 6), (6, 10)]
    """
    count = max(1, -(-num_samples // max_samples))
    edges = [num_samples * part // count for part in range(count + 1)]
    return list(pairwise(edges))


def max_window_samples(max_duration_s: float, min_samples: int) -> int:
    """``audio.max_duration_s`` in samples at 16 kHz.

    Raises:
        ConfigError: windows could fall below ``min_samples``, the shortest the backbone accepts.
    """
    max_samples = int(max_duration_s * SAMPLE_RATE_HZ)
    if max_samples < 2 * min_samples:  # the shortest window is half of the longest
        least_s = 2 * min_samples / SAMPLE_RATE_HZ
        raise ConfigError(
            f"audio.max_duration_s={max_duration_s:g}: the backbone needs windows of at least {least_s:g} s"
        )
    return max_samples


class WindowMean:
    """The duration-weighted mean of an utterance's windows, layer by layer; one window stays bit for bit.

    Windows may come in whatever order batches bring them. They are summed in the order of time, so that no bit
    depends on the batches, and only those that came too early are held.
    """

    def __init__(self) -> None:
        self._early: dict[int, tuple[Vectors, float]] = {}
        self._first: Vectors = {}
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._seconds = 0.0
        self.summed = 0

    def add(self, window: int, features: Vectors, seconds: float) -> None:
        """Takes the features of one window: layer -> (dim,) float32."""
        self._early[window] = features, seconds
        while self.summed in self._early:
            self._sum(*self._early.pop(self.summed))

    def _sum(self, features: Vectors, seconds: float) -> None:
        weighted = {layer: vector.astype(np.float64) * seconds for layer, vector in features.items()}
        self._first = {} if self.summed else features
        self._sums = (
            {layer: self._sums[layer] + row for layer, row in weighted.items()} if self.summed else weighted
        )
        self._seconds += seconds
        self.summed += 1

    def features(self) -> Vectors:
        """The mean of what was summed: layer -> (dim,) float32."""
        if self._first:
            return self._first
        return {layer: (total / self._seconds).astype(np.float32) for layer, total in self._sums.items()}


@dataclass
class PendingRow:
    """A row whose windows are being computed.

    Attributes:
        key: of the row.
        flags: ``windowed``, ``upsampled``, ...
        duration_s: of all windows together.
        windows: how many there are.
    """

    key: RowKey
    flags: tuple[str, ...]
    duration_s: float
    windows: int
    _mean: WindowMean = field(default_factory=WindowMean)

    def add(self, window: int, features: Vectors, seconds: float) -> None:
        """Takes the features of one window."""
        self._mean.add(window, features, seconds)

    @property
    def complete(self) -> bool:
        """Whether every window is there."""
        return self._mean.summed == self.windows

    def features(self) -> Vectors:
        """The row: its windows' mean."""
        return self._mean.features()
