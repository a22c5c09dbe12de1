"""A Hugging Face data set on disk: ``hf:/data/x``, as ``save_to_disk`` or the hub (parquet) leaves it.

Columns are named as in a CSV (``speaker``, ``gender``, ``age``, ``emotion``, ...); splits become ours. The
recordings are files that the table names, or lie inside it; those are written to a folder that you name, once,
each under the sha256 of its bytes. A YAML says so, every key but ``folder`` optional::

    folder: my_dataset            # relative to the YAML
    recordings: my_recordings     # where recordings inside the table are written to
    name: mycorpus
    audio: audio                  # the column with the recordings, where there are several
    columns: {speaker: client_id, emotion: label}   # ours: theirs
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

import pandas as pd

from profiling.corpora.arrow import Recording, audio_columns, batches, recordings, text_columns
from profiling.corpora.assembly import SPLIT_ALIASES, assemble
from profiling.corpora.cards import Card
from profiling.corpora.csv import rename_columns
from profiling.corpora.manifest import SPLITS, shown
from profiling.corpora.options import folder_named_in, rules_of
from profiling.corpora.tables import resolve
from profiling.errors import ManifestError, did_you_mean
from profiling.provenance import atomic_write, read_json, sha256_bytes

#: Keys of the YAML.
OPTIONS = ("folder", "recordings", "name", "audio", "columns", "labels", "age", "drop", "language")
_PARQUET = re.compile(r"(?P<split>[A-Za-z]+)(-\d+-of-\d+.*)?\.parquet")
_MAGIC = {
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3\x03": ".mp3",
    b"ID3\x04": ".mp3",
    b"FORM": ".aiff",
}

Row = dict[str, str | None]


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a data set, or the one a YAML names.

    Raises:
        ManifestError: no data set there, no audio column, or recordings inside it and no folder to write them to.
        LabelError: an unknown label, with counts.
    """
    is_yaml = path.suffix in (".yaml", ".yml")
    folder, options = folder_named_in(path, OPTIONS) if is_yaml else (path, {})
    target = path.parent / str(options["recordings"]) if "recordings" in options else None
    name = str(options.get("name", folder.absolute().name))
    rows = [
        row
        for split, file in data_files(folder)
        for row in _rows(file, split, folder, options.get("audio"), target)
    ]
    if not rows:
        raise ManifestError(f"{folder}: no rows")
    _name(rows)
    raw = rename_columns(pd.DataFrame(rows, dtype=object), options.get("columns", {}), folder)
    return assemble(raw, name, folder, rules_of(name, options, drop))


def data_files(folder: Path) -> list[tuple[str | None, Path]]:
    """(split, file) of a data set on disk.

    Raises:
        ManifestError: neither what ``save_to_disk`` writes nor parquet files.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = [str(split) for split in read_json(folder / "dataset_dict.json")["splits"]]
        return [(split, file) for split in splits for file in _arrow_files(folder / split)]
    if (folder / "state.json").is_file():
        return [(None, file) for file in _arrow_files(folder)]
    found = sorted(folder.glob("*.parquet")) + sorted(folder.glob("*/*.parquet")) if folder.is_dir() else []
    if not found:
        raise ManifestError(
            f"{folder}: no data set: neither dataset_dict.json, state.json nor parquet files are there"
        )
    return [(_split_of(file), file) for file in found]


def _arrow_files(folder: Path) -> list[Path]:
    state = folder / "state.json"
    if not state.is_file():
        raise ManifestError(f"{folder}: no state.json; was this split saved whole?")
    return [folder / str(file["filename"]) for file in read_json(state)["_data_files"]]


def _split_of(file: Path) -> str | None:
    """``train-00000-of-00002.parquet`` and ``train/0.parquet`` are of the split train, other names of none."""
    match = _PARQUET.fullmatch(file.name)
    named = {*SPLITS, *SPLIT_ALIASES}
    candidates = [match["split"] if match else "", file.parent.name]
    return next((word for word in candidates if word.casefold() in named), None)


def _rows(
    file: Path, split: str | None, folder: Path, audio: str | None, target: Path | None
) -> Iterator[Row]:
    for batch in batches(file):
        column = _audio_column(audio_columns(batch.schema), audio, batch.schema.names, file)
        texts = text_columns(batch)
        texts.pop(column, None)
        for i, recording in enumerate(recordings(batch, column)):
            own = {name: values[i] for name, values in texts.items() if name != "path"}
            yield {
                "split": split,
                **own,
                "path": _place(recording, folder, target, file),
                "_inner": recording.path,
            }


def _audio_column(found: list[str], asked: str | None, names: Collection[str], file: Path) -> str:
    if asked is not None and asked not in names:
        raise ManifestError(f"{file}: no column {asked!r}; {did_you_mean(asked, names)}")
    chosen = asked or (found[0] if len(found) == 1 else None)
    if chosen is None:
        which = (
            f"several columns of audio ({shown(found)})"
            if found
            else f"no column of audio, only {', '.join(names)}"
        )
        raise ManifestError(
            f"{file}: {which}; say which in a YAML beside the folder (folder: {file.parent.name}, audio: ...)"
        )
    return chosen


def _place(recording: Recording, folder: Path, target: Path | None, file: Path) -> str:
    """The recording's file; bytes are written under their sha256 unless they are there."""
    if recording.data is None:
        if recording.path is None:
            raise ManifestError(f"{file}: a row has neither a path nor the bytes of its recording")
        return resolve([recording.path], folder)[0]
    if target is None:
        raise ManifestError(
            f"{file}: the recordings lie inside the table; write a YAML with folder: {folder} and recordings: "
            "FOLDER, where they are to be written as files, and name it as hf:my.yaml"
        )
    suffix = PurePath(recording.path or "").suffix or _MAGIC.get(recording.data[:4], ".wav")
    written = target.absolute() / f"{sha256_bytes(recording.data)}{suffix}"
    if not written.is_file() or written.stat().st_size != len(recording.data):
        atomic_write(written, recording.data)
    return str(written)


def _name(rows: list[Row]) -> None:
    """Gives every row an id: its own, else the name its recording had, else its number in its split."""
    stems = [PurePath(row.pop("_inner") or "").stem for row in rows]
    if any(row.get("utt_id") for row in rows):
        return
    unique = len(set(stems)) == len(stems) and all(stems)
    counted: Counter[str | None] = Counter()
    for row, stem in zip(rows, stems, strict=True):
        row["utt_id"] = stem if unique else f"{row['split'] or 'row'}-{counted[row['split']]:06d}"
        counted[row["split"]] += 1
