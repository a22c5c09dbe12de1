"""What a bundle's calibration makes of a head's output: a temperature, label sets and intervals.

Fitted on the test speakers of the run that trained the head (``profiler.json``, section ``calibration``); a
bundle without it answers with the head's own probabilities, and without intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from profiling.bundle import Bundle
from profiling.evaluation.applied import DEFAULT_LEVEL, apply_temperature, entry_at, label_sets
from profiling.predict.answer import Interval

#: Share of new speakers from recordings like those of training that an interval or a label set is to hold.
LEVEL = DEFAULT_LEVEL


@dataclass(frozen=True)
class Calibration:
    """How one head's answers are calibrated.

    Attributes:
        temperature: of the probabilities; None where none was fitted.
        quantile: half of an interval, or the largest 1 - p in a label set; None where none was fitted.
        reason: why there is no quantile.
    """

    temperature: float | None = None
    quantile: float | None = None
    reason: str = "this bundle was not calibrated"

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Reads a bundle's section; a bundle of an earlier version has none."""
        section = bundle.spec.calibration
        temperature = (section.get("temperature") or {}).get("value")
        entry = entry_at(section, LEVEL)
        if entry is None:
            return cls(temperature)
        return cls(temperature, entry["quantile"], entry["reason"] or "")

    def probabilities(self, uncalibrated: Mapping[str, float]) -> dict[str, float]:
        """P to the power 1/T, normalised: what dividing logits by T gives. The most probable label stays."""
        scaled = apply_temperature(np.array([list(uncalibrated.values())]), self.temperature)[0]
        return dict(zip(uncalibrated, scaled.tolist(), strict=True))

    def label_set(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """Labels that cannot be ruled out, the most probable first; empty where nothing was fitted."""
        if self.quantile is None:
            return ()
        shares = np.array([list(probabilities.values())])
        return tuple(label_sets(shares, list(probabilities), self.quantile)[0])

    def interval(self, value: float) -> Interval | None:
        """Around a number; None where nothing was fitted."""
        if self.quantile is None:
            return None
        return Interval(value - self.quantile, value + self.quantile, LEVEL)
