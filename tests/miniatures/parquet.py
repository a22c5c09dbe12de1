"""A user's own parquet table: numbers, missing numbers, a list that is left out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.miniatures.facts import Facts, Odd, copy, record


def build(folder: Path) -> Path:
    """Ages as integers with a gap, speakers as numbers."""
    record(folder, "001.wav", "002.wav")
    columns = {"path": ["001.wav", "002.wav"], "speaker": [7, 8], "age": [31, None], "gender": ["f", "M"]}
    pq.write_table(pa.table({**columns, "frames": [[1], [2, 3]]}), folder / "m.parquet")
    return folder / "m.parquet"


FACTS = Facts(
    rows=2,
    row={"utt_id": "mini/001", "speaker_id": "mini/7", "age_years": 31.0, "gender": "female"},
    odd={"stray": Odd(copy("001.wav", "003.wav"))},
)
