"""EMOVO: ``f1/dis-f1-b1.wav`` (emotion, actor, sentence), six Italian actors."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm]\d)-(?P<text_id>[a-z]\d)")
_LIKE = "dis-f1-b1 (emotion, actor, sentence)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the actors' folders.

    Raises:
        ManifestError: no recordings, one that is not named like this, one that lies twice, or an actor not on
            the card.
        LabelError: an emotion that is not on the card.
    """
    rows = read_names(path, _NAME, card.name, _LIKE)
    rows = [{**row, **card.speaker(row["speaker"])} for row in rows]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))
