"""Long audio (DESIGN 5): above ``audio.max_duration_s`` a row is the weighted mean of its windows, by definition."""

from __future__ import annotations

from collections.abc import Sequence
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


def window_mean(windows: Sequence[Vectors], seconds: Sequence[float]) -> Vectors:
    """The duration-weighted mean of an utterance's windows, layer by layer; one window stays bit for bit.

    Args:
        windows: layer -> (dim,) float32, for each window.
        seconds: duration of each window.
    """
    if len(windows) == 1:
        return windows[0]
    weights = np.asarray(seconds, dtype=np.float64) / np.sum(seconds)
    return {
        layer: (weights @ np.stack([w[layer].astype(np.float64) for w in windows])).astype(np.float32)
        for layer in windows[0]
    }


@dataclass
class PendingRow:
    """A row whose windows are being computed, in whatever order batches bring them.

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
    _found: dict[int, tuple[Vectors, float]] = field(default_factory=dict)

    def add(self, window: int, features: Vectors, seconds: float) -> None:
        """Takes the features of one window."""
        self._found[window] = (features, seconds)

    @property
    def complete(self) -> bool:
        """Whether every window is there."""
        return len(self._found) == self.windows

    def features(self) -> Vectors:
        """The row: its windows' mean, summed in the order of time."""
        in_order = [self._found[window] for window in range(self.windows)]
        return window_mean([features for features, _ in in_order], [seconds for _, seconds in in_order])
