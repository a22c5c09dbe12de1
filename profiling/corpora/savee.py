"""SAVEE: ``AudioData/DC/a01.wav`` (speaker, emotion, sentence), or all in one folder as ``DC_a01.wav``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, read_paths

_PATH = re.compile(r"(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>sa|su|[adfhn])(?P<number>\d{2})")
_LIKE = "DC/a01 or DC_a01 (speaker, emotion, sentence)"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads either form; the speakers are four men.

    Raises:
        ManifestError: no recordings, one that is not named like this, or one that lies twice.
    """
    rows = [_row(row) for row in read_paths(path, _PATH, card.name, _LIKE)]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))


def _row(row: RawRow) -> RawRow:
    text = f"{row['emotion']}{row['number']}"
    return {**row, "utt_id": f"{row['speaker']}_{text}", "text_id": text, "gender": "male"}
