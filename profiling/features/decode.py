"""Decode-ahead: recordings are read and decoded by threads while the backbone works, within a budget.

libsndfile and soxr release Python's lock, so threads are enough and the process stays one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from profiling.audio import Audio, Recording, hear_span, probe_duration
from profiling.config import AudioConfig
from profiling.errors import AudioError

#: Recordings decoded or being decoded for each thread. Deep enough for the threads to decode the next batches
#: while one is computed; what is in memory is bounded in seconds.
AHEAD_EACH = 32
#: Sums of seconds come back to zero only this closely.
_NOTHING_S = 1e-6


@dataclass(frozen=True)
class Utterance:
    """What is asked for: one span of one recording.

    Attributes:
        utt_id: unique id of the manifest.
        path: the recording.
        start_sample: first sample, at the file's own rate.
        end_sample: one past the last sample, at the file's own rate; -1 is the end of the file.
    """

    utt_id: str
    path: Path
    start_sample: int = 0
    end_sample: int = -1


@dataclass(frozen=True, eq=False)
class Decoded:
    """One decoded utterance, or why there is none."""

    index: int
    audio: Audio | None
    error: AudioError | None


class SharedRecording:
    """A recording that is read once, by whichever thread needs it first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._recording: Recording | None = None
        self._opening = threading.Lock()

    def hear(self, asked: Utterance, rules: AudioConfig) -> Audio:
        """One span of it.

        Raises:
            AudioError: it cannot be used.
        """
        with self._opening:
            if self._recording is None:
                self._recording = Recording(self.path)
        return hear_span(self._recording, rules, asked.start_sample, asked.end_sample)


class DecodeAhead:
    """Iterates over decoded utterances in the order asked.

    Yields None when the budget is full of audio the consumer still holds: it must compute and
    :meth:`release` some before more is decoded.

    Args:
        utterances: all that were asked for.
        todo: indices into ``utterances`` to decode; spans of one file that follow one another read it once.
        durations_s: known durations by index; unknown ones may be missing.
        workers: threads.
        limit_s: seconds of audio decoded or being decoded at any time (one utterance always may).
        rules: which channel, which perturbations.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        todo: Sequence[int],
        durations_s: dict[int, float],
        *,
        workers: int,
        limit_s: float,
        rules: AudioConfig,
    ) -> None:
        self._utterances = utterances
        self._todo = deque(todo)
        self._durations_s = dict(durations_s)
        self._workers = workers
        self._limit_s = limit_s
        self._rules = rules
        self._in_flight_s = 0.0
        self._shared = SharedRecording(Path())

    def release(self, seconds: float) -> None:
        """The consumer is done with this much decoded audio."""
        self._in_flight_s -= seconds

    def __iter__(self) -> Iterator[Decoded | None]:
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")
        running: deque[tuple[int, float, Future[Audio]]] = deque()
        try:
            while self._todo or running:
                self._submit(running, pool.submit)
                if running:
                    yield self._finish(*running.popleft())
                else:
                    yield None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(
        self,
        running: deque[tuple[int, float, Future[Audio]]],
        submit: Callable[..., Future[Audio]],
    ) -> None:
        while self._todo and len(running) < AHEAD_EACH * self._workers:
            hint = self._expected_s(self._todo[0])
            if self._in_flight_s > _NOTHING_S and self._in_flight_s + hint > self._limit_s:
                return
            index = self._todo.popleft()
            self._in_flight_s += hint
            asked = self._utterances[index]
            if self._shared.path != asked.path:
                self._shared = SharedRecording(asked.path)
            future = submit(self._shared.hear, asked, self._rules)
            running.append((index, hint, future))

    def _expected_s(self, index: int) -> float:
        """Seconds of audio to come; asked of the file's header once where nobody knows."""
        if index not in self._durations_s:
            self._durations_s[index] = header_seconds(self._utterances[index]) or 0.0
        return self._durations_s[index]

    def _finish(self, index: int, hint: float, future: Future[Audio]) -> Decoded:
        self._in_flight_s -= hint
        try:
            audio = future.result()
        except AudioError as error:
            return Decoded(index, None, error)
        self._in_flight_s += audio.duration_s
        return Decoded(index, audio, None)


def header_seconds(utterance: Utterance) -> float | None:
    """Seconds of audio as the file's header says; None where it cannot be used, and so costs nothing."""
    try:
        num_samples, rate_hz = probe_duration(utterance.path)
    except AudioError:
        return None
    end = num_samples if utterance.end_sample < 0 else utterance.end_sample
    return (end - utterance.start_sample) / rate_hz
