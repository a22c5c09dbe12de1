"""VoxCeleb2: ``dev/aac/id00012/21Uxsk56VDQ/00001.m4a``, read as VoxCeleb1 is, with ``vox2_meta.csv``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.cards import Card
from profiling.corpora.voxceleb1 import read_with


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder with its table; ages where the enrichment list lies in it.

    Raises:
        ManifestError: no recordings, no table, or a list that contradicts itself.
    """
    return read_with(path, card, drop, "vox2_meta.csv")
