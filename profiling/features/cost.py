"""What an extraction will cost, said before it starts: hours of audio, device, backbone, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from profiling.backbones.protocol import SAMPLE_RATE_HZ, Backbone, Waveform
from profiling.features.decode import header_seconds
from profiling.features.plan import Plan
from profiling.features.progress import human_duration

#: Unknown durations are read from the headers of at most this many files, evenly spread.
_HEADERS = 200
_PROBE_S = 1.0
_PROBE_BATCH = 8
_PROBE_ENOUGH_S = 2.0  # a slow backbone's set-up does not show beside its work
_PROBE_SEED = 20260101


def audio_seconds(plan: Plan) -> float:
    """Seconds of audio to compute: remembered durations, the rest from a sample of headers."""
    unknown = [plan.utterances[i] for i in plan.todo if i not in plan.durations_s]
    known_s = sum(plan.durations_s.get(i, 0.0) for i in plan.todo)
    if not unknown:
        return known_s
    step = max(1, len(unknown) // _HEADERS)
    sampled = [seconds for u in unknown[::step] if (seconds := header_seconds(u)) is not None]
    return known_s + (fmean(sampled) * len(unknown) if sampled else 0.0)


def seconds_per_second(backbone: Backbone, layers: Sequence[str]) -> float:
    """Measured seconds of computing per second of audio: the quicker of two passes over a short signal.

    The first pass of a shape pays for set-up, and on a busy machine one pass can take twenty times another.
    """
    rng = np.random.default_rng(_PROBE_SEED)
    signal = (0.1 * rng.standard_normal(int(_PROBE_S * SAMPLE_RATE_HZ))).astype(np.float32)
    batch = [signal] * (1 if backbone.batching == "single" else _PROBE_BATCH)
    first_s = _timed(backbone, batch, layers)
    again_s = first_s if first_s > _PROBE_ENOUGH_S else _timed(backbone, batch, layers)
    return min(first_s, again_s) / (_PROBE_S * len(batch))


def _timed(backbone: Backbone, batch: list[Waveform], layers: Sequence[str]) -> float:
    started = time.perf_counter()
    backbone.extract(batch, layers)
    return time.perf_counter() - started


def cost_line(plan: Plan, backbone: Backbone, layers: Sequence[str]) -> str:
    """For example ``5.6 h of audio, CPU, ecapa2: about 19 h``."""
    audio_s = audio_seconds(plan)
    estimate_s = max(1.0, audio_s * seconds_per_second(backbone, layers))
    device = backbone.device.upper()
    return (
        f"{human_duration(audio_s)} of audio, {device}, {backbone.name}: about {human_duration(estimate_s)}"
    )
