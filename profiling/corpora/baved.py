"""BAVED: ``0/1-m-20-0-1-107.wav`` (speaker, gender, age, word, level of emotion, record), Arabic words."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(
    r"(?P<speaker>\d+)-(?P<gender>[FMfm])-(?P<age>\d+)-(?P<text_id>[0-6])-(?P<level>[0-2])-\d+"
)
_LIKE = "1-m-20-0-1-107 (speaker, gender, age, word, level, record)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the words' folders. The level is how much emotion: as ``arousal``, and as words where one fits.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    rows = [{**row, "emotion": row["level"], "arousal": row["level"]} for row in rows]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
