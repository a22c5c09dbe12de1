"""Where requests wait for the one thread that runs the models: a bounded number of places, answers in turn."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from profiling.audio import probe_duration
from profiling.errors import AudioError, ConfigError
from profiling.predict.panel import Panel, PanelOptions
from profiling.predict.profiler import Profiler
from profiling.predict.rows import Row, to_json
from profiling.predict.sources import NamedFile
from profiling.predict.stop import Stop
from profiling.serve.limits import Limits, RefusedError
from profiling.serve.upload import Upload

_PANELS_KEPT = 8  # one for each way of listening; making one costs milliseconds, or silero-vad's loading
_SLOWEST_FORECAST_S = 60


@dataclass(frozen=True)
class Asked:
    """How a request wants its recording heard.

    Attributes:
        timeline: longest window in seconds; None for no timeline.
        channel: ``mix``, ``0``, ``1``, ...; None as the heads were trained.
    """

    timeline: float | None = None
    channel: str | None = None


class LeftError(Exception):
    """The client went away before it was answered."""


class Desk:
    """Profilers behind one thread.

    Args:
        profilers: in the order of their answers.
        limits: of a request.
        vad: what finds speech, as in ``profiling predict --vad``.

    Raises:
        ConfigError: a ``vad`` that does not exist or is not installed.
    """

    def __init__(self, profilers: Sequence[Profiler], limits: Limits, vad: str = "auto") -> None:
        self.profilers, self.limits, self._vad = list(profilers), limits, vad
        self._panels: OrderedDict[Asked, Panel] = OrderedDict()  # only the model thread touches it, but here
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.taken = 0
        self._recent_s = 1.0
        self.vad = self._panel(Asked(timeline=1.0)).vad

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds one of the places.

        Raises:
            RefusedError: all are taken; says when to come again.
        """
        if self.taken >= self.limits.queue:
            seconds = min(_SLOWEST_FORECAST_S, max(1, round(self.taken * self._recent_s)))
            raise RefusedError(
                503,
                f"{self.taken} requests are here already; try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    def check(self, asked: Asked) -> None:
        """Refuses a way of listening that does not exist.

        Raises:
            RefusedError: with the reason; also for ``each``, which makes several answers.
        """
        if asked.channel == "each":
            raise RefusedError(
                400, "channel=each makes several answers; ask for one channel at a time: 0, 1, ..."
            )
        try:
            PanelOptions(channel=asked.channel, window_s=asked.timeline)
        except ConfigError as error:
            raise RefusedError(400, str(error).replace("window_s=", "timeline=")) from error

    async def answer(self, upload: Upload, asked: Asked, left: Awaitable[object]) -> Row:
        """The answer on one recording: the row that ``profiling predict`` prints.

        Args:
            upload: the recording.
            asked: how to listen.
            left: done when the client goes away. One that waits is then forgotten; one that is being computed
                ends before its next block or batch.

        Raises:
            AudioError: it cannot be used.
            RefusedError: it is too long.
            LeftError: the client went away.
        """
        stop = Stop()
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._row, upload, asked, stop)
        gone = asyncio.ensure_future(left)
        first: set[asyncio.Future[Any]] = {job, gone}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise LeftError
            return await job
        finally:
            stop.ask()
            gone.cancel()
            job.cancel()

    def close(self) -> None:
        """Ends the thread; what waits is forgotten."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _row(self, upload: Upload, asked: Asked, stop: Stop) -> Row:
        started = time.monotonic()
        self._check_duration(upload)
        row = to_json(self._panel(asked)(NamedFile(upload.path, upload.name), stop=stop))
        self._recent_s += 0.2 * (time.monotonic() - started - self._recent_s)
        return row

    def _check_duration(self, upload: Upload) -> None:
        try:
            num_samples, rate_hz = probe_duration(upload.path)
        except AudioError:
            return  # the loader says what is wrong with it
        if num_samples / rate_hz > self.limits.max_seconds:
            raise self.limits.too_long(num_samples / rate_hz)

    def _panel(self, asked: Asked) -> Panel:
        """A panel that listens as asked; nothing is read from the feature cache nor kept in it."""
        if asked not in self._panels:
            options = PanelOptions(asked.channel, asked.timeline, self._vad, cache="off")
            self._panels[asked] = Panel(self.profilers, options)
        self._panels.move_to_end(asked)
        while len(self._panels) > _PANELS_KEPT:
            self._panels.popitem(last=False)
        return self._panels[asked]
