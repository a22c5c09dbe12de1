"""Dimensional labels of emotion: arousal, valence and dominance on the scale their corpus declares.

Conventions: a corpus's card says between which two numbers its raters chose (``[1, 7]``); a manifest holds
their place between the two, 0..1, so that a head learns from several corpora and CCC compares like with like.
A scale whose first number is the larger runs the other way. A number off the scale is an error with counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from profiling.errors import LabelError
from profiling.labels import is_missing

DIMENSIONS = ("arousal", "valence", "dominance")


@dataclass(frozen=True)
class Scale:
    """Two ends of a rating scale; ``low`` means calm, negative or submissive.

    >>> Scale(1, 7).to_unit(5.5), Scale(1, 7).from_unit(0.75), Scale(9, 1).to_unit(9)
    (0.75, 5.5, 0.0)
    """

    low: float
    high: float

    def to_unit(self, value: float) -> float:
        """The number's place between the ends, 0..1."""
        return (value - self.low) / (self.high - self.low) + 0.0  # never -0.0

    def from_unit(self, value: float) -> float:
        """The number on this scale at a place between 0 and 1."""
        return self.low + value * (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether the number is on the scale."""
        return min(self.low, self.high) <= value <= max(self.low, self.high)


#: What manifests are written in.
UNIT = Scale(0.0, 1.0)


def parse_scales(given: Any, where: str) -> dict[str, Scale]:
    """A card's ``scale``: ``[1, 7]`` for every dimension, or ``{arousal: [1, 5], valence: [-3, 3]}``.

    Raises:
        LabelError: not two different numbers, or a dimension that does not exist.

    >>> parse_scales([1, 7], "card")["valence"]
    Scale(low=1.0, high=7.0)
    """
    each = given if isinstance(given, Mapping) else dict.fromkeys(DIMENSIONS, given)
    wrong = sorted(set(each) - set(DIMENSIONS))
    if wrong:
        raise LabelError(f"{where}: scale of {wrong[0]!r}; valid: {', '.join(DIMENSIONS)}")
    return {name: _scale(ends, where) for name, ends in each.items()}


def _scale(ends: Any, where: str) -> Scale:
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError):
        low = high = 0.0
    if low == high:
        raise LabelError(f"{where}: scale {ends!r} is not two different numbers, such as [1, 7]")
    return Scale(low, high)


def parse_on_scale(values: Iterable[str | None], scale: Scale, *, what: str) -> list[float | None]:
    """Numbers on a scale as their place on it, 0..1; None where missing.

    Args:
        values: text, such as ``"4.2"``.
        scale: the corpus's.
        what: column and corpus, for the message.

    Raises:
        LabelError: lists each text that is no number on the scale, with its count.

    >>> parse_on_scale(["1", "4", None], Scale(1, 7), what="arousal")
    [0.0, 0.5, None]
    """
    listed = list(values)
    places = {v: _place(v, scale) for v in set(listed) if v is not None and not is_missing(v)}
    wrong = Counter(v for v in listed if v in places and places[v] is None)
    if wrong:
        counts = ", ".join(f"{value!r} ({count} rows)" for value, count in wrong.most_common(10))
        raise LabelError(
            f"{what}: no number from {scale.low:g} to {scale.high:g}: {counts}; correct the scale "
            "(scale: [1, 7] in the corpus's YAML), or leave the cell empty"
        )
    return [None if v is None else places.get(v) for v in listed]


def off_scale(value: str | None, scale: Scale) -> bool:
    """Whether the text is a number that lies off the scale; what is no number is not.

    >>> off_scale("0.5", Scale(1, 5)), off_scale("5", Scale(1, 5)), off_scale("high", Scale(1, 5))
    (True, False, False)
    """
    try:
        return value is not None and not is_missing(value) and not scale.holds(float(value))
    except ValueError:
        return False


def _place(value: str, scale: Scale) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return scale.to_unit(number) if scale.holds(number) else None
