"""MSP-Podcast: ``Labels/labels_consensus.csv``, ``labels_detailed.csv`` (one row per rater) and ``Audios``."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, need_columns, recordings_by_stem, records, unlisted
from profiling.corpora.tables import read_text_table
from profiling.errors import ManifestError

#: Releases differ in case, plural and spelling.
_TABLE_FOLDERS = ("Labels", "labels", "Label", "label", ".")
_AUDIO_FOLDERS = ("Audios", "Audio", ".")
_CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv")
_DETAILED = "labels_detailed.csv"
#: ours: theirs
_COLUMNS = {
    "emotion": "EmoClass",
    "arousal": "EmoAct",
    "valence": "EmoVal",
    "dominance": "EmoDom",
    "speaker": "SpkrID",
    "gender": "Gender",
    "split": "Split_Set",
}
_MISSING = ("Unknown", "unknown")
_PODCAST = re.compile(r"(MSP-PODCAST_\d+)_.+")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a release; the session is the podcast. Recordings without a row (Test3's labels are kept back) are counted.

    Raises:
        ManifestError: no table, a column missing, no recordings, or one that lies twice.
        LabelError: a letter or word that is not on the card, or a number off the scale.
    """
    table = _find(path)
    text = read_text_table(table)
    need_columns(text.columns, ("FileName", *_COLUMNS.values()), table)
    audio = next(path / name for name in _AUDIO_FOLDERS if (path / name).is_dir())
    found = recordings_by_stem(audio, card.name)
    votes = _read_votes(table.parent / _DETAILED)
    rows = [_row(row, found, votes) for row in records(text)]
    left_out = unlisted(found, [str(row["utt_id"]) for row in rows])
    raw = pd.DataFrame(rows, dtype=object)
    return assemble(raw, card.name, audio, card.rules(tuple(drop)), left_out)


def _find(path: Path) -> Path:
    for folder in _TABLE_FOLDERS:
        for name in _CONSENSUS:
            if (path / folder / name).is_file():
                return path / folder / name
    raise ManifestError(f"{path}: no Labels/{_CONSENSUS[0]} below it; name the folder of the release")


def _row(row: Mapping[str, str | None], found: Mapping[str, str], votes: Mapping[str, str]) -> RawRow:
    name = str(row["FileName"])
    stem = Path(name).stem
    podcast = _PODCAST.fullmatch(stem)
    said = {ours: row[theirs] for ours, theirs in _COLUMNS.items()}
    known = {ours: None if value in _MISSING else value for ours, value in said.items()}
    place = {"path": found.get(stem, name), "utt_id": stem, "session": podcast[1] if podcast else None}
    return {**place, **known, "emotion_votes": votes.get(name)}


def _read_votes(table: Path) -> Mapping[str, str]:
    """File -> votes as JSON; empty where a release came without the raters."""
    if not table.is_file():
        return {}
    counts: dict[str, Counter[str]] = {}
    for name, word in _primary(read_text_table(table), table):
        if name is not None and word is not None:
            counts.setdefault(name, Counter())[_without_comment(word)] += 1
    return {name: json.dumps(votes) for name, votes in counts.items()}


def _primary(text: pd.DataFrame, table: Path) -> Iterable[tuple[str | None, str | None]]:
    """(file, primary emotion) of every rater: a column of its own, or inside ``EmoDetail`` of releases 1.7 to 1.10."""
    if "EmoDetail" in text.columns:
        details = [None if cell is None else cell.split(";")[1].strip() for cell in text["EmoDetail"]]
        return zip(text["FileName"], details, strict=True)
    need_columns(text.columns, ("FileName", "EmoClass_Major"), table)
    return zip(text["FileName"], text["EmoClass_Major"], strict=True)


def _without_comment(word: str) -> str:
    """``Other-Concerned`` is other, with the rater's own word."""
    return "Other" if word.casefold().startswith("other") else word
