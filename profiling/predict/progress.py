"""What prediction says while it works: a bar on a terminal, a plain line every half minute elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

from profiling.features.progress import human_duration

_PLAIN_EVERY_S = 30.0


class PredictProgress:
    """Counts recordings, on standard error.

    Args:
        total: recordings to come.
        stream: where to; None is standard error.

    Attributes:
        done: recordings answered or failed.
        failed: of these.
        audio_s: seconds of audio answered on.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        shown = total > 1 and self._stream.isatty()
        self._bar = tqdm(total=total, unit="file", file=self._stream, disable=not shown)
        self._plain = not shown
        self._total = total
        self._started = self._said = time.monotonic()
        self.done, self.failed, self.audio_s = 0, 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, duration_s: float | None, *, failed: bool) -> None:
        """One recording is done."""
        self.done += 1
        self.failed += failed
        self.audio_s += duration_s or 0.0
        self._bar.set_postfix_str(f"{self.failed} failed", refresh=False)
        self._bar.update(1)
        now = time.monotonic()
        if self._plain and now - self._said > _PLAIN_EVERY_S:
            self._said = now
            left_s = (now - self._started) / self.done * max(0, self._total - self.done)
            line = f"{self.done}/{self._total} files, {self.failed} failed, {human_duration(left_s)} left"
            print(line, file=self._stream, flush=True)

    def summary(self) -> str:
        """The whole run in a line."""
        wall_s = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{self.done} files: {self.done - self.failed} answered, {self.failed} failed; "
            f"{human_duration(self.audio_s)} of audio in {human_duration(wall_s)} "
            f"({self.done / wall_s:.1f} files/s, {self.audio_s / wall_s:.0f} x real time)"
        )
