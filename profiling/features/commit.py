"""Committing rows as a shard: all of it under its real name, or nothing."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.key import KeyArray
from profiling.features.shard import KEY_FIELD, LAYER_PREFIX, NAME_DIGITS, SUFFIX, Values
from profiling.features.temporary import temporary_path
from profiling.provenance import publish, sha256_file


@dataclass(frozen=True)
class Rows:
    """Rows on their way to a shard.

    Attributes:
        words: (rows, 6) keys.
        layers: label -> (rows, dim), as stored.
        checksums: label -> (rows,) uint32.
        flags: (rows,) ``windowed|upsampled``, sorted, empty for none.
        durations_s: (rows,) float64, seconds.
    """

    words: KeyArray
    layers: Mapping[str, Values]
    checksums: Mapping[str, NDArray[np.uint32]]
    flags: Sequence[str]
    durations_s: NDArray[np.float64]


def write_shard(folder: Path, rows: Rows, key_sha256: str) -> Path:
    """Commits rows as one shard: temporary file, fsync, rename, fsync of the folder.

    Raises:
        StoreError: the disk is full or refuses; no half shard is left behind.
    """
    temporary = temporary_path(folder)
    try:
        with temporary.open("xb") as file:
            _write_ipc(file, rows, key_sha256)
            file.flush()
            os.fsync(file.fileno())
        content = sha256_file(temporary)[:NAME_DIGITS]
        path = folder / f"{content}-{secrets.token_hex(4)}{SUFFIX}"
        publish(temporary, path)
    except OSError as error:
        raise StoreError(
            f"cannot write {len(rows.words)} rows to {folder}: {error.strerror or error}; "
            "make room and run again, what was committed before is kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_ipc(file: Any, rows: Rows, key_sha256: str) -> None:
    schema, columns = _columns(rows)
    schema = schema.with_metadata(
        {KEY_FIELD: key_sha256.encode(), b"profiling.layers": json.dumps(list(rows.layers))}
    )
    with pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))


def _columns(rows: Rows) -> tuple[Any, list[Any]]:
    spans = rows.words[:, 4:].view("<i8")
    digests = pa.py_buffer(np.ascontiguousarray(rows.words[:, :4]))
    checksums = np.stack([rows.checksums[label] for label in rows.layers], axis=1)  # (rows, layers)
    columns = {
        "audio_sha256": pa.Array.from_buffers(pa.binary(32), len(rows.words), [None, digests]),
        "start_sample": pa.array(np.ascontiguousarray(spans[:, 0])),
        "end_sample": pa.array(np.ascontiguousarray(spans[:, 1])),
        "duration_s": pa.array(rows.durations_s),
        "flags": pa.array(rows.flags, pa.string()),
        "checksum": _fixed_lists(checksums),
        **{LAYER_PREFIX + label: _fixed_lists(values) for label, values in rows.layers.items()},
    }
    fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
    return pa.schema(fields), list(columns.values())


def _fixed_lists(values: Values) -> Any:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
