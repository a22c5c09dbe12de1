"""Berlin EmoDB: the file name says speaker, text, emotion and version (``03a01Fa``)."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<speaker>\d{2})(?P<text_id>[ab]\d{2})(?P<emotion>[A-Z])[a-z]?")
_LIKE = "03a01Fa (speaker, text, emotion, version)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder (``wav/03a01Fa.wav``) or its ``wav`` folder, any audio suffix.

    Raises:
        ManifestError: no recordings, a name that is not of this form, or a speaker who is not on the card.
        LabelError: an emotion letter that is not on the card.
    """
    folder = path / "wav" if (path / "wav").is_dir() else path
    rows = read_names(folder, _NAME, card.name, _LIKE)
    rows = [{**row, **card.speaker(row["speaker"])} for row in rows]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))
