"""Every recording of a manifest measured once: from the cache where its content is known, else decoded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from profiling.audio import Audio, load_audio
from profiling.audio_index import AudioIndex
from profiling.audit.measured import MeasureCache
from profiling.audit.signal import Measures, measure
from profiling.content_table import Span
from profiling.errors import AudioError
from profiling.features.progress import ExtractionProgress

_KEEP_EVERY = 200  # measured recordings before they are written: an interruption loses no more


@dataclass
class Heard:
    """What listening to a manifest gave, in its order.

    Attributes:
        sha256: (rows,) of the file's bytes; None where it cannot be read.
        measures: (rows,) None where the recording cannot be used.
        failed: row -> why not.
        cached: how many came from the cache.
    """

    sha256: list[str | None]
    measures: list[Measures | None]
    failed: dict[int, str] = field(default_factory=dict)
    cached: int = 0


def listen(table: pd.DataFrame, cache: Path, channel: str, workers: int, *, progress: bool = True) -> Heard:
    """Measures every row of a manifest.

    Args:
        table: manifest rows.
        cache: ``paths.cache``.
        channel: ``audio.channel``.
        workers: threads that decode and measure.
        progress: whether to say how far it is, on standard error.
    """
    spans = _Spans(table, channel)
    index, kept = AudioIndex(cache), MeasureCache(cache)
    known = index.lookup_many({Path(path) for path in table["path"]})
    sha256 = [known[p].audio_sha256 if p in known else None for p in map(Path, table["path"])]
    asked = [None if sha is None else spans.of(row, sha) for row, sha in enumerate(sha256)]
    found = kept.read({span for span in asked if span is not None})
    heard = Heard(sha256, [None if span is None else found.get(span) for span in asked])
    todo = [row for row, measures in enumerate(heard.measures) if measures is None]
    heard.cached = len(table) - len(todo)
    with ExtractionProgress(len(todo), shown=progress) as shown:
        _measure_all(spans, todo, heard, (index, kept), shown, workers)
    return heard


@dataclass(frozen=True)
class _Spans:
    """The rows as spans."""

    table: pd.DataFrame
    channel: str

    def of(self, row: int, sha256: str) -> Span:
        start, end = (int(self.table[name].iloc[row]) for name in ("start_sample", "end_sample"))
        return Span(sha256, start, end, self.channel)

    def measure(self, row: int) -> tuple[Audio, Measures]:
        start, end = (int(self.table[name].iloc[row]) for name in ("start_sample", "end_sample"))
        audio = load_audio(self.path(row), start, end, self.channel)
        return audio, measure(audio)

    def path(self, row: int) -> Path:
        return Path(self.table["path"].iloc[row])


def _measure_all(
    spans: _Spans,
    todo: Sequence[int],
    heard: Heard,
    stores: tuple[AudioIndex, MeasureCache],
    progress: ExtractionProgress,
    workers: int,
) -> None:
    index, kept = stores
    waiting: dict[Span, Measures] = {}
    try:
        for row, future in _ahead(spans, todo, workers):
            try:
                audio, measures = future.result()
            except AudioError as error:
                heard.failed[row] = str(error)
                progress.update(0.0, failed=True)
                continue
            index.remember(spans.path(row), audio)
            heard.sha256[row], heard.measures[row] = audio.audio_sha256, measures
            waiting[spans.of(row, audio.audio_sha256)] = measures
            progress.update(measures.duration_s)
            if len(waiting) >= _KEEP_EVERY:
                kept.write(waiting)
                waiting.clear()
    finally:  # Ctrl-C keeps what was measured
        if waiting:
            kept.write(waiting)
        index.commit()


def _ahead(
    spans: _Spans, todo: Sequence[int], workers: int
) -> Iterator[tuple[int, Future[tuple[Audio, Measures]]]]:
    """Rows in order, a few of them being measured ahead."""
    pool = ThreadPoolExecutor(min(workers, os.cpu_count() or 1), thread_name_prefix="audit")
    left, running = deque(todo), deque[tuple[int, Future[tuple[Audio, Measures]]]]()
    try:
        while left or running:
            while left and len(running) < 4 * workers:
                row = left.popleft()
                running.append((row, pool.submit(spans.measure, row)))
            yield running.popleft()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
