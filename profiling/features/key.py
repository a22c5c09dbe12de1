"""What a feature belongs to: the row (which audio, which span) and the store (what computed it).

Content decides identity (DESIGN 2): neither key holds a path, a corpus name, a device or a batch size, so a
renamed corpus keeps its features, and one changed byte of audio is another row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError, did_you_mean
from profiling.provenance import signature

#: Of the shard layout and of what its numbers mean; a change of either makes new stores.
SCHEMA_VERSION = 1

StoredType = Literal["float32", "float16"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

#: Row keys as numbers, for whole-column work: (rows, 6), the sha256 in four words, then start and end.
KeyArray = NDArray[np.uint64]


class RowKey(NamedTuple):
    """One utterance: the sha256 of its file's bytes and a span of samples at the file's own rate.

    Attributes:
        audio_sha256: 64 lower-case hex digits.
        start_sample: first sample.
        end_sample: one past the last sample; -1 is the end of the file.
    """

    audio_sha256: str
    start_sample: int = 0
    end_sample: int = -1


@dataclass(frozen=True)
class FeatureKey:
    """Everything that changes the numbers of a store, and nothing else.

    Attributes:
        backbone: ``name`` (it also starts the folder's name), ``weights_sha256`` and what else
            ``Backbone.identity()`` says makes the weights these weights.
        front_end: sample rate, resampler, channel rule, long-audio rule: plain JSON values.
        precision: ``fp32`` (TF32 off), ``tf32`` or ``fp16``, of the computation.
        dtype: ``float32`` or ``float16``, as stored.
        schema_version: see :data:`SCHEMA_VERSION`.
    """

    backbone: Mapping[str, object]
    front_end: Mapping[str, object]
    precision: str
    dtype: StoredType
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StoreError(f"feature key: backbone name {self.name!r} cannot name a folder")
        if self.dtype not in get_args(StoredType):
            raise StoreError(f"store.dtype={self.dtype}: {did_you_mean(self.dtype, get_args(StoredType))}")

    @property
    def name(self) -> str:
        """The backbone's name."""
        return str(self.backbone.get("name", ""))

    def fields(self) -> dict[str, object]:
        """The hashed part as plain JSON, whole floats as integers: 30 and 30.0 seconds are one key."""
        hashed = {
            "backbone": self.backbone,
            "front_end": self.front_end,
            "precision": self.precision,
            "dtype": self.dtype,
            "schema_version": self.schema_version,
        }
        return {field: _plain(value) for field, value in hashed.items()}

    @property
    def sha256(self) -> str:
        """sha256 of the canonical JSON of :meth:`fields`."""
        return signature(self.fields())

    @property
    def folder_name(self) -> str:
        """``<backbone name>-<first 16 hex digits of the key>``."""
        return f"{self.name}-{self.sha256[:16]}"


def perturbations_of(key: FeatureKey) -> tuple[str, ...]:
    """The steps every recording went through before the backbone heard it; empty for recordings as they are."""
    steps = key.front_end.get("perturb", ())
    return tuple(map(str, steps)) if isinstance(steps, (list, tuple)) else ()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def pack_keys(keys: Sequence[RowKey]) -> KeyArray:
    """Row keys as an array.

    Returns:
        (rows, 6) uint64.

    Raises:
        StoreError: an ``audio_sha256`` that is not 64 hex digits, or a span that is none.
    """
    joined = "".join(key.audio_sha256 for key in keys)
    starts = np.array([key.start_sample for key in keys], dtype="<i8")
    ends = np.array([key.end_sample for key in keys], dtype="<i8")
    empty = (starts < 0) | ((ends != -1) & (ends <= starts))
    lengths = {len(key.audio_sha256) for key in keys}
    raw = _from_hex(joined)
    if raw is None or lengths - {64} or empty.any():
        raise _no_key(keys)
    digests = np.frombuffer(raw, dtype="<u8").reshape(-1, 4)
    return np.concatenate([digests, starts.view("<u8")[:, None], ends.view("<u8")[:, None]], axis=1)


def _from_hex(digits: str) -> bytes | None:
    """The bytes, None for anything but lower-case hex digits (``fromhex`` alone takes capitals and spaces)."""
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    return raw if raw.hex() == digits else None


def _no_key(keys: Iterable[RowKey]) -> StoreError:
    """The first of ``keys`` that is none; looked for only when all together do not fit."""
    for digest, start, end in keys:
        if len(digest) != 64 or _from_hex(digest) is None:
            return StoreError(f"row key: audio_sha256 {digest!r} is not 64 lower-case hex digits")
        if start < 0 or (end != -1 and end <= start):
            return StoreError(f"row key: no samples in [{start}, {end}) of audio {digest[:12]}…")
    raise AssertionError("every key fits by itself")


def unpack_keys(words: KeyArray) -> list[RowKey]:
    """The inverse of :func:`pack_keys`."""
    digests = np.ascontiguousarray(words[:, :4]).tobytes().hex()
    spans = np.ascontiguousarray(words[:, 4:]).view("<i8").tolist()
    return [RowKey(digests[64 * i : 64 * i + 64], start, end) for i, (start, end) in enumerate(spans)]


def describe_keys(keys: Sequence[RowKey], limit: int = 3) -> str:
    """The first few keys, short, for an error message.

    >>> describe_keys([RowKey("ab" * 32), RowKey("cd" * 32, 16000, 32000)], limit=1)
    'abababababab…[0:-1], …'
    """
    listed = ", ".join(
        f"{key.audio_sha256[:12]}…[{key.start_sample}:{key.end_sample}]" for key in keys[:limit]
    )
    return f"{listed}, …" if len(keys) > limit else listed
