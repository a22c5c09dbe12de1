"""CREMA-D: ``AudioWAV/1001_DFA_ANG_XX.wav`` (actor, sentence, acted emotion, level) and what listeners heard."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import need_columns, read_names
from profiling.corpora.tables import read_text_table

_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<text_id>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>LO|MD|HI|XX|X)")
_LIKE = "1001_DFA_ANG_XX (actor, sentence, emotion, level)"
_FOLDERS = ("AudioWAV", "AudioMP3")
_TABULATED, _SUMMARY = "processedResults/tabulatedVotes.csv", "processedResults/summaryTable.csv"
_VOTES = ("A", "D", "F", "H", "N", "S")
_VOICE_ONLY = "1"  # first digit of a row's number in tabulatedVotes: 1 voice, 2 face, 3 both

_log = logging.getLogger(__name__)


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads ``AudioWAV`` (else ``AudioMP3``, else the folder itself) and the votes on the voice alone, where present.

    ``emotion`` is the acted one; ``task.votes=majority`` takes the listeners'.

    Raises:
        ManifestError: no recordings, one that is not named like this, or an actor who is not on the card.
    """
    folder = next((path / name for name in _FOLDERS if (path / name).is_dir()), path)
    votes = _read_votes(path)
    rows = read_names(folder, _NAME, card.name, _LIKE)
    rows = [
        {**row, **card.speaker(row["speaker"]), "emotion_votes": votes.get(str(row["utt_id"]))}
        for row in rows
    ]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))


def _read_votes(path: Path) -> Mapping[str, str]:
    if (path / _TABULATED).is_file():
        return _tabulated(path / _TABULATED)
    if (path / _SUMMARY).is_file():
        _log.warning("crema_d: %s is missing, so only the winners of the votes are known", path / _TABULATED)
        return _winners(path / _SUMMARY)
    return {}


def _tabulated(table: Path) -> Mapping[str, str]:
    """Counts of every emotion; a clip shown under two numbers has its votes added up."""
    text = read_text_table(table)
    need_columns(text.columns, ("", "fileName", *_VOTES), table)
    counts: dict[str, Counter[str]] = {}
    for number, name, *row in text[["", "fileName", *_VOTES]].itertuples(index=False, name=None):
        if str(number).startswith(_VOICE_ONLY):
            counts.setdefault(str(name), Counter()).update(
                {w: int(n) for w, n in zip(_VOTES, row, strict=True)}
            )
    return {name: json.dumps(votes) for name, votes in counts.items() if votes.total()}


def _winners(table: Path) -> Mapping[str, str]:
    """``A:D`` is a tie of two."""
    text = read_text_table(table)
    need_columns(text.columns, ("FileName", "VoiceVote"), table)
    pairs = text[["FileName", "VoiceVote"]].dropna().itertuples(index=False, name=None)
    return {name: json.dumps(dict.fromkeys(vote.split(":"), 1)) for name, vote in pairs}
