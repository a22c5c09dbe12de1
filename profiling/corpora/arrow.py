"""Arrow and parquet tables on disk: cells as text, class labels as their names, recordings as path or bytes.

What Hugging Face ``datasets`` writes (``save_to_disk``: Arrow streams; the hub: parquet) says in the schema's
metadata, key ``huggingface``, which column is audio and what the numbers of a class label stand for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from profiling.errors import ManifestError

_BATCH_ROWS = 256  # rows with recordings inside held in memory at a time
_UNNAMED_LABEL = -1  # datasets' class label of a row that has none


@dataclass(frozen=True)
class Recording:
    """What a row says of its recording: where it is, what it holds, or both."""

    path: str | None
    data: bytes | None


def batches(file: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, some at a time.

    Raises:
        ManifestError: not readable as what its suffix says.
    """
    try:
        if file.suffix == ".parquet":
            yield from pq.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS)
        else:
            with pa.memory_map(str(file)) as source:
                yield from pa.ipc.open_stream(source)
    except (OSError, pa.ArrowException) as error:
        raise ManifestError(f"{file}: cannot be read as a table: {error}") from error


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """Column -> what ``datasets`` says of it; empty for tables of others."""
    noted = (schema.metadata or {}).get(b"huggingface")
    found = json.loads(noted).get("info", {}).get("features") if noted else None
    return found if isinstance(found, dict) else {}


def audio_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold recordings: said to be audio, or a struct of ``bytes`` and ``path``."""
    said = [name for name, feature in features_of(schema).items() if feature.get("_type") == "Audio"]
    return said or [field.name for field in schema if _is_audio(field.type)]


def _is_audio(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {kind.field(i).name for i in range(kind.num_fields)} >= {
        "bytes",
        "path",
    }


def text_columns(batch: pa.RecordBatch) -> dict[str, list[str | None]]:
    """Every plain column as text; class labels by name, lists and structs left out."""
    features = features_of(batch.schema)
    plain = [
        f.name for f in batch.schema if not pa.types.is_nested(f.type) and not pa.types.is_binary(f.type)
    ]
    return {name: _texts(batch.column(name), features.get(name, {})) for name in plain}


def _texts(column: pa.Array, feature: Mapping[str, Any]) -> list[str | None]:
    values = column.to_pylist()
    if feature.get("_type") == "ClassLabel" and feature.get("names"):
        names = {i: str(name) for i, name in enumerate(feature["names"])}
        return [None if v in (None, _UNNAMED_LABEL) else names[v] for v in values]
    return [_text(value) for value in values]


def _text(value: object) -> str | None:
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def recordings(batch: pa.RecordBatch, column: str) -> list[Recording]:
    """The recordings of a column of paths, or of structs of ``bytes`` and ``path``."""
    values = batch.column(column).to_pylist()
    return [
        Recording(v.get("path"), v.get("bytes")) if isinstance(v, dict) else Recording(v, None)
        for v in values
    ]


def read_text_parquet(file: Path) -> dict[str, list[str | None]]:
    """A whole parquet table as text, for tables that name their recordings.

    Raises:
        ManifestError: not readable, or it holds the recordings themselves.
    """
    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise ManifestError(f"{file}: cannot be read as a table: {error}") from error
    inside = audio_columns(schema)
    if inside:
        raise ManifestError(
            f"{file}: column {inside[0]!r} holds recordings, as datasets writes them; use hf:{file.parent}"
        )
    columns: dict[str, list[str | None]] = {}
    for batch in batches(file):
        for name, values in text_columns(batch).items():
            columns.setdefault(name, []).extend(values)
    return columns or {name: [] for name in schema.names}
