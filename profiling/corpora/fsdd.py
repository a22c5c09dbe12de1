"""Free Spoken Digit Dataset: ``recordings/7_jackson_32.wav`` (digit, speaker, take)."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import read_names

_NAME = re.compile(r"(?P<text_id>\d)_(?P<speaker>[a-z]+)_\d+")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder or its ``recordings`` folder.

    Raises:
        ManifestError: no recordings, a name of another form, or a speaker who is not on the card.
    """
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    named = read_names(folder, _NAME, card.name, "7_jackson_32 (digit, speaker, take)")
    rows = [{**row, **card.speaker(row["speaker"])} for row in named]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))
