"""Small recordings of every format, generated: a tone at a known level, whole or damaged in a known way."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

Samples = NDArray[np.float32]

#: suffix -> (libsndfile's format, subtype)
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "rf64": ("RF64", "PCM_24"),
}


def tone(seconds: float = 1.0, rate_hz: int = 16_000, hz: float = 440.0, level: float = 0.25) -> Samples:
    """(samples,) float32 sine."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def speechlike(seconds: float = 1.0, rate_hz: int = 16_000, seed: int = 0) -> Samples:
    """(samples,) float32: a tone that swells under noise, so that no two spans are alike."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))
    swell = np.linspace(0.02, 1.0, len(noise))
    return (swell * (tone(seconds, rate_hz) + 0.02 * noise)).astype(np.float32)


def encode(samples: Samples, rate_hz: int, suffix: str) -> bytes:
    """The bytes of a file; ``samples`` is (frames,) or (frames, channels)."""
    buffer = io.BytesIO()
    kind, subtype = FORMATS[suffix]
    sf.write(buffer, samples, rate_hz, format=kind, subtype=subtype)
    return buffer.getvalue()


def write(path: Path, samples: Samples, rate_hz: int = 16_000, subtype: str | None = None) -> Path:
    """Writes a recording in the format of its suffix; ``subtype`` (such as FLOAT) only for wav."""
    if subtype is not None:
        sf.write(path, samples, rate_hz, subtype=subtype)
    else:
        path.write_bytes(encode(samples, rate_hz, path.suffix[1:]))
    return path


def write_m4a(path: Path, samples: Samples, rate_hz: int, *, codec: str = "aac", kind: str = "ipod") -> Path:
    """Writes a (frames, channels) recording through PyAV, which the test needs."""
    import av

    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout, stream.bit_rate = layout, 192_000
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        cut = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate_hz, frame_size=960)
        for part in [*cut.resample(frame), *cut.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def without_xing(mp3: bytes) -> bytes:
    """The mp3 without its first frame, which holds the number of frames."""
    from profiling.audio.mpeg import find_frames

    return mp3[list(find_frames(mp3))[1].start :]


def level_db(waveform: Samples, hz: float, rate_hz: int = 16_000) -> float:
    """Level of a tone in dB relative to full scale, by projection on sine and cosine (Hann window)."""
    window = np.hanning(len(waveform))
    phase = np.exp(-2j * np.pi * hz * np.arange(len(waveform)) / rate_hz)
    return float(20 * np.log10(2 * abs(np.sum(window * waveform * phase)) / window.sum() + 1e-12))
