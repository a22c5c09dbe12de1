"""Work on a recording that nobody waits for any more ends before its next block or batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from profiling.audio.loader import Waveform


class StoppedError(Exception):
    """Whoever asked wants no answer any more."""


class Stop:
    """Set by one thread, looked at by another between two pieces of work. A network is never stopped inside."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Asks for the end."""
        self._asked.set()

    def check(self) -> None:
        """Goes on, unless the end was asked for.

        Raises:
            StoppedError: it was.
        """
        if self._asked.is_set():
            raise StoppedError


def checked(blocks: Callable[[], Iterable[Waveform]], stop: Stop) -> Callable[[], Iterator[Waveform]]:
    """The same walk, which ends with :class:`StoppedError` once the end was asked for."""

    def walk() -> Iterator[Waveform]:
        for block in blocks():
            stop.check()
            yield block

    return walk
