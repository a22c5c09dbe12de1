"""Several profilers asked together: a recording is decoded once, and each backbone passes over it once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from profiling.audio import SAMPLE_RATE_HZ
from profiling.audio.levels import snr_db
from profiling.config import LAYERS, PathsConfig
from profiling.errors import AudioError, ConfigError, did_you_mean
from profiling.features.windows import Vectors
from profiling.predict.activity import Detector, Spans
from profiling.predict.answer import NAME_DIGITS, Answer, Profile, Segment
from profiling.predict.loading import default_bundles, load_profilers
from profiling.predict.profiler import Profiler
from profiling.predict.recording import Recording, Unusable, hear, hear_each
from profiling.predict.sources import Source, as_source
from profiling.predict.stop import Stop
from profiling.predict.timeline import over_time, windows_of
from profiling.predict.vectors import CACHE_USES, CacheUse, Vectorizer
from profiling.provenance import signature

if TYPE_CHECKING:
    import pandas as pd

#: Recordings answered together: the first one alone, then more as long as a round takes less than this.
_MOST_TOGETHER, _ROUND_S = 32, 2.0
_SECONDS_TOGETHER = 600.0  # of recordings, in 16 kHz float32 38 MB: no more are waited for
_ANSWERED_TOGETHER = 64  # windows of a timeline whose features are held before the heads answer on them
_SHORTEST_WINDOW_S = 0.5
#: Below, a recording is flagged: a second of speech is three or four syllables.
SHORT_S = 1.0
#: Below, in dB, a recording is flagged; what the estimate gives on real speech: docs/predict.md.
LOW_SNR_DB = 15.0


@dataclass(frozen=True)
class PanelOptions:
    """How a panel listens.

    Attributes:
        channel: ``mix``, ``0``, ``1``, ..., ``each`` for one profile per channel; None as in training.
        window_s: longest window of the timeline, in seconds; None makes no timeline.
        vad: what finds the speech of the timeline: ``auto``, ``silero``, ``energy``, ``none``.
        cache: whether the feature cache is read, read and written, or left alone.
        features: folder of all feature stores; None is ``paths.features``.
        workers: threads that decode ahead.
    """

    channel: str | None = None
    window_s: float | None = None
    vad: str = "auto"
    cache: CacheUse = "read"
    features: Path | None = None
    workers: int = 2

    def __post_init__(self) -> None:
        if self.cache not in CACHE_USES:
            raise ConfigError(f"cache={self.cache}: {did_you_mean(self.cache, CACHE_USES)}")
        if self.channel not in (None, "mix", "each") and not str(self.channel).isdecimal():
            raise ConfigError(f"channel={self.channel}: mix, each, or the number of a channel from 0")
        if self.window_s is not None and not self.window_s >= _SHORTEST_WINDOW_S:
            raise ConfigError(f"window_s={self.window_s}: at least {_SHORTEST_WINDOW_S} s")


class Panel:
    """Profilers that answer together. Make one with :meth:`from_pretrained`.

    >>> panel = Panel.from_pretrained()                                       # doctest: +SKIP
    >>> profile = panel("call.wav")                                           # doctest: +SKIP
    >>> profile.gender.label, profile.age.value                               # doctest: +SKIP
    ('female', 31.4)

    Attributes:
        profilers: in the order of their answers.
        options: how it listens.
        channel: the channel rule that applies.
    """

    def __init__(self, profilers: Sequence[Profiler], options: PanelOptions | None = None) -> None:
        if not profilers:
            raise ConfigError("no profiler; name at least one bundle or run folder")
        self.profilers = list(profilers)
        self.options = options or PanelOptions()
        self.channel = self.options.channel or _common_channel(self.profilers)
        self._detector = Detector(self.options.vad) if self.options.window_s is not None else None
        self._vectorizers: dict[tuple[object, ...], Vectorizer] = {}

    @classmethod
    def from_pretrained(
        cls,
        *paths: str | Path,
        device: str = "auto",
        cache: Path | None = None,
        options: PanelOptions | None = None,
    ) -> Self:
        """Loads bundles or run folders; without any, the age and gender that come with the package.

        Raises:
            BundleError, BackboneError: as ``Profiler.from_pretrained``.
        """
        return cls(load_profilers(paths or default_bundles(), device=device, cache=cache), options)

    def __call__(self, source: Any, rate_hz: float | None = None, *, stop: Stop | None = None) -> Profile:
        """The profile of one recording.

        Args:
            source: a file, the bytes of one, or samples: (samples,) or (channels, samples), as
                ``torchaudio.load`` gives them.
            rate_hz: of samples.
            stop: ends the work between two batches once another thread asks for it.

        Raises:
            AudioError: it cannot be used.
            ConfigError: samples without a rate, or channel ``each``, which makes several profiles.
            StoppedError: ``stop`` was asked for.
        """
        if self.channel == "each":
            raise ConfigError("channel=each gives a profile per channel; use profiles([source])")
        recording = hear(as_source(source, rate_hz), self.channel, stop)
        (found,) = self._together([recording])
        if isinstance(found, AudioError):
            raise found
        return found

    def profiles(self, sources: Iterable[Source]) -> Iterator[Profile]:
        """A profile per recording, in order; one that cannot be used gets a profile with ``error``."""
        together, most = list[Recording | Unusable](), 1
        with ExitStack() as open_stores:
            for vectorizer in {id(self._for(one)): self._for(one) for one in self.profilers}.values():
                open_stores.enter_context(vectorizer.writing())
            for recording in self._heard(sources):
                together.append(recording)
                if len(together) < most and sum(map(_seconds, together)) < _SECONDS_TOGETHER:
                    continue
                started = time.monotonic()
                yield from self._rows(together)
                quick = time.monotonic() - started < _ROUND_S
                together, most = [], min(2 * most, _MOST_TOGETHER) if quick else max(1, most // 2)
            yield from self._rows(together)

    def frame(self, sources: Any) -> pd.DataFrame:
        """Profiles as a table: a row per recording (and per window, with a timeline).

        Args:
            sources: paths, a Series of paths, or a DataFrame with a column ``path``; its index is kept.
        """
        from profiling.predict.frame import frame_of

        return frame_of(self, sources)

    def embed(
        self, source: Any, rate_hz: float | None = None, layers: Sequence[str] | None = None
    ) -> Vectors:
        """The first profiler's backbone on one recording: layer -> (dim,) float32.

        Args:
            source: as in :meth:`__call__`.
            rate_hz: of samples.
            layers: which; None for all that the backbone has.

        Raises:
            AudioError: it cannot be used.
            ConfigError: an unknown layer.
        """
        first = self.profilers[0]
        asked = list(first.backbone.layers) if layers is None else list(layers)
        for layer in asked:
            if layer not in first.backbone.layers:
                raise ConfigError(f"no layer {layer!r}; {did_you_mean(layer, first.backbone.layers)}")
        (found,) = self._vectorizer(first, asked).whole([hear(as_source(source, rate_hz), self.channel)])
        if isinstance(found, AudioError):
            raise found
        return {layer: found[layer] for layer in LAYERS if layer in asked}

    @property
    def vad(self) -> str:
        """What finds speech for the timeline; empty without one."""
        return self._detector.name if self._detector else ""

    @property
    def signature(self) -> str:
        """Names everything an answer depends on besides its recording."""
        bundles = [profiler.bundle.signature for profiler in self.profilers]
        return signature([bundles, self.channel, self.options.window_s, self.vad])[:NAME_DIGITS]

    @property
    def found_in_cache(self) -> int:
        """Passes over a recording that the feature cache spared so far."""
        return sum(vectorizer.found for vectorizer in self._vectorizers.values())

    def _heard(self, sources: Iterable[Source]) -> Iterator[Recording | Unusable]:
        """Decodes ahead by threads, a few sources at a time, in order."""
        with ThreadPoolExecutor(self.options.workers, thread_name_prefix="decode") as pool:
            running: deque[Future[list[Recording | Unusable]]] = deque()
            try:
                for source in sources:
                    running.append(pool.submit(hear_each, source, self.channel))
                    if len(running) > 2 * self.options.workers:
                        yield from running.popleft().result()
                while running:
                    yield from running.popleft().result()
            finally:
                for waiting in running:
                    waiting.cancel()

    def _rows(self, heard: Sequence[Recording | Unusable]) -> Iterator[Profile]:
        found = iter(self._together([one for one in heard if isinstance(one, Recording)]))
        for one in heard:
            answer = next(found) if isinstance(one, Recording) else one.error
            if isinstance(answer, Profile):
                yield answer
            else:
                yield Profile(one.name, error=str(answer), channel=one.channel)

    def _together(self, recordings: Sequence[Recording]) -> list[Profile | AudioError]:
        """Profiles of recordings that share batches."""
        answers = self._answers(recordings)
        rows: list[Profile | AudioError] = []
        for recording, said in zip(recordings, answers, strict=True):
            try:
                rows.append(said if isinstance(said, AudioError) else self._profile(recording, said))
            except AudioError as error:  # the file changed between two walks over it
                rows.append(error)
        return rows

    def _answers(self, recordings: Sequence[Recording]) -> list[tuple[Answer, ...] | AudioError]:
        """What every profiler says of each whole recording, or why one of them cannot."""
        said: list[list[Answer] | AudioError] = [[] for _ in recordings]
        rows: dict[int, list[Vectors | AudioError]] = {}
        for profiler in self.profilers:
            vectorizer = self._for(profiler)
            if id(vectorizer) not in rows:
                rows[id(vectorizer)] = vectorizer.whole(recordings)
            vectors = rows[id(vectorizer)]
            good = iter(profiler.answers([one for one in vectors if not isinstance(one, AudioError)]))
            for i, one in enumerate(vectors):
                so_far = said[i]
                if isinstance(one, AudioError):
                    said[i] = one
                    continue
                answer = next(good)
                if not isinstance(so_far, AudioError):
                    so_far.append(answer)
        return [one if isinstance(one, AudioError) else tuple(one) for one in said]

    def _profile(self, recording: Recording, answers: tuple[Answer, ...]) -> Profile:
        level = snr_db(recording.levels)
        profile = Profile(
            path=recording.name,
            answers=answers,
            channel=recording.channel,
            duration_s=round(recording.duration_s, 3),
            sample_rate_hz=recording.sample_rate_hz,
            channels=recording.channels,
            flags=self._flags(recording, level),
            snr_db=None if level is None else round(level, 1),
            audio_sha256=recording.audio_sha256,
        )
        return profile if self._detector is None else self._with_timeline(profile, recording, self._detector)

    def _flags(self, recording: Recording, level: float | None) -> tuple[str, ...]:
        longest = min(profiler.audio.max_duration_s for profiler in self.profilers)
        found = {
            "windowed": recording.duration_s > longest,
            "too_short": recording.duration_s < SHORT_S,
            "perturbed": any(profiler.audio.perturb for profiler in self.profilers),
            "low_snr": level is not None and level < LOW_SNR_DB,
        }
        return (*recording.flags, *(flag for flag, true in found.items() if true))

    def _with_timeline(self, profile: Profile, recording: Recording, detector: Detector) -> Profile:
        window_s = self.options.window_s or 0.0
        spans = windows_of(detector.find(recording), window_s, recording.num_samples)
        timeline = self._segments(recording, spans)
        return replace(
            profile,
            vad=detector.name,
            timeline=timeline,
            speech_s=round(sum(end - start for start, end in spans) / SAMPLE_RATE_HZ, 3),
            speech=over_time(timeline, self.profilers),
            flags=profile.flags if spans else (*profile.flags, "no_speech"),
        )

    def _segments(self, recording: Recording, spans: Spans) -> tuple[Segment, ...]:
        said: list[list[Answer]] = [[] for _ in self.profilers]
        served = [self._for(profiler) for profiler in self.profilers]
        for vectorizer in {id(one): one for one in served}.values():
            walk = vectorizer.spans(recording, spans)
            while some := list(islice(walk, _ANSWERED_TOGETHER)):
                for profiler, one, answers in zip(self.profilers, served, said, strict=True):
                    answers += profiler.answers(some) if one is vectorizer else []
        return tuple(
            Segment(round(start / SAMPLE_RATE_HZ, 3), round(end / SAMPLE_RATE_HZ, 3), row)
            for (start, end), row in zip(spans, zip(*said, strict=True), strict=True)
        )

    def _for(self, profiler: Profiler) -> Vectorizer:
        """The one vectorizer that serves every head of a backbone under the same rules."""
        alike = [one for one in self.profilers if _alike(one, profiler)]
        return self._vectorizer(profiler, {layer for one in alike for layer in one.layers})

    def _vectorizer(self, profiler: Profiler, layers: Iterable[str]) -> Vectorizer:
        each = self.channel == "each"  # the channels of a file are different rows of different stores
        rules = replace(profiler.audio, channel="mix" if each else self.channel)
        key = (id(profiler.backbone), *_rules(profiler), frozenset(layers))
        if key not in self._vectorizers:
            root = self.options.features or Path(PathsConfig().features)
            self._vectorizers[key] = Vectorizer(
                profiler.backbone, layers, rules, profiler.dtype, root, "off" if each else self.options.cache
            )
        return self._vectorizers[key]


def _seconds(one: Recording | Unusable) -> float:
    return one.duration_s if isinstance(one, Recording) else 0.0


def _alike(one: Profiler, other: Profiler) -> bool:
    return one.backbone is other.backbone and _rules(one) == _rules(other)


def _rules(profiler: Profiler) -> tuple[object, ...]:
    """What decides its features besides the backbone and the channel."""
    return profiler.audio.max_duration_s, tuple(profiler.audio.perturb), profiler.dtype


def _common_channel(profilers: Sequence[Profiler]) -> str:
    channels = sorted({profiler.audio.channel for profiler in profilers})
    if len(channels) > 1:
        raise ConfigError(
            f"the profilers were trained on channels {', '.join(channels)}; choose one (channel)"
        )
    return channels[0]
