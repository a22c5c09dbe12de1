"""ShEMO: ``female/F24A65.wav`` (speaker with gender, emotion, number), Persian from radio plays."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<speaker>(?P<gender>[FM])\d{2})(?P<emotion>[A-Z])\d+")
_LIKE = "F24A65 (speaker, emotion, number)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the folders female and male.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
        LabelError: a letter that is no emotion of the card.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
