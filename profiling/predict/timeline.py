"""From stretches of speech to windows, and from the windows' answers to one: weighted by duration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from profiling.audio import SAMPLE_RATE_HZ
from profiling.features.windows import equal_windows
from profiling.predict.activity import Spans
from profiling.predict.answer import Answer, Segment

if TYPE_CHECKING:
    from profiling.predict.profiler import Profiler

#: Windows shorter than this say little of a speaker: speech is widened to it on both sides where there is room.
SHORTEST_S = 1.0


def windows_of(speech: Spans, window_s: float, num_samples: int) -> Spans:
    """Windows of at most ``window_s`` seconds over the speech, in the order of time, without overlap.

    Stretches longer than that are cut into equal windows; stretches below a second are widened to one, and
    joined with the next where they then touch.

    Args:
        speech: (start, end) in samples at 16 kHz.
        window_s: longest window, in seconds.
        num_samples: of the recording.
    """
    longest = int(window_s * SAMPLE_RATE_HZ)
    shortest = min(int(SHORTEST_S * SAMPLE_RATE_HZ), longest, num_samples)
    return [
        (start + first, start + last)
        for start, end in _joined([_widened(span, shortest, num_samples) for span in speech])
        for first, last in equal_windows(end - start, longest)
    ]


def _widened(span: tuple[int, int], shortest: int, num_samples: int) -> tuple[int, int]:
    missing = shortest - (span[1] - span[0])
    if missing <= 0:
        return span
    start = min(max(0, span[0] - missing // 2), num_samples - shortest)
    return start, start + shortest


def _joined(spans: Spans) -> Spans:
    joined: Spans = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def over_time(segments: Sequence[Segment], profilers: Sequence[Profiler]) -> tuple[Answer, ...]:
    """One answer per head over all segments: the mean of its own outputs, weighted by their duration.

    Calibration comes after the mean: it was fitted on one output per recording.
    """
    if not segments:
        return ()
    seconds = np.array([segment.duration_s for segment in segments], dtype=np.float64)
    weights = (seconds / seconds.sum()).tolist()
    columns = zip(*(segment.answers for segment in segments), strict=True)
    return tuple(_mean(one, answers, weights) for one, answers in zip(profilers, columns, strict=True))


def _mean(profiler: Profiler, answers: Sequence[Answer], weights: Sequence[float]) -> Answer:
    pairs = list(zip(weights, answers, strict=True))
    if answers[0].value is not None:
        return profiler.number(sum(weight * (one.value or 0.0) for weight, one in pairs))
    labels = answers[0].uncalibrated
    return profiler.classes(
        {label: sum(weight * one.uncalibrated[label] for weight, one in pairs) for label in labels}
    )
