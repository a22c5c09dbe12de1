"""What the recordings of a manifest hold: hash, length and rate of each, by decoding it once.

A recording whose hash is remembered is not opened again, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from profiling.audio import Audio, load_audio
from profiling.audio_index import AudioIndex, Remembered
from profiling.corpora.manifest import UNKNOWN, WHOLE_FILE
from profiling.corpora.verify import PROBLEM_COLUMNS
from profiling.errors import AudioError

Tick = Callable[[int], object]

_COMMIT_EVERY_S = 5.0
_AHEAD = 4  # recordings in work or waiting per thread


@dataclass(frozen=True)
class Filled:
    """A manifest with what its recordings hold.

    Attributes:
        table: the manifest; rows whose recording cannot be used keep an unknown hash and length.
        problems: one row per problem: utt_id, path, stage, reason.
        opened: recordings that were read.
        remembered: recordings whose hash was known, so that they were not.
        duplicates: rows beyond the first that hold the same span of the same audio.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    opened: int
    remembered: int
    duplicates: int


def fill_audio(table: pd.DataFrame, index: AudioIndex, workers: int, tick: Tick = lambda _: None) -> Filled:
    """Fills ``audio_sha256``, ``num_samples`` and ``sample_rate_hz``.

    Args:
        table: a checked manifest.
        index: the remembered hashes; what is found is added, also when interrupted.
        workers: threads.
        tick: told how many more recordings are done.
    """
    paths = [Path(path) for path in dict.fromkeys(table["path"])]
    known: dict[Path, Remembered | AudioError] = dict(index.lookup_many(paths))
    todo = [path for path in paths if path not in known]
    remembered = len(known)
    tick(remembered)
    known.update(_read_all(todo, index, workers, tick))
    found = [known[Path(path)] for path in table["path"]]
    hashes = [None if isinstance(f, AudioError) else f.audio_sha256 for f in found]
    filled = table.assign(
        audio_sha256=pd.Series(hashes, index=table.index, dtype=object),
        num_samples=[UNKNOWN if isinstance(f, AudioError) else f.num_samples for f in found],
        sample_rate_hz=[UNKNOWN if isinstance(f, AudioError) else f.sample_rate_hz for f in found],
    )
    hashed = filled[filled["audio_sha256"].notna()]
    duplicates = int(hashed.duplicated(["audio_sha256", "start_sample", "end_sample"]).sum())
    return Filled(filled, _problems(table, found), len(todo), remembered, duplicates)


def _read_all(
    paths: Iterable[Path], index: AudioIndex, workers: int, tick: Tick
) -> Iterator[tuple[Path, Remembered | AudioError]]:
    """Decodes the recordings ahead; what was found is remembered at least every few seconds and at the end."""
    committed = time.monotonic()
    try:
        for path, future in _submitted(paths, workers):
            try:
                audio = future.result()
            except AudioError as error:
                yield path, error
            else:
                index.remember(path, audio)
                yield path, _facts(audio)
            tick(1)
            if time.monotonic() - committed > _COMMIT_EVERY_S:
                index.commit()
                committed = time.monotonic()
    finally:
        index.commit()


def _submitted(paths: Iterable[Path], workers: int) -> Iterator[tuple[Path, Future[Audio]]]:
    """Recordings in the order given, a few of them in work at a time."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="hash")
    left = iter(paths)
    running = [(path, pool.submit(load_audio, path)) for path in islice(left, _AHEAD * workers)]
    try:
        while running:
            yield running.pop(0)
            running += [(path, pool.submit(load_audio, path)) for path in islice(left, 1)]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _facts(audio: Audio) -> Remembered:
    num_bytes, mtime_ns = (audio.stamp.num_bytes, audio.stamp.mtime_ns) if audio.stamp else (0, 0)
    rate_hz, channels = audio.sample_rate_hz, audio.channels
    return Remembered(num_bytes, mtime_ns, audio.audio_sha256, audio.num_samples, rate_hz, channels)


def _problems(table: pd.DataFrame, found: list[Remembered | AudioError]) -> pd.DataFrame:
    """Recordings that cannot be used, and spans that lie outside of theirs."""
    rows: list[tuple[str, str, str, str]] = []
    columns = zip(table["utt_id"], table["path"], table["start_sample"], table["end_sample"], strict=True)
    for (utt_id, path, start, end), fact in zip(columns, found, strict=True):
        if isinstance(fact, AudioError):
            rows.append((utt_id, path, fact.stage, fact.reason))
        elif (start, end) != WHOLE_FILE and not start < (
            end if end >= 0 else fact.num_samples
        ) <= fact.num_samples:
            reason = f"span {start} to {end} is not inside its {fact.num_samples} samples"
            rows.append((utt_id, path, "check", reason))
    return pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS), dtype=object)
