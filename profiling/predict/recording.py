"""Any source, a file of any length, bytes or samples, as one kind of recording that can be walked over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from profiling.audio import SAMPLE_RATE_HZ, Audio, Stamp, load_audio, load_bytes, probe_duration
from profiling.audio.arrays import audio_from_array
from profiling.audio.levels import LevelMeter, Levels
from profiling.audio.loader import Waveform
from profiling.audio.stream import stream_audio
from profiling.errors import AudioError
from profiling.predict.sources import FileBytes, NamedFile, Samples, Source, name_of
from profiling.predict.stop import Stop, checked

#: Recordings longer or larger than this are decoded block by block, again for every walk; others stay in memory.
STREAMED_ABOVE_S, STREAMED_ABOVE_BYTES = 300.0, 32 << 20
#: A smaller file is not asked how long it is: at 6 kbit/s, the least that speech codecs use, it is 340 s long.
_ASKED_ABOVE_BYTES = 256 * 1024


@dataclass(frozen=True, eq=False)
class Recording:
    """What is to be profiled, one channel of it.

    Attributes:
        name: as it was given.
        channel: ``mix``, ``0``, ``1``, ...
        num_samples: at 16 kHz.
        sample_rate_hz: its own rate.
        channels: in the source.
        flags: of the audio.
        levels: of its frames.
        audio_sha256: of the file's bytes; empty for samples.
        blocks: walks over it from the start, (samples,) at 16 kHz each.
        stamp: of a file that was read at once.
        stop: ends the work on it.
    """

    name: str
    channel: str
    num_samples: int
    sample_rate_hz: int
    channels: int
    flags: tuple[str, ...]
    levels: Levels
    audio_sha256: str
    blocks: Callable[[], Iterable[Waveform]]
    stamp: Stamp | None = None
    stop: Stop = field(default_factory=Stop)

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Unusable:
    """A source without a recording in it, and why."""

    name: str
    channel: str
    error: AudioError


def hear(source: Source, channel: str, stop: Stop | None = None) -> Recording:
    """Reads one channel of a source.

    Args:
        source: a file, the bytes of one, or samples.
        channel: ``mix``, ``0``, ``1``, ...
        stop: ends the work on it, this reading included.

    Raises:
        AudioError: it cannot be used.
        StoppedError: ``stop`` was asked for.
    """
    stop = stop or Stop()
    if isinstance(source, NamedFile):
        return _renamed(source, channel, stop)
    if isinstance(source, Samples):
        audio = audio_from_array(source.array, source.rate_hz, channel, source.name)
    elif isinstance(source, FileBytes):
        audio = load_bytes(source.data, source.name, channel)
    elif _is_long(Path(source)):
        return _streamed(Path(source), channel, stop)
    else:
        audio = load_audio(Path(source), channel=channel)
    return _in_memory(name_of(source), channel, audio, stop)


def hear_each(source: Source, channel: str) -> list[Recording | Unusable]:
    """The recordings of a source: one, or with channel ``each`` one per channel; never raises for bad audio."""
    if channel != "each":
        return [_heard(source, channel)]
    first = _heard(source, "mix")
    if isinstance(first, Unusable):
        return [first]
    return [_heard(source, str(number)) for number in range(first.channels)]


def _renamed(source: NamedFile, channel: str, stop: Stop) -> Recording:
    try:
        return replace(hear(source.path, channel, stop), name=source.name)
    except AudioError as error:
        raise AudioError(error.stage, error.reason.replace(str(source.path), source.name)) from None


def cut(blocks: Iterable[Waveform], spans: Sequence[tuple[int, int]]) -> Iterator[Waveform]:
    """Yields the samples of each span, holding no more than one span and one block.

    Args:
        blocks: (samples,) each, one after the other.
        spans: (start, end) in samples, in the order of time, without overlap.

    Raises:
        AudioError: the blocks end before the last span.
    """
    held, first = np.zeros(0, np.float32), 0  # samples [first, first + len(held))
    walk = iter(blocks)
    for start, end in spans:
        parts, came = [held[max(0, start - first) :]], first + len(held)
        while came < end:
            block = next(walk, None)
            if block is None:
                raise AudioError("decode", f"{came} samples came, {end} were there before: the file changed")
            came += len(block)
            parts.append(block[max(0, start - (came - len(block))) :])
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        yield joined[: end - start]
        held, first = joined[end - start :], end


def _heard(source: Source, channel: str) -> Recording | Unusable:
    try:
        return hear(source, channel)
    except AudioError as error:
        return Unusable(name_of(source), channel, error)


def _is_long(path: Path) -> bool:
    try:
        num_bytes = path.stat().st_size
        if num_bytes < _ASKED_ABOVE_BYTES or not path.is_file():
            return False
        num_samples, rate_hz = probe_duration(path)
    except (AudioError, OSError):
        return False  # load_audio says what is wrong with it
    return num_samples / rate_hz > STREAMED_ABOVE_S or num_bytes > STREAMED_ABOVE_BYTES


def _in_memory(name: str, channel: str, audio: Audio, stop: Stop) -> Recording:
    meter = LevelMeter()
    meter.add(audio.waveform)
    return Recording(
        name=name,
        channel=channel,
        num_samples=len(audio.waveform),
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        flags=audio.flags,
        levels=meter.levels(),
        audio_sha256=audio.audio_sha256,
        blocks=lambda: [audio.waveform],
        stamp=audio.stamp,
        stop=stop,
    )


def _streamed(path: Path, channel: str, stop: Stop) -> Recording:
    meter = LevelMeter()

    def visit(block: Waveform) -> None:
        stop.check()
        meter.add(block)

    stream = stream_audio(path, channel, visit)
    return Recording(
        name=str(path),
        channel=channel,
        num_samples=stream.num_samples,
        sample_rate_hz=stream.sample_rate_hz,
        channels=stream.channels,
        flags=stream.flags,
        levels=meter.levels(),
        audio_sha256=stream.audio_sha256,
        blocks=checked(stream.blocks, stop),
        stop=stop,
    )
