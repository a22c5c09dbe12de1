"""Generated voices for the pretraining tests: a harmonic tone of its own pitch for each speaker."""

from __future__ import annotations

import numpy as np

from profiling.pretraining.recordings import Recordings, Utterance

RATE = 16_000


def tone(f0_hz: float, seconds: float, level: float = 0.1) -> np.ndarray:
    """Ten harmonics that fall by 6 dB an octave."""
    time = np.arange(int(seconds * RATE)) / RATE
    return level * sum(np.sin(2 * np.pi * f0_hz * k * time) / k for k in range(1, 11)).astype(np.float32)


def recordings(speakers: int = 4, each: int = 3, speeds: int = 2, seconds: float = 1.2) -> Recordings:
    """``speakers * each`` utterances; speaker ``i`` speaks at 100 + 30 i Hz, odd ones are men."""
    samples, spans, rows, position = [], [], [], 0
    for speaker in range(speakers):
        for take in range(each):
            row = []
            for speed in range(speeds):
                wave = tone((100 + 30 * speaker) * (1 + 0.1 * speed), seconds + 0.1 * take)
                samples.append((wave * 32767).astype(np.int16))
                row.append([position, position + len(wave)])
                position += len(wave)
            spans.append(row)
            sex = "male" if speaker % 2 else "female"
            rows.append(Utterance(f"{speaker}/{take}.wav", f"s{speaker}", sex, 8.0 if speaker < 2 else 30.0))
    return Recordings(np.concatenate(samples), np.array(spans), rows)
