"""Whether the memory of a prediction follows the length of its recording.

    python benchmarks/predict_memory.py [--hours 0.0167 1 3 6] [--others 3] [--timeline 10]

Recordings are written block by block to a temporary folder; each is answered by ``profiling predict`` in a fresh
process, whose peak resident memory (VmHWM) is read at its end. WAV at 16 kHz for ``--hours``; FLAC, Opus,
MP3 and a WAV of 44.1 kHz in stereo for ``--others``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

_BLOCK_S = 60
_CHILD = """
import sys
from pathlib import Path
from profiling.cli import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Kind:
    """A sort of file."""

    suffix: str
    rate_hz: int = 16_000
    channels: int = 1
    format: str = "WAV"
    subtype: str = "PCM_16"


SHORT = Kind("wav")
OTHERS = (
    Kind("flac", format="FLAC"),
    Kind("opus", format="OGG", subtype="OPUS"),
    Kind("mp3", format="MP3", subtype="MPEG_LAYER_III"),
    Kind("wav", 44_100, 2),
)


def record(path: Path, kind: Kind, seconds: float) -> Path:
    """Writes bursts of noise with pauses between them, a minute at a time."""
    random = np.random.default_rng(0)
    frames = np.arange(_BLOCK_S * kind.rate_hz)
    voice = random.standard_normal((len(frames), kind.channels)).astype(np.float32)
    voice *= np.where(frames % (4 * kind.rate_hz) < 3 * kind.rate_hz, 0.1, 0.001)[:, None].astype(np.float32)
    left = round(seconds * kind.rate_hz)
    settings = {"format": kind.format, "subtype": kind.subtype}
    with sf.SoundFile(path, "w", kind.rate_hz, kind.channels, **settings) as file:
        while left:
            block = voice[: min(left, len(voice))]
            file.write(block)
            left -= len(block)
    return path


def answered(path: Path, extra: list[str]) -> tuple[float, float, list[str]]:
    """Peak in MiB, seconds, and the tasks answered, of a fresh process."""
    command = [sys.executable, "-c", _CHILD, "predict", str(path), "--cache", "off", *extra]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    row = json.loads(done.stdout)
    tasks = [name for name in ("age", "gender", "emotion") if name in row]
    return int(done.stderr.split()[-1]) / 1024, time.perf_counter() - started, tasks


def show(folder: Path, kind: Kind, hours: float, extra: list[str]) -> None:
    """A line of the table."""
    path = record(folder / f"long.{kind.suffix}", kind, hours * 3600)
    size = path.stat().st_size / 2**20
    peak, seconds, tasks = answered(path, extra)
    path.unlink()
    shape = f"{kind.suffix}, {kind.rate_hz} Hz, {kind.channels} ch"
    print(
        f"| {shape} | {hours * 60:.0f} min | {size:.0f} | {peak:.0f} | {seconds:.0f} | {', '.join(tasks)} |",
        flush=True,
    )


def main() -> None:
    """Reads the command line and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, nargs="*", default=[1 / 60, 1, 3, 6])
    parser.add_argument("--others", type=float, nargs="*", default=[3], help="hours of the other kinds")
    parser.add_argument("--timeline", type=float, help="seconds of the longest window")
    parser.add_argument("--model", action="append", default=[], help="default: the package's age and gender")
    asked = parser.parse_args()
    extra = [word for model in asked.model for word in ("--model", model)]
    if asked.timeline:
        extra += ["--timeline", str(asked.timeline), "--vad", "energy"]
    print("| file | length | MiB on disk | peak MiB | s | answers |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for hours in asked.hours:
            show(Path(name), SHORT, hours, extra)
        for hours in asked.others:
            for kind in OTHERS:
                show(Path(name), kind, hours, extra)


if __name__ == "__main__":
    main()
