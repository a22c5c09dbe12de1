"""A Kaldi data directory: ``kaldi:/data/x`` with ``wav.scp``, or with such sub-folders named after their part.

Read besides ``wav.scp``, where they are there: ``segments`` (seconds), ``utt2spk``, ``text`` (its words become the
text id), and ``gender, age, emotion, lang`` by utterance (``utt2age``) or by speaker (``spk2age``), the
utterance's own first. A YAML says more, every key but ``folder`` optional::

    folder: data/train            # relative to the YAML
    name: mycorpus                # default: the folder's name
    root: ..                      # what relative paths of wav.scp start from; default: the folder
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from profiling.audio import probe_duration
from profiling.corpora.assembly import SPLIT_ALIASES, assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines, read_list
from profiling.corpora.manifest import SPLITS, shown
from profiling.corpora.options import folder_named_in, rules_of
from profiling.corpora.tables import resolve
from profiling.errors import AudioError, ManifestError

#: Keys of the YAML.
OPTIONS = ("folder", "name", "root", "labels", "age", "drop", "language")
#: Our column -> what its lists are called after ``utt2`` and ``spk2``.
LISTS: Mapping[str, tuple[str, ...]] = {
    "gender": ("gender", "sex"),
    "age": ("age",),
    "emotion": ("emotion", "emo"),
    "language": ("lang", "language"),
}
_SCP = "wav.scp"

Row = dict[str, str | None]


class Span(NamedTuple):
    """Where an utterance is: a recording of ``wav.scp`` and seconds in it; None is its beginning or end."""

    recording: str
    start_s: float | None = None
    end_s: float | None = None


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a data directory, or the one a YAML names.

    Raises:
        ManifestError: no ``wav.scp``, a command or an archive in it, a list that contradicts another.
        LabelError: an unknown label, with counts.
    """
    folder, options = (path, {}) if path.is_dir() else folder_named_in(path, OPTIONS)
    root = path.parent / str(options["root"]) if "root" in options else folder
    name = str(options.get("name", folder.absolute().name))
    parts = _parts(folder)
    rows = [
        row
        for split, part in parts.items()
        for row in _rows(part, split, root if "root" in options else part)
    ]
    return assemble(pd.DataFrame(rows, dtype=object), name, root, rules_of(name, options, drop))


def _parts(folder: Path) -> dict[str | None, Path]:
    """The data directories: the folder itself, or its parts."""
    if (folder / _SCP).is_file():
        return {None: folder}
    known = {*SPLITS, *SPLIT_ALIASES}
    below = sorted(p.parent for p in folder.glob(f"*/{_SCP}"))
    parts: dict[str | None, Path] = {p.name: p for p in below if p.name.casefold() in known}
    if not parts:
        others = f"; {shown(p.name for p in below)} have one: name one of them" if below else ""
        raise ManifestError(
            f"{folder}: no {_SCP} there, nor in a sub-folder named train, dev or test{others}"
        )
    return parts


def _rows(folder: Path, split: str | None, root: Path) -> list[Row]:
    recordings = _recordings(folder / _SCP, root)
    spans = _spans(folder / "segments", recordings)
    speakers = _optional(folder / "utt2spk")
    texts = _optional(folder / "text")
    labels = {column: _label_lists(folder, names) for column, names in LISTS.items()}
    rates = {
        name: _rate_hz(recordings[name], name, folder)
        for name in {s.recording for s in spans.values() if s[1:] != (None, None)}
    }
    rows: list[Row] = []
    for utterance, span in spans.items():
        if speakers and utterance not in speakers:
            raise ManifestError(f"{folder / 'utt2spk'}: no speaker for {utterance}")
        speaker = speakers.get(utterance)
        said = {c: own.get(utterance, by.get(speaker or "")) for c, (own, by) in labels.items()}
        place = _place(span, recordings, rates)
        rows.append(
            {
                **place,
                **said,
                "utt_id": utterance,
                "speaker": speaker,
                "split": split,
                "text_id": texts.get(utterance),
            }
        )
    return rows


def _recordings(scp: Path, root: Path) -> dict[str, str]:
    """Recording -> file; a command is never run, an archive not read."""
    entries = read_list(scp)
    pipes = [key for key, value in entries.items() if value.endswith("|") or value.startswith("|")]
    if pipes:
        raise ManifestError(
            f"{scp}: {len(pipes)} entries are commands ({pipes[0]}: {entries[pipes[0]]}), which are never run; write "
            "their output to files first (wav-copy scp:wav.scp, or the command itself) and name those"
        )
    archives = [key for key, value in entries.items() if ".ark:" in value]
    if archives:
        raise ManifestError(
            f"{scp}: {archives[0]} lies inside an archive ({entries[archives[0]]}); write files first"
        )
    return dict(zip(entries, resolve(entries.values(), root), strict=True))


def _spans(path: Path, recordings: Mapping[str, str]) -> dict[str, Span]:
    if not path.is_file():
        return {name: Span(name) for name in recordings}
    spans = {}
    for utterance, line in read_list(path).items():
        span = _span(line, f"{path}: {utterance}")
        if span.recording not in recordings:
            raise ManifestError(f"{path}: {utterance} is of {span.recording!r}, which {_SCP} does not name")
        spans[utterance] = span
    return spans


def _span(line: str, where: str) -> Span:
    """``recording start end`` in seconds; an end below 0 is the end of the recording."""
    fields = line.split()
    if len(fields) == 4:
        raise ManifestError(f"{where}: a channel ({fields[3]}) is named; write one file per channel first")
    try:
        recording, start_s, end_s = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        raise ManifestError(f"{where}: {line!r} is not: recording start end, in seconds") from None
    if start_s < 0 or 0 <= end_s <= start_s:
        raise ManifestError(f"{where}: from {start_s:g} s to {end_s:g} s is no span")
    return Span(recording, start_s, None if end_s < 0 else end_s)


def _rate_hz(file: str, name: str, folder: Path) -> int:
    """Segments are seconds and a manifest counts samples, so each recording's header is asked once."""
    try:
        return probe_duration(Path(file))[1]
    except AudioError as error:
        raise ManifestError(
            f"{folder / 'segments'}: the sample rate of {name} is needed: {error.reason}"
        ) from None


def _place(span: Span, recordings: Mapping[str, str], rates: Mapping[str, int]) -> Row:
    row: Row = {"path": recordings[span.recording]}
    if span.start_s is not None:
        row["start"] = str(round(span.start_s * rates[span.recording]))
    if span.end_s is not None:
        row["end"] = str(round(span.end_s * rates[span.recording]))
    return row


def _label_lists(folder: Path, names: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """By utterance and by speaker."""
    first: list[dict[str, str]] = []
    for of in ("utt", "spk"):
        lists = [_optional(folder / f"{of}2{name}") for name in names]
        first.append(next((found for found in lists if found), {}))
    return first[0], first[1]


def _optional(path: Path) -> dict[str, str]:
    """A list that need not be there; ``text`` may have utterances without words."""
    if not path.is_file():
        return {}
    if path.name != "text":
        return read_list(path)
    pairs = [line.split(maxsplit=1) for line in read_lines(path)]
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
