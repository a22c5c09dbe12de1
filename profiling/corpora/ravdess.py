"""RAVDESS: seven numbers in the name, ``03-01-06-01-02-01-12.wav``; the spoken, audio-only files are read."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, read_names

_NAME = re.compile(
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<text_id>0[12])-(?P<repetition>0[12])-(?P<speaker>\d{2})"
)
_LIKE = "03-01-06-01-02-01-12 (modality, channel, emotion, intensity, statement, repetition, actor)"
_AUDIO_ONLY, _SPEECH = "03", "01"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the folders ``Actor_01`` to ``Actor_24``; songs and films (the same takes again) are left out, counted.

    Raises:
        ManifestError: no recordings, one that is not named like this, one that lies twice, or only songs.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    kept = [row for row in rows if _reason(row) is None]
    left_out: dict[str, int] = {}
    for reason in filter(None, map(_reason, rows)):
        left_out[reason] = left_out.get(reason, 0) + 1
    raw = pd.DataFrame([{**row, "gender": _gender(row)} for row in kept], dtype=object)
    return assemble(raw, card.name, path, card.rules(tuple(drop)), left_out)


def _reason(row: RawRow) -> str | None:
    if row["modality"] != _AUDIO_ONLY:
        return "not audio-only"
    return None if row["channel"] == _SPEECH else "sung"


def _gender(row: RawRow) -> str:
    return "male" if int(str(row["speaker"])) % 2 else "female"
