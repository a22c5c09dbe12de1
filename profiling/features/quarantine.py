"""The quarantine table: utterances that could not be used, why, and at which stage. Retried on every run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from profiling.audio import hash_file
from profiling.errors import AudioError
from profiling.features.decode import Utterance
from profiling.provenance import atomic_write

FILE_NAME = "quarantine.csv"


@dataclass(frozen=True)
class Quarantined:
    """One utterance that has no features.

    Attributes:
        utt_id: utterance id of the manifest.
        path: the recording.
        stage: ``open``, ``decode``, ``check``, ``duration`` or ``backbone``.
        reason: one line that names the value.
        audio_sha256: of the file's bytes, empty where they cannot be read.
    """

    utt_id: str
    path: str
    stage: str
    reason: str
    audio_sha256: str = ""


class FailedHashes(dict[Path, str]):
    """path -> hash of a file that failed, empty where it cannot be read; read once, however many segments fail."""

    def __missing__(self, path: Path) -> str:
        try:
            self[path] = hash_file(path)
        except AudioError:
            self[path] = ""
        return self[path]


def quarantined(utterance: Utterance, error: AudioError, hashes: FailedHashes) -> Quarantined:
    """The entry of an utterance that failed; its file is hashed, to tell whether it changed since."""
    path = str(utterance.path)
    reason = error.reason.removeprefix(f"{path}: ")
    return Quarantined(utterance.utt_id, path, error.stage, reason, hashes[utterance.path])


def read_quarantine(folder: Path) -> list[Quarantined]:
    """Reads a store's table; empty where there is none."""
    file = folder / FILE_NAME
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as text:
        return [Quarantined(**row) for row in csv.DictReader(text)]


def update_quarantine(folder: Path, tried: Iterable[str], failed: Iterable[Quarantined]) -> None:
    """Replaces the entries of the utterances just tried, keeps the others; no file where none is left.

    A table that stays as it is is not written: a whole store may lie where nobody may write.
    """
    tried_ids, before = set(tried), read_quarantine(folder)
    kept = [entry for entry in before if entry.utt_id not in tried_ids]
    entries = sorted([*kept, *failed], key=lambda entry: (entry.utt_id, entry.path))
    if entries == before:
        return
    file = folder / FILE_NAME
    if not entries:
        file.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in fields(Quarantined)])
    writer.writerows(astuple(entry) for entry in entries)
    atomic_write(file, text.getvalue())
