"""How strongly two labels go together, beside what chance alone would give.

Cramér's V (Cramér, Mathematical Methods of Statistics, 1946): 0 for independence, 1 where one label tells the
other. With many categories and few rows chance alone gives a large V, so every value stands beside the mean and
the 99th percentile over permutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PERMUTATIONS = 200
_SEED = 20_261_122


@dataclass(frozen=True)
class Association:
    """Attributes.

    Attributes:
        v: Cramér's V, 0 to 1.
        chance: its mean over permutations.
        chance_99: its 99th percentile over permutations.
        rows: pairs it was computed from.
        units: what was permuted: rows, or speakers where a label belongs to the speaker.
    """

    v: float
    chance: float
    chance_99: float
    rows: int
    units: int

    @property
    def beyond_chance(self) -> bool:
        """Whether no more than one permutation in a hundred reaches it."""
        return self.v > self.chance_99 + 1e-9


def associate(
    first: Sequence[object], second: Sequence[object], unit: Sequence[object] | None = None
) -> Association | None:
    """Cramér's V of two labels with its permutation baseline.

    Args:
        first: (n,) labels; pairs with a missing one are left out.
        second: (n,) labels.
        unit: (n,) whom ``first`` belongs to; its labels are then permuted over units, not rows.

    Returns:
        None where a label has fewer than two values.
    """
    units_of = list(range(len(first))) if unit is None else list(unit)
    table = pd.DataFrame({"first": list(first), "second": list(second), "unit": units_of}).dropna()
    if table["first"].nunique() < 2 or table["second"].nunique() < 2:
        return None
    a, b = (pd.factorize(table[name])[0] for name in ("first", "second"))
    units = pd.factorize(table["unit"])[0]
    of_unit = pd.Series(a).groupby(units).first().to_numpy()  # a unit has one label
    generator = np.random.default_rng(_SEED)
    drawn = [cramers_v(generator.permutation(of_unit)[units], b) for _ in range(PERMUTATIONS)]
    high = float(np.quantile(drawn, 0.99))
    return Association(cramers_v(a, b), float(np.mean(drawn)), high, len(table), len(of_unit))


def cramers_v(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Cramér's V of two arrays of codes from 0.

    >>> cramers_v(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
    1.0
    """
    shape = int(first.max()) + 1, int(second.max()) + 1
    observed = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)
    expected = observed.sum(1, keepdims=True) * observed.sum(0, keepdims=True) / observed.sum()
    filled = expected > 0
    chi_square = float((np.square(observed - expected)[filled] / expected[filled]).sum())
    smaller = min((observed.sum(1) > 0).sum(), (observed.sum(0) > 0).sum()) - 1
    return float(np.sqrt(chi_square / observed.sum() / max(int(smaller), 1)))
