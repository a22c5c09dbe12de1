"""Features of recordings: from the feature cache where they were seen before, else by the backbone, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from profiling.audio import SAMPLE_RATE_HZ, perturbed
from profiling.backbones.protocol import Backbone
from profiling.config import AudioConfig, StoreConfig
from profiling.errors import AudioError
from profiling.features.batching import Batcher, Piece
from profiling.features.extract import feature_key
from profiling.features.store import FeatureStore, RowKey, ShardWriter
from profiling.features.streams import batch_seconds
from profiling.features.windows import Vectors, WindowMean, equal_windows, max_window_samples
from profiling.predict.activity import Spans
from profiling.predict.recording import Recording, cut

CacheUse = Literal["off", "read", "write"]
CACHE_USES = ("off", "read", "write")
#: (most windows in a batch, batches that wait to be sorted by length). The windows of a long recording are equally
#: long to one sample, so that few need to wait.
_SHORT, _LONG = (16, 8), (4, 2)
_LONG_SAMPLES = 120 * SAMPLE_RATE_HZ


class Vectorizer:
    """Computes or finds the features that some heads of one backbone read.

    Args:
        backbone: the frozen network.
        layers: what the heads read.
        rules: channel and long-audio rule.
        dtype: in which features are stored; numbers are rounded to it, as those of training were.
        root: folder of all stores.
        use: of the feature cache.

    Attributes:
        found: recordings whose features came from the cache.
        layers: in the network's order.
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Iterable[str],
        rules: AudioConfig,
        dtype: str,
        root: Path,
        use: CacheUse,
    ) -> None:
        self.backbone, self.rules, self.found = backbone, rules, 0
        asked = set(layers)
        self.layers = [name for name in backbone.layers if name in asked]
        self._longest = max_window_samples(rules.max_duration_s, backbone.min_samples)
        self._dtype = np.dtype(dtype)
        self._store = _open_store(backbone, rules, dtype, root, use)
        self._writer: ShardWriter | None = None
        self._use = use

    def writing(self) -> AbstractContextManager[object]:
        """While this is open, computed features are kept in the cache, if asked to; leaving commits them."""
        if self._use != "write" or self._store is None:
            return nullcontext()
        defaults = StoreConfig()
        self._writer = self._store.writer(
            self.layers, shard_bytes=defaults.shard_bytes, commit_every_s=defaults.commit_every_s
        )
        return self._writer

    def whole(self, recordings: Sequence[Recording]) -> list[Vectors | AudioError]:
        """Features of whole recordings: exactly those that extraction would store.

        Heads that were trained on perturbed copies get the same perturbation of the recording.
        """
        rows: list[Vectors | AudioError | None] = list(self._cached(recordings))
        todo = [i for i, vectors in enumerate(rows) if vectors is None]
        self.found += len(rows) - len(todo)
        missing = [self._perturbed(recordings[i]) for i in todo]
        spans = [equal_windows(one.num_samples, self._longest) for one in missing]
        for i, one, cuts, found in zip(todo, missing, spans, self._means(missing, spans), strict=True):
            rows[i] = found if isinstance(found, AudioError) else self._row(one, len(cuts), found)
        return [row for row in rows if row is not None]

    def spans(self, recording: Recording, spans: Spans) -> Iterator[Vectors]:
        """Features of stretches of a recording in the order of time, each perturbed for itself.

        Raises:
            AudioError: too short, changed meanwhile, or features that are not finite.
        """
        failed = self._too_short([recording])
        computed = self._computed([recording], [spans], self.rules.perturb, failed)
        for vectors in _in_order((number, vectors) for _, number, vectors in computed):
            if error := _not_finite(vectors):
                raise error
            yield vectors
        for error in failed.values():
            raise error

    def _means(
        self, recordings: Sequence[Recording], spans: Sequence[Spans]
    ) -> Iterator[Vectors | AudioError]:
        """The mean over all windows of each recording; windows are let go of as they come."""
        failed, means = self._too_short(recordings), [WindowMean() for _ in recordings]
        for i, number, vectors in self._computed(recordings, spans, (), failed):
            start, end = spans[i][number]
            means[i].add(number, vectors, (end - start) / SAMPLE_RATE_HZ)
        for i, mean in enumerate(means):
            yield failed.get(i) or _not_finite(mean.features()) or mean.features()

    def _too_short(self, recordings: Sequence[Recording]) -> dict[int, AudioError]:
        shortest = self.backbone.min_samples
        return {
            i: _too_short(one, shortest) for i, one in enumerate(recordings) if one.num_samples < shortest
        }

    def _computed(
        self,
        recordings: Sequence[Recording],
        spans: Sequence[Spans],
        perturb: Sequence[str],
        failed: dict[int, AudioError],
    ) -> Iterator[tuple[int, int, Vectors]]:
        """Yields (recording, window, its features); a file that changes while it is read becomes ``failed``."""
        long = any(recording.num_samples > _LONG_SAMPLES for recording in recordings)
        size, waiting = _LONG if long else _SHORT
        seconds = batch_seconds(self.backbone, streams=1)
        batcher = Batcher(self.backbone.batching, size, max_batch_s=seconds, sorted_batches=waiting)
        for i, (recording, cuts) in enumerate(zip(recordings, spans, strict=True)):
            if i in failed:
                continue
            try:
                for number, waveform in enumerate(cut(recording.blocks(), cuts)):
                    heard = perturbed(waveform, perturb, recording.audio_sha256, *cuts[number])
                    for batch in batcher.add(Piece(i, number, heard)):
                        yield from self._forward(batch, recordings)
            except AudioError as error:
                failed[i] = error
        for batch in batcher.flush():
            yield from self._forward(batch, recordings)

    def _forward(
        self, batch: list[Piece], recordings: Sequence[Recording]
    ) -> Iterator[tuple[int, int, Vectors]]:
        for piece in batch:
            recordings[piece.utterance].stop.check()
        outputs = self.backbone.extract([piece.waveform for piece in batch], self.layers)
        for row, piece in enumerate(batch):  # copies: a row would keep the whole batch
            yield piece.utterance, piece.window, {layer: outputs[layer][row].copy() for layer in self.layers}

    def _perturbed(self, recording: Recording) -> Recording:
        """The whole recording after the steps of training; they need it in memory."""
        if not self.rules.perturb:
            return recording
        waveform = perturbed(
            np.concatenate(list(recording.blocks())), self.rules.perturb, recording.audio_sha256
        )
        return replace(recording, num_samples=len(waveform), blocks=lambda: [waveform])

    def _row(self, recording: Recording, windows: int, row: Vectors) -> Vectors:
        """A recording's features, as training would have read them from its store."""
        if self._writer is not None and recording.audio_sha256:
            flags = (*recording.flags, *(("windowed",) if windows > 1 else ()))
            self._writer.add(RowKey(recording.audio_sha256), row, flags, recording.duration_s)
        return {layer: vector.astype(self._dtype).astype(np.float32) for layer, vector in row.items()}

    def _cached(self, recordings: Sequence[Recording]) -> list[Vectors | None]:
        if self._store is None:
            return [None] * len(recordings)
        keys = [RowKey(one.audio_sha256) if one.audio_sha256 else None for one in recordings]
        asked = list(dict.fromkeys(key for key in keys if key is not None))
        missing = set(self._store.missing(asked, self.layers)) if asked else set()
        there = [key for key in asked if key not in missing]
        if not there:
            return [None] * len(recordings)
        values = self._store.read(there, self.layers, verify="all")
        place = {key: row for row, key in enumerate(there)}
        return [
            {layer: values[layer][place[key]] for layer in self.layers} if key in place else None
            for key in keys
        ]


def _open_store(
    backbone: Backbone, rules: AudioConfig, dtype: str, root: Path, use: CacheUse
) -> FeatureStore | None:
    """The store these features belong to; None where nothing is to be read or written."""
    if use == "off":
        return None
    key = feature_key(backbone, rules, StoreConfig(dtype=dtype))
    if use == "read" and not (root / key.folder_name).is_dir():
        return None
    return FeatureStore.open(root, key, backbone.layers, create=use == "write", training=backbone.training)


def _too_short(recording: Recording, min_samples: int) -> AudioError:
    return AudioError(
        "duration",
        f"{recording.name}: {recording.num_samples} samples at 16 kHz ({recording.duration_s:.4f} s): "
        f"the backbone needs at least {min_samples}",
    )


def _in_order(numbered: Iterable[tuple[int, Vectors]]) -> Iterator[Vectors]:
    early, passed = dict[int, Vectors](), 0
    for number, vectors in numbered:
        early[number] = vectors
        while passed in early:
            yield early.pop(passed)
            passed += 1


def _not_finite(features: Vectors) -> AudioError | None:
    wrong = sorted(layer for layer, vector in features.items() if not np.isfinite(vector).all())
    if not wrong:
        return None
    return AudioError("backbone", f"{'|'.join(wrong)} not finite: samples far beyond full scale?")
