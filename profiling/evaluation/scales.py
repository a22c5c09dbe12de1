"""The scales on which estimates spread evenly, so that a symmetric t interval holds.

A recall near 1 can only be wrong downwards, a small MAE only upwards: on the metric's own scale the interval
of a few speakers misses the truth on one side. Every scale here increases with the metric.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Transform = Callable[[Any], Array]


class Scale(NamedTuple):
    """A way to and from a scale.

    Attributes:
        name: for people.
        forward: metric -> scale, increasing.
        backward: scale -> metric; ends beyond the scale become the metric's extreme, or infinite.
    """

    name: str
    forward: Transform
    backward: Transform


def _inverse_square_root(values: Any) -> Array:
    """Ends at or beyond 0 have no finite error."""
    ends = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.where(ends < 0, 1 / np.square(ends), np.inf)


IDENTITY = Scale("identity", np.asarray, np.asarray)
#: Shares in (0, 1).
LOGIT = Scale("logit", lambda p: np.log(p / (1 - np.asarray(p))), lambda z: 1 / (1 + np.exp(-np.asarray(z))))
#: Shares in [0, 1], where 1 or 0 occurs once a speaker is left out (Anscombe, Biometrika 35, 1948).
ARCSINE = Scale(
    "arcsine",
    lambda p: np.arcsin(np.sqrt(np.clip(p, 0, 1))),
    lambda z: np.sin(np.clip(z, 0, np.pi / 2)) ** 2,
)
#: Correlations in (-1, 1): Fisher, Metron 1, 1921.
FISHER = Scale("Fisher's z", np.arctanh, np.tanh)
#: Errors in (0, inf): stronger than the logarithm, as the errors' mean and spread grow together.
INVERSE_ROOT = Scale("-1 / square root", lambda e: -1 / np.sqrt(e), _inverse_square_root)
#: Correlations in (-1, 1), stronger than Fisher's: r / sqrt(1 - r^2), the explained over the unexplained spread.
TANGENT = Scale(
    "r / sqrt(1 - r^2)",
    lambda r: np.asarray(r) / np.sqrt(1 - np.square(r)),
    lambda t: np.asarray(t) / np.sqrt(1 + np.square(t)),
)
#: Skill in (-inf, 1): the inverse root of a ratio of errors, as ``INVERSE_ROOT`` is of an error.
RATIO_ROOT = Scale(
    "1 / sqrt(1 - skill)",
    lambda s: 1 / np.sqrt(1 - np.asarray(s)),
    lambda z: 1 - _inverse_square_root(-np.asarray(z)),
)
