"""ESD: ``0001/Angry/train/0001_000351.wav``, ten speakers of Mandarin, ten of English, 350 sentences each."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, read_paths

_PATH = re.compile(
    r"(?P<folder>\d{4})/(?P<emotion>[A-Za-z]+)/(?:(?P<split>train|evaluation|test)/)?"
    r"(?P<utt_id>(?P<speaker>\d{4})_(?P<number>\d{6}))"
)
_LIKE = "0001/Angry/train/0001_000351 (speaker, emotion, part, speaker_number)"
_SENTENCES = 350  # of each emotion, in one order: number 351 is sentence 1 again
_LAST_OF_MANDARIN = 10


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads both languages; the folders train, evaluation and test are there in the first release only.

    Raises:
        ManifestError: no recordings, one at another place, one that lies twice, or a speaker not on the card.
        LabelError: a folder that is no emotion.
    """
    rows = [_row(row, card) for row in read_paths(path, _PATH, card.name, _LIKE)]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))


def _row(row: RawRow, card: Card) -> RawRow:
    speaker = str(row["speaker"])
    language = "zh" if int(speaker) <= _LAST_OF_MANDARIN else "en"
    sentence = (int(str(row["number"])) - 1) % _SENTENCES + 1
    return {**row, **card.speaker(speaker), "language": language, "text_id": f"{language}_{sentence:03d}"}
