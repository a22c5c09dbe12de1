"""MELD: scenes of a television series, ``train_sent_emo.csv`` beside ``train_splits/dia0_utt0.mp4`` (or wav)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import UNLISTED, RawRow, need_columns, records
from profiling.corpora.tables import find_recordings, read_text_table
from profiling.errors import ManifestError

#: part -> folders of its films, as the archives unpack; each may lie below a folder of the part's name.
_FILMS = {
    "train": ("train_splits",),
    "dev": ("dev_splits_complete", "dev_splits"),
    "test": ("output_repeated_splits_test", "test_splits"),
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the three parts; a film converted to wav beside it, or in its place, is preferred to the film.

    Raises:
        ManifestError: a table or a folder of films that is missing, or an utterance listed twice.
        LabelError: an emotion that is not on the card.
    """
    rows: list[RawRow] = []
    left_out = 0
    for part in _FILMS:
        found = _films(path, part)
        listed = _part(path, part, found)
        left_out += len(set(found) - {str(row["utt_id"]).removeprefix(f"{part}_") for row in listed})
        rows += listed
    raw = pd.DataFrame(rows, dtype=object)
    return assemble(raw, card.name, path, card.rules(tuple(drop)), {UNLISTED: left_out} if left_out else None)


def _part(path: Path, part: str, found: Mapping[str, str]) -> list[RawRow]:
    table = _first(path, part, (f"{part}_sent_emo.csv",))
    text = read_text_table(table)
    need_columns(text.columns, _COLUMNS, table)
    return [_row(row, part, found) for row in records(text)]


def _row(row: Mapping[str, str | None], part: str, found: Mapping[str, str]) -> RawRow:
    name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
    season, episode = row.get("Season"), row.get("Episode")
    return {
        "path": found.get(name, f"{part}/{name}.mp4"),
        "utt_id": f"{part}_{name}",
        "speaker": row["Speaker"],
        "emotion": row["Emotion"],
        "split": part,
        "session": f"s{season}e{episode}" if season and episode else None,
    }


def _films(path: Path, part: str) -> dict[str, str]:
    """Name -> path of its wav, else of its film."""
    folder = _first(path, part, _FILMS[part])
    files = sorted(find_recordings(folder), key=lambda file: file.suffix.casefold() != ".wav", reverse=True)
    return {file.stem: (folder / file).relative_to(path).as_posix() for file in files}


def _first(path: Path, part: str, names: Collection[str]) -> Path:
    places = [path / folder / name for name in names for folder in (".", part)]
    for place in places:
        if place.exists():
            return place
    raise ManifestError(f"{path}: no {' and no '.join(names)}; looked in it and in {path / part}")
