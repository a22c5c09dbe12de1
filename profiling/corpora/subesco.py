"""SUBESCO: ``F_01_OISHI_S_10_ANGRY_1.wav`` (gender, number, name, sentence, emotion, take), Bangla."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(
    r"(?P<speaker>(?P<gender>[FM])_\d{2})_[A-Z]+_S_(?P<text_id>\d+)_(?P<emotion>[A-Z]+)_(?P<take>\d)\]?"
)  # one name ends in a bracket, as published: F_02_MONIKA_S_2_SURPRISE_3].wav
_LIKE = "F_01_OISHI_S_10_ANGRY_1 (gender, number, name, sentence, emotion, take)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the one folder of the publisher; the numbers of women and men both start at 01.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
        LabelError: an emotion that is not on the card.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
