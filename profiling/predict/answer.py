"""What is said of a recording: one answer per head, gathered in one profile per recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Bundles are named by this many digits of their signature: 64 bits.
NAME_DIGITS = 16


@dataclass(frozen=True)
class Interval:
    """A range that holds the truth for a share of recordings like those it was fitted on.

    Attributes:
        low: lower end, in the answer's unit.
        high: upper end.
        coverage: the share, such as 0.9.
    """

    low: float
    high: float
    coverage: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return {"low": self.low, "high": self.high, "coverage": self.coverage}


@dataclass(frozen=True)
class Answer:
    """What one head says of one recording, or of a part of it.

    Attributes:
        task: ``age``, ``gender`` or ``emotion``.
        label: the most probable label; None for a number.
        probabilities: label -> probability, calibrated if the bundle can; empty for a number.
        uncalibrated: label -> the head's own probability, what ``evaluate`` writes; empty for a number.
        label_set: labels that hold the truth for 0.9 of speakers like those of training, the most probable
            first; empty where the bundle brings none.
        value: the number, in ``unit``; None for classes.
        unit: of ``value``, such as ``years``.
        interval: around ``value``; None where the bundle brings none.
        flags: of this head: ``outside_training_range``.
        profiler: signature of the bundle that answered.
        backbone: name and what stands behind it, such as ``native_mini (untrained)``.
    """

    task: str
    label: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    uncalibrated: dict[str, float] = field(default_factory=dict)
    label_set: tuple[str, ...] = ()
    value: float | None = None
    unit: str = ""
    interval: Interval | None = None
    flags: tuple[str, ...] = ()
    profiler: str = ""
    backbone: str = ""

    @property
    def calibrated(self) -> bool:
        """Whether the probabilities are others than the head's own."""
        return self.probabilities != self.uncalibrated

    def to_json(self, *, brief: bool = False) -> dict[str, Any]:
        """JSON values; ``brief`` leaves out what all parts of a recording share."""
        named: dict[str, Any] = {} if brief else {"profiler": self.profiler, "backbone": self.backbone}
        flags = {"flags": list(self.flags)} if self.flags else {}
        if self.value is None:
            said = {"label": self.label, "probabilities": self.probabilities}
            sets = {"label_set": list(self.label_set)} if self.label_set else {}
            own = {"uncalibrated": self.uncalibrated} if self.calibrated else {}
            about = {} if brief else {"calibrated": self.calibrated, **own}
            return {**said, **sets, **about, **flags, **named}
        interval = self.interval.to_json() if self.interval else None
        return {"value": self.value, "unit": self.unit, "interval": interval, **flags, **named}


@dataclass(frozen=True)
class Segment:
    """A stretch of speech and what the heads say of it alone.

    Attributes:
        start_s: begin, in seconds from the recording's.
        end_s: end.
        answers: one per head.
    """

    start_s: float
    end_s: float
    answers: tuple[Answer, ...]

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Profile:
    """Everything said of one recording.

    Attributes:
        path: as it was given; ``-`` for standard input, ``array`` for samples.
        answers: one per head, on the whole recording: what ``evaluate`` would answer.
        error: why there is no answer; None otherwise.
        channel: ``mix``, ``0``, ``1``, ...
        duration_s: of the recording.
        sample_rate_hz: the file's own.
        channels: in the file.
        flags: ``windowed``, ``upsampled``, ``clipped``, ``unterminated``, ``too_short``, ``low_snr``,
            ``perturbed``, ``no_speech``: see docs/predict.md.
        snr_db: estimated from frame levels; None below half a second.
        audio_sha256: of the file's bytes; empty for samples.
        vad: what found the speech: ``silero <version>``, ``energy`` or ``none``; empty where nobody looked.
        timeline: stretches of speech; empty unless asked for.
        speech_s: seconds of speech; None where nobody looked.
        speech: answers over the timeline, weighted by duration; empty unless asked for.
    """

    path: str
    answers: tuple[Answer, ...] = ()
    error: str | None = None
    channel: str = "mix"
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    flags: tuple[str, ...] = ()
    snr_db: float | None = None
    audio_sha256: str = ""
    vad: str = ""
    timeline: tuple[Segment, ...] = ()
    speech_s: float | None = None
    speech: tuple[Answer, ...] = ()

    def answer(self, task: str) -> Answer:
        """The answer of the first head for a task.

        Raises:
            KeyError: nobody was asked about it, or there is an error instead; the message says which.
        """
        for one in self.answers:
            if one.task == task:
                return one
        raise KeyError(self.error or f"no head for {task!r} (asked: {[a.task for a in self.answers]})")

    @property
    def age(self) -> Answer:
        """The age, in years."""
        return self.answer("age")

    @property
    def gender(self) -> Answer:
        """The gender."""
        return self.answer("gender")

    @property
    def emotion(self) -> Answer:
        """The emotion."""
        return self.answer("emotion")


def names_of(answers: tuple[Answer, ...]) -> list[str]:
    """A name for each answer: its task, with the bundle where several answer on the same task.

    >>> names_of((Answer("age"), Answer("emotion", profiler="ab12cd34ef"), Answer("emotion", profiler="ff")))
    ['age', 'emotion@ab12cd34', 'emotion@ff']
    """
    tasks = [one.task for one in answers]
    return [one.task if tasks.count(one.task) == 1 else f"{one.task}@{one.profiler[:8]}" for one in answers]
