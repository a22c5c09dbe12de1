"""One extraction on its way: decode ahead -> batches -> backbone, in streams -> rows -> shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from profiling.audio import Audio, check_duration
from profiling.audio_index import AudioIndex
from profiling.backbones.protocol import Backbone, Features
from profiling.config import RunConfig
from profiling.content_table import Span
from profiling.errors import AudioError
from profiling.features.batching import Batcher, Piece
from profiling.features.decode import DecodeAhead, Decoded
from profiling.features.key import pack_keys
from profiling.features.plan import Plan
from profiling.features.progress import ExtractionProgress
from profiling.features.quarantine import FailedHashes, Quarantined, quarantined
from profiling.features.store import FeatureStore, RowKey, ShardWriter
from profiling.features.streams import Batch, batch_seconds, compute_batches, stream_count
from profiling.features.windows import PendingRow, equal_windows
from profiling.snr_index import SnrIndex


@dataclass(frozen=True)
class Setup:
    """What an extraction computes with.

    Attributes:
        backbone: the frozen network.
        store: opened for ``backbone``'s feature key.
        layers: layers to store.
        config: sections ``audio``, ``extract``, ``store`` and ``trainer.progress`` are read.
        index: remembered hashes of recordings.
        snr: remembered signal-to-noise ratios of their spans.
        max_samples: longest window, at 16 kHz.
    """

    backbone: Backbone
    store: FeatureStore
    layers: list[str]
    config: RunConfig
    index: AudioIndex
    snr: SnrIndex
    max_samples: int


@dataclass
class Extraction:
    """What an extraction did. Every utterance is cached, computed, shared, quarantined or was not reached.

    Attributes:
        store: where the rows are.
        keys: row key by utterance, None where it is quarantined or was not reached.
        durations_s: seconds of audio by index of the utterance, where known.
        quarantined: the utterances without features, with reasons.
        cached: utterances whose rows were there before.
        computed: utterances computed now.
        shared: utterances whose audio is, byte for byte, that of one computed now.
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
    shared: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    interrupted: bool = False


class Run:
    """One extraction on its way.

    A row is *pending* from the moment its audio is decoded until its last window is computed, then *finished*.
    Utterances with the same audio and span wait for one row.

    Attributes:
        done: what was done so far.
    """

    def __init__(self, setup: Setup, plan: Plan, progress: ExtractionProgress) -> None:
        self._setup = setup
        self._plan = plan
        self._progress = progress
        self._ahead = _decode_ahead(setup.config, plan)
        self._streams = stream_count(setup.config.extract.streams, setup.backbone)
        self._batcher = Batcher(
            setup.backbone.batching,
            setup.config.extract.batch_size,
            max_batch_s=batch_seconds(setup.backbone, self._streams),
        )
        self._pending: dict[int, PendingRow] = {}
        self._waiting: dict[RowKey, list[int]] = {}
        self._finished: set[RowKey] = set()
        self._failed_hashes = FailedHashes()
        self._before = setup.store.refresh()  # a snapshot: listing the folder for each row would cost more
        todo = set(plan.todo)
        keys = [None if i in todo else key for i, key in enumerate(plan.keys)]
        self.done = Extraction(setup.store, keys, dict(plan.durations_s), cached=len(keys) - len(todo))

    def compute(self) -> None:
        """Decodes, batches, computes and commits until nothing is left, or Ctrl-C."""
        try:
            with _writer(self._setup) as writer:
                for batch, features in self._computed():
                    committed = writer.committed
                    self._take(batch, features, writer)
                    if writer.committed > committed:  # hashes are remembered as soon as their rows are safe
                        self._remember()
        except KeyboardInterrupt:  # the writer has committed every complete row on its way out
            self.done.interrupted = True
            self._count_committed()
        finally:
            self._remember()
            self.done.audio_s, self.done.wall_s = self._progress.audio_s, self._progress.wall_s

    def _remember(self) -> None:
        self._setup.index.commit()
        self._setup.snr.commit()

    def _computed(self) -> Iterator[tuple[Batch, Features]]:
        backbone = self._setup.backbone
        return compute_batches(backbone, self._setup.layers, self._batches(), self._streams)

    def _batches(self) -> Iterator[Batch | None]:
        for decoded in self._ahead:
            if decoded is None:  # the budget is full of audio that waits for its batch, or is in one
                yield from self._batcher.flush()
                yield None
                continue
            for piece in self._pieces(decoded):
                yield from self._batcher.add(piece)
        yield from self._batcher.flush()

    def _pieces(self, decoded: Decoded) -> list[Piece]:
        """What is to be computed for one decoded utterance; nothing if it is unusable or there after all."""
        if decoded.audio is None:
            self._refuse(decoded.index, decoded.error)
            return []
        audio, asked = decoded.audio, self._plan.utterances[decoded.index]
        self._setup.index.remember(asked.path, audio)
        self.done.durations_s[decoded.index] = audio.duration_s
        key = RowKey(audio.audio_sha256, asked.start_sample, asked.end_sample)
        self._setup.snr.keep(Span(*key, self._setup.config.audio.channel), audio.snr_db)
        if self._is_there(decoded.index, key):
            self._ahead.release(audio.duration_s)
            return []
        try:
            check_duration(audio.waveform, self._setup.backbone.min_samples)
        except AudioError as error:
            self._ahead.release(audio.duration_s)
            self._refuse(decoded.index, error)
            return []
        return self._open(decoded.index, key, audio)

    def _is_there(self, index: int, key: RowKey) -> bool:
        """Whether the row needs no computing of its own: found, just finished, or on its way for another."""
        if key in self._waiting:
            self._waiting[key].append(index)
            return True
        shared = key in self._finished
        if not shared and not self._was_there(key):
            return False
        self._settle(index, key, shared=shared)
        return True

    def _was_there(self, key: RowKey) -> bool:
        if not self._before.shards:  # a fresh store is asked about every row, one by one
            return False
        return bool(self._before.has(pack_keys([key]), self._setup.layers)[0])

    def _open(self, index: int, key: RowKey, audio: Audio) -> list[Piece]:
        spans = equal_windows(len(audio.waveform), self._setup.max_samples)
        flags = audio.flags + (("windowed",) if len(spans) > 1 else ())
        self._pending[index] = PendingRow(key, flags, audio.duration_s, windows=len(spans))
        self._waiting[key] = [index]
        return [Piece(index, number, audio.waveform[slice(*span)]) for number, span in enumerate(spans)]

    def _take(self, batch: Batch, features: Features, writer: ShardWriter) -> None:
        """Sorts a batch's vectors into rows; those that are complete go to the writer."""
        for row, piece in enumerate(batch):
            pending = self._pending[piece.utterance]
            vectors = {layer: features[layer][row] for layer in self._setup.layers}
            pending.add(piece.window, vectors, piece.duration_s)
            if pending.complete:
                self._finish(self._pending.pop(piece.utterance), writer)

    def _finish(self, row: PendingRow, writer: ShardWriter) -> None:
        """Hands a row to the writer, or refuses it for everyone who waits for it."""
        self._ahead.release(row.duration_s)
        features = row.features()
        wrong = [layer for layer, vector in features.items() if not np.isfinite(vector).all()]
        if wrong:
            error = AudioError("backbone", f"{'|'.join(wrong)} not finite: samples far beyond full scale?")
            for index in self._waiting.pop(row.key):
                self._refuse(index, error)
            return
        writer.add(row.key, features, row.flags, row.duration_s)
        self._count(row.key, row.duration_s)

    def _count(self, key: RowKey, duration_s: float) -> None:
        """The row is written: one utterance is computed, the others that waited share it."""
        first, *others = self._waiting.pop(key)
        self._finished.add(key)
        self.done.keys[first] = key
        self.done.computed += 1
        self._progress.update(duration_s)
        for index in others:
            self._settle(index, key, shared=True)

    def _count_committed(self) -> None:
        """After Ctrl-C: rows that reached the disk before they were counted."""
        missing = set(self._setup.store.missing(list(self._waiting), self._setup.layers))
        for key in [key for key in self._waiting if key not in missing]:
            self._count(key, self.done.durations_s[self._waiting[key][0]])

    def _settle(self, index: int, key: RowKey, *, shared: bool) -> None:
        """The utterance has its row without computing: of one computed just now, or from before."""
        self.done.keys[index] = key
        self.done.shared += shared
        self.done.cached += not shared
        self._progress.update(0.0)

    def _refuse(self, index: int, error: AudioError | None) -> None:
        asked = self._plan.utterances[index]
        reason = error or AudioError("decode", "no audio")
        self.done.quarantined.append(quarantined(asked, reason, self._failed_hashes))
        self._progress.update(0.0, failed=True)


def _writer(setup: Setup) -> ShardWriter:
    writing = setup.config.store
    return setup.store.writer(
        setup.layers, shard_bytes=writing.shard_bytes, commit_every_s=writing.commit_every_s
    )


def _decode_ahead(config: RunConfig, plan: Plan) -> DecodeAhead:
    return DecodeAhead(
        plan.utterances,
        plan.todo,
        plan.durations_s,
        workers=config.extract.workers,
        limit_s=config.extract.seconds_in_flight,
        rules=config.audio,
    )
