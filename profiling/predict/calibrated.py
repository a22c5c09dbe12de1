"""What a bundle's calibration makes of a head's output: a temperature, label sets and intervals.

Fitted on the test speakers of the run that trained the head (``profiler.json``, section ``calibration``); a
bundle without it answers with the head's own probabilities, and without intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from profiling.bundle import Bundle
from profiling.predict.answer import Interval

#: Share of new speakers from recordings like those of training that an interval or a label set is to hold.
LEVEL = 0.9
_TINIEST = 1e-12  # probability: its logarithm stays finite


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
        section: Mapping[str, Any] = getattr(bundle.spec, "calibration", {})
        temperature = (section.get("temperature") or {}).get("value")
        entries = [entry for entry in section.get("conformal", []) if entry["level"] == LEVEL]
        if not entries:
            return cls(temperature)
        return cls(temperature, entries[0]["quantile"], entries[0]["reason"] or "")

    def probabilities(self, uncalibrated: Mapping[str, float]) -> dict[str, float]:
        """P to the power 1/T, normalised: what dividing logits by T gives. The most probable label stays."""
        if self.temperature is None:
            return dict(uncalibrated)
        logs = np.log(np.maximum(list(uncalibrated.values()), _TINIEST)) / self.temperature
        shares = np.exp(logs - logs.max())
        return dict(zip(uncalibrated, (shares / shares.sum()).tolist(), strict=True))

    def label_set(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """Labels that cannot be ruled out, the most probable first; empty where nothing was fitted."""
        if self.quantile is None:
            return ()
        ranked = sorted(probabilities, key=lambda label: -probabilities[label])
        return tuple(
            label for place, label in enumerate(ranked)
            if place == 0 or 1 - probabilities[label] <= self.quantile
        )  # fmt: skip

    def interval(self, value: float) -> Interval | None:
        """Around a number; None where nothing was fitted."""
        if self.quantile is None:
            return None
        return Interval(value - self.quantile, value + self.quantile, LEVEL)
