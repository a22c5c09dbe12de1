"""What a TorchScript file was measured to do, and the memory of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from profiling.backbones.memory import remember, remembered
from profiling.provenance import signature

#: Raised when the probe asks more or otherwise: what older versions were told is asked again.
PROBE_VERSION = 1

Layout = Literal["mean_variance", "unknown"]


@dataclass(frozen=True)
class Contract:
    """What a file was measured to do.

    Attributes:
        batching: ``equal`` if two signals in a batch give what each gives alone, else ``single``.
        layout: whether the halves of gfe_1, gfe_2 and pool behave as mean and variance.
        min_samples: shortest accepted waveform, samples at 16 kHz.
    """

    batching: Literal["equal", "single"]
    layout: Layout
    min_samples: int


def probed(measure: Callable[[], Contract], key: dict[str, str], cache: Path) -> Contract:
    """The remembered contract of ``key``, else the measured one, which is remembered.

    Args:
        measure: runs the probe.
        key: all that the answer depends on: weights, device, precision, versions.
        cache: the user's cache folder.
    """
    full_key = {**key, "probe": str(PROBE_VERSION)}
    memory = cache / "probes" / f"{signature(full_key)[:32]}.json"
    known = remembered(memory)
    contract = _parse(known.get("contract")) if known.get("key") == full_key else None
    if contract is None:
        contract = measure()
        remember(memory, {"key": full_key, "contract": asdict(contract)})
    return contract


def _parse(value: Any) -> Contract | None:
    if not isinstance(value, dict) or set(value) != {"batching", "layout", "min_samples"}:
        return None
    batching, layout, samples = value["batching"], value["layout"], value["min_samples"]
    known = batching in ("equal", "single") and layout in ("mean_variance", "unknown")
    return Contract(batching, layout, samples) if known and isinstance(samples, int) else None
