"""Recordings in, mono float32 waveforms at 16 kHz out, with the hash of the very bytes that were decoded.

path -> bytes + sha256 -> container check -> decode -> span -> channel rule -> checks -> 16 kHz -> perturbations
"""

from profiling.audio.files import Stamp, hash_file
from profiling.audio.heard import hear_span, load_heard
from profiling.audio.loader import (
    SAMPLE_RATE_HZ,
    Audio,
    check_duration,
    load_audio,
    load_bytes,
    probe_duration,
)
from profiling.audio.perturb import perturbed
from profiling.audio.recording import Recording

__all__ = [
    "SAMPLE_RATE_HZ",
    "Audio",
    "Recording",
    "Stamp",
    "check_duration",
    "hash_file",
    "hear_span",
    "load_audio",
    "load_bytes",
    "load_heard",
    "perturbed",
    "probe_duration",
]
