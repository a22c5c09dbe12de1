"""The training speech, decoded once: every utterance at every speed in one memory-mapped array."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from profiling.backbones.protocol import SAMPLE_RATE_HZ
from profiling.errors import AudioError, ManifestError
from profiling.pretraining.augment import functionals
from profiling.provenance import publish, read_json, sha256_file, signature, write_json

_LOG = logging.getLogger(__name__)
_FULL_SCALE = 32767  # int16
_FRAME = 320  # samples, 20 ms
_SILENT_DB = 35.0  # below the loud frames
_MARGIN_FRAMES = 5  # kept around the speech, 0.1 s
ADULT_FROM_AGE = 16.0  # years, as task.child_below_age


@dataclass(frozen=True)
class Utterance:
    """One row of the training manifest."""

    path: str
    speaker: str
    sex: str
    age_years: float


@dataclass(frozen=True)
class Recordings:
    """Decoded speech.

    Attributes:
        samples: (total,) int16, 16 kHz, all utterances at all speeds one after another.
        spans: (utterances, speeds, 2) first sample and end of each, without its silent ends.
        utterances: the manifest's rows.
    """

    samples: NDArray[np.int16]
    spans: NDArray[np.int64]
    utterances: list[Utterance]

    @property
    def speakers(self) -> list[str]:
        """Sorted, each once."""
        return sorted({u.speaker for u in self.utterances})

    def labels(self) -> dict[str, NDArray[np.int64]]:
        """(utterances,) each: ``speaker`` index, ``sex`` (1 male), ``age`` (1 adult)."""
        index = {name: i for i, name in enumerate(self.speakers)}
        rows = self.utterances
        return {
            "speaker": np.array([index[u.speaker] for u in rows]),
            "sex": np.array([int(u.sex == "male") for u in rows]),
            "age": np.array([int(u.age_years >= ADULT_FROM_AGE) for u in rows]),
        }


def read_utterances(folder: Path, split: str) -> list[Utterance]:
    """Rows of ``manifest.csv`` that belong to ``split``.

    Raises:
        ManifestError: no manifest, no row of the split, or a speaker who is in another split too.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise ManifestError(f"{manifest}: no such file; set speech.folder to the folder of speechocean762")
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    inside = {row["speaker"] for row in rows if row["split"] == split}
    outside = {row["speaker"] for row in rows if row["split"] != split}
    if not inside:
        found = ", ".join(sorted({row["split"] for row in rows}))
        raise ManifestError(f"{manifest}: no row of split {split!r}; there are {found}")
    if both := sorted(inside & outside):
        raise ManifestError(f"{manifest}: speakers of {split!r} in another split too: {', '.join(both[:5])}")
    return [
        Utterance(row["path"], row["speaker"], row["gender"], float(row["age"]))
        for row in rows
        if row["split"] == split
    ]


def load(folder: Path, split: str, speeds: Sequence[float], cache: Path) -> Recordings:
    """Decodes the split, or maps what an earlier call decoded.

    Args:
        folder: the corpus with its ``manifest.csv``.
        split: the only one that is read.
        speeds: each utterance is kept at each.
        cache: where the decoded samples stay (2 bytes a sample and speed).

    Raises:
        AudioError: a file that is not mono 16 kHz.
    """
    utterances = read_utterances(folder, split)
    manifest = sha256_file(folder / "manifest.csv")
    key = signature({"manifest": manifest, "split": split, "speeds": list(speeds), "version": 1})
    array, table = cache / f"{key[:16]}.int16", cache / f"{key[:16]}.json"
    if not table.is_file():
        _LOG.info("decoding %d utterances at %d speeds into %s", len(utterances), len(speeds), array)
        decoded = _decode(folder, utterances, speeds, array)
        write_json(table, {"spans": decoded, "utterances": [asdict(u) for u in utterances]})
    spans = np.array(read_json(table)["spans"], dtype=np.int64)
    return Recordings(np.memmap(array, dtype=np.int16, mode="r"), spans, utterances)


def _decode(
    folder: Path, utterances: Sequence[Utterance], speeds: Sequence[float], array: Path
) -> list[object]:
    array.parent.mkdir(parents=True, exist_ok=True)
    temporary = array.with_suffix(".tmp")
    spans: list[object] = []
    position = 0
    with temporary.open("wb") as file:
        for utterance in utterances:
            row = []
            for samples in _at_speeds(_read(folder / utterance.path), speeds):
                first, end = speech_span(samples)
                file.write((samples.clip(-1, 1) * _FULL_SCALE).astype("<i2").tobytes())
                row.append([position + first, position + end])
                position += len(samples)
            spans.append(row)
    publish(temporary, array)
    return spans


def _read(path: Path) -> NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise AudioError("check", f"{path}: {rate} Hz, shape {samples.shape}; pretraining reads mono 16 kHz")
    return np.asarray(samples, dtype=np.float32)


def _at_speeds(samples: NDArray[np.float32], speeds: Sequence[float]) -> Iterator[NDArray[np.float32]]:
    for speed in speeds:
        if speed == 1.0:
            yield samples
        else:
            faster, _ = functionals().speed(torch.from_numpy(samples), SAMPLE_RATE_HZ, speed)
            yield faster.numpy()


def speech_span(samples: NDArray[np.float32]) -> tuple[int, int]:
    """First sample and end of what is not silence at the ends.

    A frame of 20 ms is silent 35 dB below the loud ones (95th percentile); 0.1 s is kept around the rest.
    """
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = 10 * np.log10((frames.astype(np.float64) ** 2).mean(axis=1) + 1e-10)
    loud = np.flatnonzero(level > np.percentile(level, 95) - _SILENT_DB)
    first = max(0, int(loud[0]) - _MARGIN_FRAMES) * _FRAME
    end = min(len(samples), (int(loud[-1]) + 1 + _MARGIN_FRAMES) * _FRAME)
    return first, end
