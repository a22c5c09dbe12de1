"""The extraction engine: recordings in, committed rows of the feature store out, nothing computed twice.

utterances -> known hashes -> missing rows -> decode ahead -> batches -> backbone -> shards
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from profiling.audio import Audio, check_duration
from profiling.audio_index import AudioIndex, Remembered
from profiling.backbones.protocol import SAMPLE_RATE_HZ, Backbone, Waveform
from profiling.config import AudioConfig, ExtractConfig, StoreConfig
from profiling.errors import AudioError, ConfigError
from profiling.features.batching import Batcher, Piece
from profiling.features.decode import DecodeAhead, Decoded, Utterance
from profiling.features.progress import ExtractionProgress
from profiling.features.quarantine import Quarantined, update_quarantine
from profiling.features.store import FeatureKey, FeatureStore, RowKey, ShardWriter

Vectors = dict[str, NDArray[np.float32]]  # layer -> (dim,)


@dataclass
class Extraction:
    """What an extraction did.

    Attributes:
        store: where the rows are.
        keys: row key by utterance, None where it is quarantined (or was not reached).
        durations_s: seconds of audio by index of the utterance, where known.
        quarantined: the utterances without features, with reasons.
        cached: utterances whose rows were there before.
        computed: utterances computed now.
        audio_s: seconds of audio computed now.
        wall_s: seconds it took.
        interrupted: stopped by Ctrl-C; what was computed is committed.
    """

    store: FeatureStore
    keys: list[RowKey | None]
    durations_s: dict[int, float] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    cached: int = 0
    computed: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    interrupted: bool = False


def feature_key(backbone: Backbone, audio: AudioConfig, store: StoreConfig) -> FeatureKey:
    """Everything that changes a number, and nothing that does not (DESIGN 2)."""
    return FeatureKey(
        backbone={"name": backbone.name, **backbone.identity()},
        front_end={
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "resampler": "soxr_hq",
            "mono": "mean of the channels, float64" if audio.channel == "mix" else f"channel {audio.channel}",
            "long_audio": "duration-weighted mean of equal windows",
            "max_duration_s": float(audio.max_duration_s),
        },
        precision=backbone.precision,
        dtype=store.dtype,
    )


def equal_windows(num_samples: int, max_samples: int) -> list[tuple[int, int]]:
    """Spans of equal windows (to one sample), each at most ``max_samples`` long, covering everything.

    >>> equal_windows(10, 4)
    [(0, 3), (3, 6), (6, 10)]
    """
    count = max(1, -(-num_samples // max_samples))
    edges = [num_samples * part // count for part in range(count + 1)]
    return list(pairwise(edges))


def part_of(utterances: Sequence[Utterance], shard: str | None) -> list[Utterance]:
    """The utterances of ``extract.shard="3/16"``: whole files, spread by a hash of their path.

    Raises:
        ConfigError: not of the form ``part/parts`` with 1 <= part <= parts.
    """
    if shard is None:
        return list(utterances)
    part, _, parts = shard.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ConfigError(f"extract.shard={shard}: write part/parts, such as 3/16")
    return [u for u in utterances if zlib.crc32(str(u.path).encode()) % int(parts) == int(part) - 1]


class Extractor:
    """One extraction. Make one, call :meth:`run` once.

    Args:
        backbone: the frozen network.
        store: opened for ``backbone``'s feature key.
        layers: layers to store.
        audio, settings: the configuration's sections.
        index: remembered hashes of audio files.
        shown: whether progress is printed.
    """

    def __init__(
        self,
        backbone: Backbone,
        store: FeatureStore,
        layers: Sequence[str],
        *,
        audio: AudioConfig,
        settings: ExtractConfig,
        writing: StoreConfig,
        index: AudioIndex,
        shown: bool = True,
    ) -> None:
        self._backbone = backbone
        self._store = store
        self._layers = list(layers)
        self._audio = audio
        self._settings = settings
        self._writing = writing
        self._index = index
        self._shown = shown
        self._open: dict[int, _Windows] = {}
        self._queued: set[RowKey] = set()

    def plan(self, utterances: Sequence[Utterance]) -> Plan:
        """What is there and what is missing; opens no audio that is remembered."""
        paths = sorted({utterance.path for utterance in utterances})
        remembered = {} if self._settings.verify_audio else self._index.lookup_many(paths)
        keys = [row_key(utterance, remembered.get(utterance.path)) for utterance in utterances]
        known = [key for key in keys if key is not None]
        missing = set(self._store.missing(known, self._layers))
        todo = [i for i, key in enumerate(keys) if key is None or key in missing]
        durations = {
            i: seconds for i, u in enumerate(utterances) if (seconds := _seconds(u, remembered)) is not None
        }
        return Plan(list(utterances), keys, todo, durations)

    def run(self, plan: Plan) -> Extraction:
        """Computes what is missing. Ctrl-C commits what is complete and returns ``interrupted``."""
        done = Extraction(self._store, [None] * len(plan.utterances), dict(plan.durations_s))
        waiting = set(plan.todo)
        for i, key in enumerate(plan.keys):
            if i not in waiting:
                done.keys[i] = key
        done.cached = len(plan.utterances) - len(plan.todo)
        with ExtractionProgress(len(plan.todo), shown=self._shown) as progress:
            if plan.todo:
                self._compute(plan, done, progress)
            done.audio_s, done.wall_s = progress.audio_s, progress.wall_s
        tried = [plan.utterances[i].utt_id for i in plan.todo if not done.interrupted]
        if tried or done.quarantined:
            failed_ids = [entry.utt_id for entry in done.quarantined]
            update_quarantine(self._store.folder, [*tried, *failed_ids], done.quarantined)
        return done

    def _compute(self, plan: Plan, done: Extraction, progress: ExtractionProgress) -> None:
        settings = self._settings
        ahead = DecodeAhead(
            plan.utterances,
            plan.todo,
            plan.durations_s,
            workers=settings.workers,
            limit_s=settings.seconds_in_flight,
            channel=self._audio.channel,
        )
        batcher = Batcher(self._backbone.batching, settings.batch_size)
        try:
            with self._store.writer(
                self._layers,
                shard_bytes=self._writing.shard_bytes,
                commit_every_s=self._writing.commit_every_s,
            ) as writer:
                for batch in self._batches(ahead, batcher, plan, done, progress):
                    self._forward(batch, writer, done, progress)
                    ahead.release(sum(piece.duration_s for piece in batch))
        except KeyboardInterrupt:  # the writer has committed every complete row on its way out
            done.interrupted = True
        finally:
            self._index.commit()

    def _batches(
        self,
        ahead: DecodeAhead,
        batcher: Batcher,
        plan: Plan,
        done: Extraction,
        progress: ExtractionProgress,
    ) -> Iterator[list[Piece]]:
        for decoded in ahead:
            if decoded is None:
                yield from batcher.flush()
                continue
            for piece in self._accept(decoded, plan, done, progress, ahead):
                yield from batcher.add(piece)
        yield from batcher.flush()

    def _accept(
        self,
        decoded: Decoded,
        plan: Plan,
        done: Extraction,
        progress: ExtractionProgress,
        ahead: DecodeAhead,
    ) -> list[Piece]:
        """Takes one decoded utterance: quarantined, found after all, or pieces to compute."""
        asked = plan.utterances[decoded.index]
        if decoded.audio is None:
            done.quarantined.append(_quarantined(asked, decoded.error))
            progress.update(0.0, failed=True)
            return []
        audio = decoded.audio
        self._index.remember(asked.path, audio)
        key = RowKey(audio.audio_sha256, asked.start_sample, asked.end_sample)
        done.keys[decoded.index] = key
        done.durations_s[decoded.index] = audio.duration_s
        if key in self._queued or not self._store.missing([key], self._layers):
            done.cached += 1
            ahead.release(audio.duration_s)
            progress.update(0.0)
            return []
        try:
            check_duration(audio.waveform, self._backbone.min_samples)
        except AudioError as error:
            done.keys[decoded.index] = None
            done.quarantined.append(_quarantined(asked, error, audio.audio_sha256))
            ahead.release(audio.duration_s)
            progress.update(0.0, failed=True)
            return []
        self._queued.add(key)
        return self._pieces(decoded.index, key, audio)

    def _pieces(self, index: int, key: RowKey, audio: Audio) -> list[Piece]:
        spans = equal_windows(len(audio.waveform), int(self._audio.max_duration_s * SAMPLE_RATE_HZ))
        flags = audio.flags + (("windowed",) if len(spans) > 1 else ())
        self._open[index] = _Windows(key, flags, audio.duration_s, left=len(spans))
        return [Piece(index, _window(audio.waveform, span)) for span in spans]

    def _forward(
        self, batch: list[Piece], writer: ShardWriter, done: Extraction, progress: ExtractionProgress
    ) -> None:
        outputs = self._backbone.extract([piece.waveform for piece in batch], self._layers)
        for row, piece in enumerate(batch):
            total = self._open[piece.utterance]
            total.add({layer: outputs[layer][row] for layer in self._layers}, piece.duration_s)
            if total.left == 0:
                del self._open[piece.utterance]
                writer.add(total.key, total.mean(), total.flags, total.duration_s)
                done.computed += 1
                progress.update(total.duration_s)


@dataclass
class Plan:
    """What an extraction will do: indices ``todo`` of ``utterances`` have no row (or no known hash) yet.

    ``durations_s`` holds the remembered durations by index.
    """

    utterances: list[Utterance]
    keys: list[RowKey | None]
    todo: list[int]
    durations_s: dict[int, float]


@dataclass
class _Windows:
    """An utterance whose windows are being computed; they may come back in any order of batches."""

    key: RowKey
    flags: tuple[str, ...]
    duration_s: float
    left: int
    _features: list[Vectors] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)

    def add(self, features: Vectors, seconds: float) -> None:
        self.left -= 1
        self._features.append(features)
        self._seconds.append(seconds)

    def mean(self) -> Vectors:
        return window_mean(self._features, self._seconds)


def window_mean(windows: Sequence[Vectors], seconds: Sequence[float]) -> Vectors:
    """The duration-weighted mean of an utterance's windows, layer by layer; one window stays bit for bit.

    Args:
        windows: layer -> (dim,) float32, for each window.
        seconds: duration of each window.
    """
    if len(windows) == 1:
        return windows[0]
    weights = np.asarray(seconds, dtype=np.float64) / np.sum(seconds)
    return {
        layer: (weights @ np.stack([w[layer].astype(np.float64) for w in windows])).astype(np.float32)
        for layer in windows[0]
    }


def _window(waveform: Waveform, span: tuple[int, int]) -> Waveform:
    return waveform[span[0] : span[1]]


def row_key(utterance: Utterance, remembered: Remembered | None) -> RowKey | None:
    """The row of an utterance whose recording's hash is remembered; None where it is not."""
    if remembered is None:
        return None
    return RowKey(remembered.audio_sha256, utterance.start_sample, utterance.end_sample)


def _seconds(utterance: Utterance, remembered: dict[object, Remembered]) -> float | None:
    known = remembered.get(utterance.path)
    if known is None:
        return None
    end = known.num_samples if utterance.end_sample < 0 else utterance.end_sample
    return (end - utterance.start_sample) / known.sample_rate_hz


def _quarantined(utterance: Utterance, error: AudioError | None, sha256: str = "") -> Quarantined:
    stage, reason = (error.stage, error.reason) if error else ("decode", "no audio")
    return Quarantined(utterance.utt_id, str(utterance.path), stage, reason, sha256)
