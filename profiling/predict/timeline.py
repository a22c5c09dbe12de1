"""From stretches of speech to windows, and from the windows' answers to one: weighted by duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from profiling.audio import SAMPLE_RATE_HZ
from profiling.features.windows import equal_windows
from profiling.predict.activity import Spans
from profiling.predict.answer import Answer, Interval, Segment

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


def over_time(segments: Sequence[Segment]) -> tuple[Answer, ...]:
    """One answer per head over all segments: the mean of its answers, weighted by their duration."""
    if not segments:
        return ()
    weights = np.array([segment.duration_s for segment in segments])
    weights /= weights.sum()
    return tuple(
        _mean(answers, weights.tolist())
        for answers in zip(*(segment.answers for segment in segments), strict=True)
    )


def _mean(answers: Sequence[Answer], weights: Sequence[float]) -> Answer:
    """An interval over several windows is not known: that of one window is not narrowed by their number."""
    first = answers[0]
    flags = tuple(dict.fromkeys(flag for one in answers for flag in one.flags))
    if first.value is not None:
        value = sum(weight * (one.value or 0.0) for weight, one in zip(weights, answers, strict=True))
        return replace(first, value=value, interval=_mean_interval(answers, weights), flags=flags)
    probabilities = {
        label: sum(weight * one.probabilities[label] for weight, one in zip(weights, answers, strict=True))
        for label in first.probabilities
    }
    best = max(probabilities, key=probabilities.__getitem__)
    return replace(first, label=best, probabilities=probabilities, flags=flags)


def _mean_interval(answers: Sequence[Answer], weights: Sequence[float]) -> Interval | None:
    intervals = [one.interval for one in answers]
    if any(interval is None for interval in intervals):
        return None
    known = [interval for interval in intervals if interval is not None]
    low = sum(weight * one.low for weight, one in zip(weights, known, strict=True))
    high = sum(weight * one.high for weight, one in zip(weights, known, strict=True))
    return Interval(low, high, known[0].coverage)
