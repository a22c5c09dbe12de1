"""What a bundle's calibration makes of answers. NumPy alone: prediction starts without pandas and SciPy.

How a temperature and conformal quantiles are fitted is told in ``calibration`` and ``conformal``; here is the one
place that says what they then do, to those who evaluate and to those who predict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.errors import ConfigError
from profiling.evaluation.metrics import Array

DEFAULT_LEVEL = 0.9
PROBABILITY_FLOOR = 1e-12  # so that one sure mistake does not make the likelihood infinite
_ROUNDING = 1e-12  # a score that equals the quantile is inside

Flags = NDArray[np.bool_]


def apply_temperature(probabilities: NDArray[np.floating[Any]], temperature: float | None) -> Array:
    """Scales probabilities; the most probable label stays the most probable.

    Args:
        probabilities: (n, K), rows sum to 1.
        temperature: T > 0; None: as they are.

    Raises:
        ValueError: a temperature that is not positive.

    >>> apply_temperature(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if temperature is None:
        return values
    if not temperature > 0:
        raise ValueError(f"temperature {temperature}: must be positive")
    scaled = np.log(np.maximum(values, PROBABILITY_FLOOR)) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def entry_at(calibration: Mapping[str, Any], level: float = DEFAULT_LEVEL) -> dict[str, Any] | None:
    """The conformal entry of a bundle at a level; None where the bundle is not calibrated.

    Raises:
        ConfigError: a level that was not fitted; lists those there are.
    """
    entries = calibration.get("conformal")
    if not entries:
        return None
    for entry in entries:
        if abs(entry["level"] - level) < 1e-9:
            return dict(entry)
    listed = ", ".join(f"{entry['level']:g}" for entry in entries)
    raise ConfigError(f"level {level:g} was not fitted; there are {listed}")


def label_sets(probabilities: Array, labels: Sequence[str], quantile: float) -> list[list[str]]:
    """The labels that cannot be ruled out, most probable first; always holds the most probable.

    Args:
        probabilities: (n, K), after the temperature.
        labels: (K,) of the columns.
        quantile: of 1 - p of the reference, from :func:`entry_at`.

    >>> label_sets(np.array([[0.7, 0.2, 0.1]]), ["a", "b", "c"], 0.85)
    [['a', 'b']]
    """
    inside = in_set(probabilities, quantile)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [[labels[k] for k in row if inside[i, k]] for i, row in enumerate(order)]


def in_set(probabilities: Array, quantile: float | Array) -> Flags:
    """(n, K) bool, which labels are in the set."""
    inside: Flags = 1 - probabilities <= quantile + _ROUNDING
    inside[np.arange(len(inside)), probabilities.argmax(1)] = True
    return inside
