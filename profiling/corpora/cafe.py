"""CaFE: ``Colere/Faible/01-C-1-1.wav`` (actor, emotion, intensity, sentence), French of Quebec."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<speaker>\d{2})-(?P<emotion>N|[CDJPST](?=-[12]-))(?:-[12])?-(?P<text_id>[1-6])")
_LIKE = "01-C-1-1 (actor, emotion, intensity, sentence), neutral like 01-N-1"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the 48 kHz (wav) or the 192 kHz release (aiff); folder names are not looked at, unpacking damages them.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice,
            or an actor not on the card.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    rows = [{**row, **card.speaker(row["speaker"])} for row in rows]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
