"""nEMO: ``samples/EB0_anger_1.wav`` (speaker, emotion, sentence) and the publisher's table ``data.tsv``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, need_columns, recordings_by_stem, unlisted
from profiling.corpora.tables import read_text_table
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
    files = recordings_by_stem(samples, card.name)
    table = path / _TABLE
    rows = _listed(table, files) if table.is_file() else [_named(name, files, card) for name in files]
    left_out = unlisted(files, [str(row["utt_id"]) for row in rows])
    raw = pd.DataFrame(rows, dtype=object)
    return assemble(raw, card.name, samples, card.rules(tuple(drop)), left_out)


def _listed(table: Path, files: dict[str, str]) -> list[RawRow]:
    """Every row of the table; one without its recording stays, so that ``verify`` finds it missing."""
    text = read_text_table(table, "\t", quoted=False)
    need_columns(text.columns, ("file_id", "emotion", "speaker_id", "gender", "age"), table)
    rows: list[RawRow] = []
    for row in text.to_dict("records"):
        name = PurePosixPath(str(row["file_id"])).stem
        match = _parts(name)
        said = {"speaker": row["speaker_id"], "emotion": row["emotion"]}
        found = {"path": files.get(name, row["file_id"]), "utt_id": name, "text_id": match["text_id"]}
        rows.append({**found, **said, "gender": row["gender"], "age": row["age"]})
    return rows


def _named(name: str, files: dict[str, str], card: Card) -> RawRow:
    found = _parts(name)
    return {"path": files[name], "utt_id": name, **found, **card.speaker(found["speaker"])}


def _parts(name: str) -> dict[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ManifestError(f"nemo: {name} is not named like EB0_anger_1 (speaker, emotion, sentence)")
    return match.groupdict()
