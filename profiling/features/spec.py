"""``spec.json``: the full feature key of a store in readable form, compared whenever the store is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from profiling.errors import StoreError
from profiling.features.key import FeatureKey
from profiling.provenance import environment, read_json, write_json

FILE_NAME = "spec.json"


@dataclass(frozen=True)
class Spec:
    """A store's description.

    Attributes:
        key: what the numbers depend on.
        layers: label -> dim, of the backbone.
        training: what stands behind the numbers (``Backbone.training``).
        created: UTC time, ISO 8601; for people only.
        created_with: versions and command of the first writer; for people only.
    """

    key: FeatureKey
    layers: Mapping[str, int]
    training: str
    created: str
    created_with: Mapping[str, Any]


def write_spec(folder: Path, key: FeatureKey, layers: Mapping[str, int], training: str) -> None:
    """Describes a new store. Two processes that do so at once write the same key."""
    information = {
        "layers": dict(layers),
        "training": training,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "created_with": environment(),
    }
    write_json(
        folder / FILE_NAME, {"key": key.fields(), "key_sha256": key.sha256, "information": information}
    )


def read_spec(folder: Path) -> Spec:
    """Reads a store's description and checks that nobody edited its key.

    Raises:
        StoreError: no store, unreadable, or edited.
    """
    file = folder / FILE_NAME
    try:
        found = read_json(file)
        key = FeatureKey(**found["key"])
        information = found["information"]
        spec = Spec(key, **information)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} is no feature store: it has no {FILE_NAME}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{file} is damaged ({error!r}); {_WAY_OUT}") from error
    if key.sha256 != found.get("key_sha256"):
        raise StoreError(f"{file} was edited: its key no longer gives {found.get('key_sha256')}; {_WAY_OUT}")
    return spec


_WAY_OUT = "restore the file, or move the folder away and extract again"


def check_spec(folder: Path, key: FeatureKey, layers: Mapping[str, int]) -> Spec:
    """Reads a store's description and compares it with what is asked.

    Raises:
        StoreError: names the fields that differ.
    """
    file = folder / FILE_NAME
    try:
        spec = read_spec(folder)
    except StoreError as error:
        different = differing_fields(_raw_key(file), key.fields())
        raise StoreError(f"{error} (differs in {different})" if different else str(error)) from error
    if spec.key.fields() != key.fields():
        different = differing_fields(spec.key.fields(), key.fields())
        raise StoreError(f"{file} is of another feature key: {different}; {_WAY_OUT}")
    for label in layers.keys() & spec.layers.keys():
        if layers[label] != spec.layers[label]:
            raise StoreError(f"{file}: layer {label} has dim {spec.layers[label]}, asked {layers[label]}")
    return spec


def _raw_key(file: Path) -> Any:
    try:
        found = read_json(file)
    except (OSError, ValueError):
        return None
    return found.get("key") if isinstance(found, dict) else None


def differing_fields(found: object, asked: Mapping[str, object], prefix: str = "") -> str:
    """``"precision: 'tf32' instead of 'fp32', ..."``; empty if nothing differs or ``found`` is no mapping.

    >>> differing_fields({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2})
    'a.b: 1 instead of 3'
    """
    if not isinstance(found, Mapping):
        return ""
    parts = []
    for field in sorted({*found, *asked}):
        there, here = found.get(field), asked.get(field)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            parts.append(differing_fields(there, here, f"{prefix}{field}."))
        elif there != here:
            parts.append(f"{prefix}{field}: {there!r} instead of {here!r}")
    return ", ".join(part for part in parts if part)
