"""TESS: ``OAF_back_angry.wav`` (speaker, word, emotion), two women of 26 and 64 years."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<speaker>OAF?|YAF)_(?P<text_id>[a-z]+)_(?P<emotion>[a-z]+)")
_LIKE = "OAF_back_angry (speaker, word, emotion)"
_MISSPELT = {"OA": "OAF"}  # OA_bite_neutral.wav, as published


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the folders ``OAF_angry`` to ``YAF_sad``, or one folder.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
        LabelError: an emotion that is not on the card.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    rows = [{**row, "speaker": _MISSPELT.get(str(row["speaker"]), row["speaker"])} for row in rows]
    rows = [{**row, **card.speaker(row["speaker"])} for row in rows]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
