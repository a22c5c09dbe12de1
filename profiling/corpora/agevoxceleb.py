"""AgeVoxCeleb: ages of VoxCeleb2's segments in ``utt2age.train`` and ``utt2age.test`` beside the recordings.

Its ages are never mixed with those of the enrichment list: that one is read by ``voxceleb2``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.celebrities import find_segments, find_table, read_celebrities
from profiling.corpora.lists import read_list
from profiling.corpora.names import RawRow, unlisted
from profiling.errors import ManifestError

_META = "vox2_meta.csv"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads VoxCeleb2's folder with the two lists in it; only what they list, sexes where vox2_meta.csv is there.

    Raises:
        ManifestError: no recordings, no list, or a segment in both parts.
    """
    segments = find_segments(path, card.name)
    ages = {part: _list(path, part) for part in ("train", "test")}
    twice = sorted(set(ages["train"]) & set(ages["test"]))
    if twice:
        raise ManifestError(f"{path}: {twice[0]} is in utt2age.train and in utt2age.test")
    known = read_celebrities(path, _META) if find_table(path, [_META]) else {}
    rows: list[RawRow] = []
    for part, listed in ages.items():
        for name, age in listed.items():
            speaker = name.split("/")[0]
            gender = known[speaker].gender if speaker in known else None
            found = {"path": segments.get(name, f"{name}.m4a"), "utt_id": name, "speaker": speaker}
            rows.append({**found, "age": age, "gender": gender, "split": part})
    left_out = unlisted(segments, [str(row["utt_id"]) for row in rows])
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)), left_out)


def _list(folder: Path, part: str) -> dict[str, str]:
    table = find_table(folder, [f"utt2age.{part}"])
    if table is None:
        raise ManifestError(f"{folder}: no utt2age.{part} there; it is in the publisher's repository")
    return read_list(table)
