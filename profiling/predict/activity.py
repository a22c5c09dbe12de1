"""Where somebody speaks: by silero-vad (``pip install profiling[vad]``), or by a rule on frame levels."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from profiling.audio import SAMPLE_RATE_HZ
from profiling.audio.levels import FRAME_SAMPLES, NOISE_PERCENTILE, SPEECH_PERCENTILE, Levels
from profiling.audio.loader import Waveform
from profiling.errors import ConfigError, did_you_mean
from profiling.predict.recording import Recording

Spans = list[tuple[int, int]]  # (start, end) in samples at 16 kHz

CHOICES = ("auto", "silero", "energy", "none")
#: The energy rule, in dB: above the noise by this much,
_ABOVE_NOISE_DB = 9.0
#: but no further below full voice than this (weak sounds), nor nearer to it than this (speech without pauses).
_FURTHEST_BELOW_SPEECH_DB, _NEAREST_BELOW_SPEECH_DB = 35.0, 15.0
#: Pauses up to this are bridged and bursts below it dropped, in frames of 20 ms: 300 ms and 100 ms.
_BRIDGED_FRAMES, _BURST_FRAMES = 15, 5
_SILERO_SAMPLES = 512  # what the network takes at 16 kHz


class Detector:
    """Finds speech.

    Args:
        asked: ``silero``, ``energy``, ``none``, or ``auto`` for silero where it is installed.

    Attributes:
        name: what finds it, for the answer: ``silero 6.2.3``, ``energy`` or ``none``.

    Raises:
        ConfigError: another word, or silero-vad is asked for and not installed.
    """

    def __init__(self, asked: str) -> None:
        if asked not in CHOICES:
            raise ConfigError(f"vad={asked}: {did_you_mean(asked, CHOICES)}")
        installed = importlib.util.find_spec("silero_vad") is not None
        if asked == "silero" and not installed:
            raise ConfigError("vad=silero: not installed; pip install profiling[vad], or use vad=energy")
        self._rule = ("silero" if installed else "energy") if asked == "auto" else asked
        self._model: Any = None
        self.name = f"silero {_silero_version()}" if self._rule == "silero" else self._rule

    def find(self, recording: Recording) -> Spans:
        """Stretches of speech, in the order of time; the whole recording for ``none``."""
        if self._rule == "none":
            return [(0, recording.num_samples)]
        if self._rule == "energy":
            return energy_speech(recording.levels, recording.num_samples)
        self._model = self._model or _load_silero()
        return _silero_speech(self._model, recording)


def energy_speech(levels: Levels, num_samples: int) -> Spans:
    """Frames that stand out of the noise, short pauses bridged and short bursts dropped.

    Args:
        levels: (frames,) dB.
        num_samples: of the recording, at 16 kHz.
    """
    if not len(levels):
        return []
    quiet, loud = np.percentile(levels, [NOISE_PERCENTILE, SPEECH_PERCENTILE])
    threshold = max(quiet + _ABOVE_NOISE_DB, loud - _FURTHEST_BELOW_SPEECH_DB)
    active = levels > min(threshold, loud - _NEAREST_BELOW_SPEECH_DB)
    spans = [run for run in _runs(active) if run[1] - run[0] >= _BURST_FRAMES]
    joined = _bridge(spans, _BRIDGED_FRAMES)
    return [(start * FRAME_SAMPLES, min(end * FRAME_SAMPLES, num_samples)) for start, end in joined]


def _runs(active: np.ndarray[Any, np.dtype[np.bool_]]) -> Spans:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _bridge(spans: Spans, longest: int) -> Spans:
    joined: Spans = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= longest:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _silero_version() -> str:
    from importlib.metadata import version

    return version("silero-vad")


def _load_silero() -> Any:
    import torch

    threads = torch.get_num_threads()
    try:
        from silero_vad import load_silero_vad  # sets PyTorch to one thread for the whole process
    finally:
        torch.set_num_threads(threads)
    return load_silero_vad()


def _silero_speech(model: Any, recording: Recording) -> Spans:
    """Speech by silero-vad with its own defaults (probability 0.5, at least 250 ms)."""
    import torch
    from silero_vad import get_speech_timestamps_from_probs

    model.reset_states()
    with torch.no_grad():
        probabilities = [
            float(model(torch.from_numpy(chunk), SAMPLE_RATE_HZ)) for chunk in _chunks(recording.blocks())
        ]
    found = get_speech_timestamps_from_probs(probabilities, audio_length_samples=recording.num_samples)
    return [(int(one["start"]), min(int(one["end"]), recording.num_samples)) for one in found]


def _chunks(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Pieces of 512 samples, the last one filled up with zeros."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = len(samples) // _SILERO_SAMPLES * _SILERO_SAMPLES
        yield from samples[:whole].reshape(-1, _SILERO_SAMPLES)
        rest = samples[whole:]
    if len(rest):
        yield np.pad(rest, (0, _SILERO_SAMPLES - len(rest)))
