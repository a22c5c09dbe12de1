"""nEMO: ``samples/EB0_anger_1.wav`` (speaker, emotion, sentence) and the publisher's table ``data.tsv``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.tables import find_recordings, read_text_table
from profiling.errors import ManifestError

_NAME = re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>[a-z]+)_(?P<text_id>\d+)")
_TABLE = "data.tsv"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder; a copy without ``data.tsv`` is read from its file names, any suffix.

    Raises:
        ManifestError: no recordings, a name that is not of this form, or a speaker who is not on the card.
        LabelError: an emotion that is not on the card.
    """
    samples = path / "samples" if (path / "samples").is_dir() else path
    files = {file.stem: file.as_posix() for file in find_recordings(samples)}
    table = path / _TABLE
    rows = _listed(table, files) if table.is_file() else [_named(name, files, card) for name in files]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, samples, card.rules(tuple(drop)))


def _listed(table: Path, files: dict[str, str]) -> list[dict[str, str | None]]:
    """Every row of the table; one without its recording stays, so that ``verify`` finds it missing."""
    text = read_text_table(table, "\t", quoted=False)
    needed = {"file_id", "emotion", "speaker_id", "gender", "age"} - set(text.columns)
    if needed:
        raise ManifestError(f"{table}: column {min(needed)!r} is missing; it has {', '.join(text.columns)}")
    rows = []
    for row in text.to_dict("records"):
        name = PurePosixPath(str(row["file_id"])).stem
        match = _parts(name)
        said = {"speaker": row["speaker_id"], "emotion": row["emotion"]}
        found = {"path": files.get(name, row["file_id"]), "utt_id": name, "text_id": match["text_id"]}
        rows.append({**found, **said, "gender": row["gender"], "age": row["age"]})
    return rows


def _named(name: str, files: dict[str, str], card: Card) -> dict[str, str | None]:
    found = _parts(name)
    return {"path": files[name], "utt_id": name, **found, **card.speaker(found["speaker"])}


def _parts(name: str) -> dict[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ManifestError(f"nemo: {name} is not named like EB0_anger_1 (speaker, emotion, sentence)")
    return match.groupdict()
