"""Does a TorchScript file keep ECAPA2's contract? Asked once for each file, device and precision.

What only the model card or other people's code says of the released file is measured here: which labels
there are, in which order they come, whether halves are mean and variance, whether equal lengths may share
a batch, and the shortest waveform. The signals are short, because a second of audio costs 131 GMAC at
the released width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from profiling.backbones.contract import Contract, Layout
from profiling.backbones.probe_signals import noise, voice
from profiling.backbones.protocol import ECAPA2_LAYERS, SAMPLE_RATE_HZ
from profiling.errors import BackboneError

Array = NDArray[np.float32]
Call = Callable[[Array, str], Array]  # (batch, samples), "gfe_1|pool" -> (batch, dims of the labels)

#: The label that asks for every layer.
ALL_LAYERS = "|".join(ECAPA2_LAYERS)
_BATCH_SAMPLES = SAMPLE_RATE_HZ // 2
_LABEL_SAMPLES = SAMPLE_RATE_HZ // 10
_SHORTEST, _LONGEST = 200, _LABEL_SAMPLES  # where the shortest accepted length is looked for, samples
_VARIANCE_LAYERS = ("gfe_1", "gfe_2", "pool")
#: Relative L2 within which two computations of one vector are equal (DESIGN 4), in fp32.
TOLERANCE = {"gfe_1": 1e-4, "gfe_2": 1e-4, "pool": 1e-4, "attention": 1e-3, "embedding": 1e-3}
#: tf32 and fp16 keep 10 bits of mantissa: their own rounding is above the bounds of fp32.
_TOLERANCE_FACTOR = {"fp32": 1.0, "tf32": 10.0, "fp16": 10.0}


def probe(call: Call, what: str, precision: str = "fp32") -> Contract:
    """Measures the contract: about 3 s of audio through the network.

    Args:
        call: the network.
        what: names the file in errors.
        precision: ``fp32``, ``tf32`` or ``fp16``.

    Raises:
        BackboneError: a missing label, a wrong dim or order, outputs that are not finite or not repeatable.
    """
    tolerance = {layer: bound * _TOLERANCE_FACTOR[precision] for layer, bound in TOLERANCE.items()}
    signals = np.stack([voice(_BATCH_SAMPLES), noise(_BATCH_SAMPLES)])  # (2, samples)
    short = signals[:1, :_LABEL_SAMPLES]
    _check_order(call, what, short, _labels_alone(call, what, short), tolerance)
    alone = np.concatenate([_finite(call(signal[None], ALL_LAYERS), what, ALL_LAYERS) for signal in signals])
    return Contract(
        batching="equal" if _batch_equals(call, signals, alone, tolerance) else "single",
        layout=_layout(alone),
        min_samples=_shortest(call, what, signals[1]),
    )


def split(output: Array, layers: list[str]) -> dict[str, Array]:
    """Cuts a concatenation ``(batch, dims)`` of ``layers``, in the network's order, into its layers."""
    ends = np.cumsum([ECAPA2_LAYERS[layer] for layer in layers])
    parts = np.split(output, ends[:-1], axis=1)
    return {layer: np.ascontiguousarray(part) for layer, part in zip(layers, parts, strict=True)}


def _labels_alone(call: Call, what: str, signal: Array) -> dict[str, Array]:
    found = {}
    for label, dim in ECAPA2_LAYERS.items():
        try:
            output = call(signal, label)
        except RuntimeError as error:
            raise BackboneError(f"{what}: label={label!r} is refused ({_reason(error)})") from error
        if output.shape != (1, dim):
            raise BackboneError(f"{what}: label={label!r} gives {output.shape[1]} numbers, expected {dim}")
        found[label] = _finite(output, what, label)
    return found


def _check_order(
    call: Call, what: str, signal: Array, alone: dict[str, Array], tolerance: dict[str, float]
) -> None:
    """Several labels, asked in the opposite order, twice: the network's order and the same numbers."""
    asked = list(ECAPA2_LAYERS)[::-1]
    for _ in range(2):
        output = call(signal, "|".join(asked))
        if output.shape != (1, sum(ECAPA2_LAYERS.values())):
            raise BackboneError(f"{what}: five labels give {output.shape[1]} numbers, expected 10432")
        if _equal(split(output, list(ECAPA2_LAYERS)), alone, tolerance):
            continue
        in_asked_order = np.concatenate([alone[label] for label in asked], axis=1)
        came = (
            "the order asked"
            if np.allclose(output, in_asked_order, rtol=1e-3, atol=1e-4)
            else "other numbers"
        )
        raise BackboneError(
            f"{what}: label={'|'.join(asked)!r} gives {came}, expected what each label gives alone,"
            f" in the network's order {ALL_LAYERS}"
        )


def _batch_equals(call: Call, signals: Array, alone: Array, tolerance: dict[str, float]) -> bool:
    try:
        together = call(signals, ALL_LAYERS)
    except RuntimeError:
        return False
    layers = list(ECAPA2_LAYERS)
    return together.shape == alone.shape and all(
        _equal(split(together[row : row + 1], layers), split(alone[row : row + 1], layers), tolerance)
        for row in range(len(signals))
    )


def _equal(one: dict[str, Array], other: dict[str, Array], tolerance: dict[str, float]) -> bool:
    return all(relative_l2(one[layer], other[layer]) <= bound for layer, bound in tolerance.items())


def relative_l2(value: Array, reference: Array) -> float:
    """‖value - reference‖₂ / ‖reference‖₂ in double precision; infinite where the reference is zero.

    >>> round(relative_l2(np.array([3.0, 4.5], "f4"), np.array([3.0, 4.0], "f4")), 6)
    0.1
    """
    distance = float(np.linalg.norm(value.astype(np.float64) - reference))
    length = float(np.linalg.norm(reference.astype(np.float64)))
    return distance / length if length else (0.0 if distance == 0 else float("inf"))


def _layout(outputs: Array) -> Layout:
    """Variances are never negative, means of a network's features are negative here and there."""
    features = split(outputs, list(ECAPA2_LAYERS))
    for layer in _VARIANCE_LAYERS:
        first, second = np.split(features[layer], 2, axis=1)
        rounding = 1e-5 * float(np.abs(second).max())
        if second.min() < -rounding or first.min() >= 0:
            return "unknown"
    return "mean_variance"


def _shortest(call: Call, what: str, signal: Array) -> int:
    """Bisects for the shortest accepted length: what is too short for the padding stays so for less."""
    low, high = _SHORTEST, _LONGEST
    if not _accepts(call, signal[:high]):
        raise BackboneError(
            f"{what}: {high} samples of noise are refused, expected at least 400 to be accepted"
        )
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _accepts(call, signal[:middle]) else (middle + 1, high)
    return high


def _accepts(call: Call, signal: Array) -> bool:
    try:
        return bool(np.isfinite(call(signal[None], ALL_LAYERS)).all())
    except RuntimeError:
        return False


def _finite(output: Array, what: str, label: str) -> Array:
    if bad := int((~np.isfinite(output)).sum()):
        raise BackboneError(f"{what}: label={label!r} gives {bad} numbers that are not finite")
    return output


def _reason(error: Exception) -> str:
    """The last line: TorchScript puts its own stack before what the network said."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
