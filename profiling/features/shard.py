"""One shard: an immutable, uncompressed Arrow IPC file of rows, memory-mapped.

Columns: ``audio_sha256``, ``start_sample``, ``end_sample`` (the key), ``duration_s``, ``flags``, ``checksum``
(one CRC-32 per layer, over the layer's name, the key and the stored values) and ``layer:<label>`` per layer.
The file's name starts with the sha256 of its bytes. One record batch, so a layer is one (rows, dim) array.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.key import KeyArray
from profiling.features.spec import Spec

SUFFIX = ".arrow"
NAME_DIGITS = 16  # hex digits of the content's sha256 in a shard's name
LAYER_PREFIX = "layer:"
FLAG_SEPARATOR = "|"
KEY_FIELD = b"profiling.key_sha256"

Values = NDArray[Any]  # (rows, dim) float32 or float16


class DamagedShardError(StoreError):
    """A shard that is truncated, altered or no shard of this store."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"shard {path.name} of {path.parent} is damaged: {reason}; "
            "`profiling cache verify` lists damage, `--repair` sets it aside and extraction recomputes it"
        )
        self.path = path
        self.reason = reason


def row_checksum(label: str, key: bytes, values: Values) -> int:
    """CRC-32 that binds a row's stored values (dim,) to its layer and to its 48 key bytes."""
    return zlib.crc32(values.data, zlib.crc32(key, zlib.crc32(label.encode())))


@dataclass(frozen=True)
class Shard:
    """An open shard. Its arrays are the mapped file: they stay readable after the file is unlinked.

    Attributes:
        path: where it was opened.
        words: (rows, 6) keys.
        layers: label -> (rows, dim), memory-mapped, read-only.
        checksums: label -> (rows,) uint32.
        num_bytes: size of the file.
        batch: the Arrow record batch behind it, for the columns that are seldom asked for.
    """

    path: Path
    words: KeyArray
    layers: Mapping[str, Values]
    checksums: Mapping[str, NDArray[np.uint32]]
    num_bytes: int
    batch: Any

    def __len__(self) -> int:
        return len(self.words)

    @property
    def feature_bytes(self) -> int:
        """Size of the features alone, which decides how many rows make a shard."""
        return sum(values.nbytes for values in self.layers.values())

    @property
    def flags(self) -> list[str]:
        """(rows,) flags joined by ``|``, empty for none."""
        flags: list[str] = self.batch.column("flags").to_pylist()
        return flags

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """(rows,) seconds."""
        durations: NDArray[np.float64] = self.batch.column("duration_s").to_numpy()
        return durations

    def altered_rows(self, label: str, rows: Iterable[int]) -> list[int]:
        """Those of ``rows`` whose stored values no longer give their checksum."""
        values, checksums = self.layers[label], self.checksums[label]
        return [i for i in rows if row_checksum(label, self.words[i].tobytes(), values[i]) != checksums[i]]


def open_shard(path: Path, spec: Spec) -> Shard:
    """Maps a shard and reads its keys; the features stay on disk until they are touched.

    Raises:
        FileNotFoundError: gone, as when another process has just merged it.
        DamagedShardError: truncated, no Arrow file, or of another store.
        StoreError: the system refuses to open it.
    """
    try:
        # Closing frees the descriptor (a store may have more shards than `ulimit -n`), the mapping stays.
        with pa.memory_map(str(path)) as source:
            batch = _only_batch(path, pa.ipc.open_file(source))
        return _shard(path, batch, spec)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (None, errno.EIO):
            raise DamagedShardError(path, _one_line(error)) from error
        raise StoreError(f"cannot open shard {path}: {error.strerror}") from error
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise DamagedShardError(path, _one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _only_batch(path: Path, reader: Any) -> Any:
    if reader.num_record_batches != 1:
        raise DamagedShardError(path, f"{reader.num_record_batches} record batches instead of one")
    batch = reader.get_batch(0)
    batch.validate()
    return batch


def _shard(path: Path, batch: Any, spec: Spec) -> Shard:
    found = (batch.schema.metadata or {}).get(KEY_FIELD, b"no key").decode()
    if found != spec.key.sha256:
        raise DamagedShardError(
            path, f"it belongs to feature key {found[:16]}, not to {spec.key.sha256[:16]}"
        )
    names = [name for name in batch.schema.names if name.startswith(LAYER_PREFIX)]
    layers = {name.removeprefix(LAYER_PREFIX): _matrix(batch.column(name)) for name in names}
    for label, values in layers.items():
        dim, dtype = spec.layers.get(label), spec.key.dtype
        if (values.shape[1], values.dtype.name) != (dim, dtype):
            raise DamagedShardError(path, f"{label} is {values.dtype}[{values.shape[1]}], not {dtype}[{dim}]")
    checksums = _matrix(batch.column("checksum"))  # (rows, layers)
    return Shard(
        path=path,
        words=_words(batch),
        layers=layers,
        checksums={label: checksums[:, i] for i, label in enumerate(layers)},
        num_bytes=path.stat().st_size,
        batch=batch,
    )


def _words(batch: Any) -> KeyArray:
    words = np.empty((batch.num_rows, 6), dtype="<u8")
    digests = batch.column("audio_sha256").buffers()[1]
    words[:, :4] = np.frombuffer(digests, dtype="<u8", count=4 * batch.num_rows).reshape(-1, 4)
    for i, name in enumerate(("start_sample", "end_sample"), start=4):
        words[:, i] = batch.column(name).to_numpy().view("<u8")
    return words


def _matrix(column: Any) -> Values:
    matrix: Values = column.values.to_numpy(zero_copy_only=True).reshape(len(column), column.type.list_size)
    return matrix
