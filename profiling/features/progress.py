"""What long work on recordings says meanwhile: how many, hours of audio, times real time, time left, failures."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

_PLAIN_EVERY_S = 30.0


def human_duration(seconds: float) -> str:
    """Seconds in the unit a person would use.

    >>> human_duration(45), human_duration(600), human_duration(68400)
    ('45 s', '10 min', '19 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds >= 36_000 else f"{seconds / 3600:.1f} h"


class ExtractionProgress:
    """A bar on a terminal, a plain line every half minute elsewhere; always on standard error.

    Args:
        total: utterances to compute.
        shown: False says nothing.
        stream: where to.
        unit: what is counted.
    """

    def __init__(
        self, total: int, *, shown: bool = True, stream: TextIO | None = None, unit: str = "utterances"
    ) -> None:
        self._stream = stream or sys.stderr
        self._terminal = shown and self._stream.isatty()
        self._plain = shown and not self._terminal
        self._total, self._unit = total, unit
        self._bar = tqdm(total=total, unit=f" {unit}", file=self._stream, disable=not self._terminal)
        self._started = self._said = time.monotonic()
        self.done = 0
        self.failed = 0
        self.audio_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @property
    def wall_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def update(self, audio_s: float, *, failed: bool = False, utterances: int = 1) -> None:
        """Utterances are done, ``audio_s`` seconds long together; one unless a whole block came back."""
        self.done += utterances
        self.failed += failed
        self.audio_s += audio_s
        self._bar.set_postfix_str(self._facts(), refresh=False)
        self._bar.update(utterances)
        if self._plain and time.monotonic() - self._said > _PLAIN_EVERY_S:
            self._said = time.monotonic()
            left_s = self.wall_s / self.done * max(0, self._total - self.done)
            line = f"{self.done}/{self._total} {self._unit}, {self._facts()}, {human_duration(left_s)} left"
            print(line, file=self._stream, flush=True)

    def _facts(self) -> str:
        speed = self.audio_s / max(self.wall_s, 1e-9)
        return f"{self.audio_s / 3600:.2f} h of audio, {speed:.1f} x real time, {self.failed} failed"
