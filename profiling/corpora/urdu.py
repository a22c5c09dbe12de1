"""URDU: ``Angry/SM1_F1_A01.wav`` (speaker with gender, file, emotion and number), from talk shows."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<speaker>S(?P<gender>[FM])\d+)_F\d+_(?P<emotion>[AHNS])\d+")
_LIKE = "SM1_F1_A01 (speaker, file, emotion)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the emotions' folders.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
