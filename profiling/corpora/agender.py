"""aGender: lists of telephone recordings (``trainSampleList_train.txt``), ages in years, sexes f, m and x (child).

Version 1 holds headerless 16-bit recordings (``.raw``) at 8 kHz, which nothing can tell from noise: convert them
to ``.wav`` of the same name first; the lists may go on saying ``.raw``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines
from profiling.corpora.names import RawRow
from profiling.corpora.names import unlisted as count_unlisted
from profiling.corpora.tables import find_recordings
from profiling.errors import ManifestError

_LISTS = {"train": "trainSampleList_train.txt", "val": "trainSampleList_devel.txt"}


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder; its test part has no labels and is left out, counted.

    Raises:
        ManifestError: no list, a line of another form, or recordings that are still headerless.
    """
    rows = [_row(line, split, path) for split, name in _LISTS.items() for line in read_lines(path / name)]
    raw = [row["path"] for row in rows if str(row["path"]).endswith(".raw")]
    if raw:
        raise ManifestError(
            f"{path}: {len(raw)} recordings are headerless ({raw[0]}); convert each, such as: "
            "sox -t raw -r 8000 -e signed -b 16 -c 1 x.raw x.wav"
        )
    files = {file.as_posix(): file.as_posix() for file in find_recordings(path)}
    left_out = count_unlisted(files, [str(row["path"]) for row in rows])
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)), left_out)


def _row(line: str, split: str, folder: Path) -> RawRow:
    """``path ? speaker age sex ...``, separated by blanks."""
    fields = line.split()
    if len(fields) < 5 or not fields[3].isdecimal():
        raise ManifestError(
            f"{folder / _LISTS[split]}: {line.strip()!r} is not: path, ..., speaker, age, sex"
        )
    file = Path(fields[0])
    if file.suffix == ".raw" and (
        (folder / file.with_suffix(".wav")).is_file() or not (folder / file).is_file()
    ):
        file = file.with_suffix(".wav")
    name = file.with_suffix("").as_posix()
    found = {"path": file.as_posix(), "utt_id": name, "speaker": fields[2], "split": split}
    return {**found, "age": fields[3], "gender": fields[4]}
