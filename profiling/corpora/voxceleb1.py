"""VoxCeleb1: ``wav/id10001/1zcIwhmdeo4/00001.wav``, sexes in ``vox1_meta.csv``, ages in the enrichment list.

The ages are those of ``final_dataframe_extended.csv`` (Hechmi et al. 2021) where it lies in the folder. A YAML
chooses its other column: ``folder: vox1`` and ``age_column: speaker_age_title_only``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.celebrities import find_segments, find_table, read_ages, read_celebrities
from profiling.corpora.names import RawRow
from profiling.corpora.options import read_options
from profiling.errors import ManifestError, did_you_mean

#: Keys of the YAML, and the ages the enrichment list offers.
OPTIONS = ("folder", "age_column")
AGE_COLUMNS = ("speaker_age", "speaker_age_title_only")
LIST = "final_dataframe_extended.csv"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder with its table; ages where the enrichment list lies in it.

    Raises:
        ManifestError: no recordings, no table, or a list that contradicts itself.
    """
    return read_with(path, card, drop, "vox1_meta.csv")


def read_with(path: Path, card: Card, drop: Collection[str], meta: str) -> pd.DataFrame:
    """Reads VoxCeleb1 or 2 by the publisher's table of that name."""
    options = {} if path.is_dir() else read_options(path, OPTIONS)
    if not path.is_dir() and "folder" not in options:
        raise ManifestError(f"{path}: names no folder; add a line such as folder: {path.stem}")
    folder = path.parent / str(options["folder"]) if options else path
    column = str(options.get("age_column", AGE_COLUMNS[0]))
    if column not in AGE_COLUMNS:
        raise ManifestError(f"{path}: age_column {column!r}; {did_you_mean(column, AGE_COLUMNS)}")
    segments = find_segments(folder, card.name)
    known = read_celebrities(folder, meta)
    table = find_table(folder, [LIST])
    ages = {} if table is None else read_ages(table, column)
    rows: list[RawRow] = []
    for name, file in segments.items():
        speaker, video, _ = name.split("/")
        if speaker not in known:
            raise ManifestError(f"{card.name}: {speaker} has no row in {meta} ({file})")
        found = {"path": file, "utt_id": name, "speaker": speaker, "age": ages.get((speaker, video))}
        rows.append({**found, "gender": known[speaker].gender, "split": known[speaker].split})
    return assemble(pd.DataFrame(rows, dtype=object), card.name, folder, card.rules(tuple(drop)))
