"""What the backbone hears of a recording: loaded, and perturbed where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from profiling.audio.levels import waveform_snr_db
from profiling.audio.loader import Audio, read_span
from profiling.audio.perturb import perturbed
from profiling.audio.recording import Recording
from profiling.config import AudioConfig


def load_heard(path: Path, rules: AudioConfig, start_sample: int = 0, end_sample: int = -1) -> Audio:
    """Reads one span as ``rules`` say: extraction and ``predict`` hear the same.

    Args:
        path: see :func:`load_audio`.
        rules: ``channel`` and ``perturb`` are read.
        start_sample: first sample, at the file's own rate.
        end_sample: one past the last sample; -1 is the end of the file.

    Raises:
        AudioError: the recording cannot be used.
        ConfigError: ``perturb`` cannot be read, or torchaudio is missing.
    """
    return hear_span(Recording(path), rules, start_sample, end_sample)


def hear_span(recording: Recording, rules: AudioConfig, start_sample: int = 0, end_sample: int = -1) -> Audio:
    """:func:`load_heard` of a recording that is open already; many spans of one file read it once.

    ``snr_db`` is that of the recording, also where a perturbed copy is heard.
    """
    audio = read_span(recording, start_sample, end_sample, rules.channel)
    audio = replace(audio, snr_db=waveform_snr_db(audio.waveform))  # here: decoding threads share the work
    if not rules.perturb:
        return audio
    waveform = perturbed(audio.waveform, rules.perturb, audio.audio_sha256, start_sample, end_sample)
    return replace(audio, waveform=waveform)
