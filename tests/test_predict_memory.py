"""What is in memory while a long recording is answered does not follow its length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.trained import ROOT

#: Answers on each file in turn, with a timeline; prints by how many MiB the peak of the process rose for each.
_CHILD = """
import sys
from pathlib import Path
from profiling.backbones.spectral import SpectralStats
from profiling.config import AudioConfig
from profiling.predict.activity import Detector
from profiling.predict.recording import hear
from profiling.predict.timeline import windows_of
from profiling.predict.vectors import Vectorizer

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

vectorizer = Vectorizer(SpectralStats(), ["embedding"], AudioConfig(), "float32", Path(), "off")
for path in sys.argv[1:]:
    before = peak()
    recording = hear(path, "mix")
    (found,) = vectorizer.whole([recording])
    spans = windows_of(Detector("energy").find(recording), 10.0, recording.num_samples)
    count = sum(1 for _ in vectorizer.spans(recording, spans))
    assert count >= recording.duration_s / 20, (count, found)
    print(peak() - before)
"""
_SHORT_MIN, _LONG_MIN = 6, 24
#: 24 minutes are 88 MiB as float32. Here it rose by 10 to 20: the allocator, levels, windows of the timeline.
_MOST_MIB = 32.0


def noisy(path: Path, minutes: int) -> Path:
    """Bursts of noise with pauses, written a minute at a time."""
    noise = np.random.default_rng(0).standard_normal(60 * 16_000).astype(np.float32)
    noise *= 0.001 + 0.1 * (np.arange(len(noise)) % 64_000 < 48_000)
    with sf.SoundFile(path, "w", 16_000, 1) as file:
        for _ in range(minutes):
            file.write(noise)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_a_long_recording_needs_no_more_memory(tmp_path: Path) -> None:
    files = [noisy(tmp_path / f"{minutes}.wav", minutes) for minutes in (_SHORT_MIN, _LONG_MIN)]
    command = [sys.executable, "-c", _CHILD, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, rose = map(float, done.stdout.split())
    assert rose < _MOST_MIB
