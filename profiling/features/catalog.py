"""The rows of a store's folder at one moment: its open shards, and where the rows of each layer are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiling.errors import StoreError
from profiling.features.index import RowIndex
from profiling.features.key import KeyArray
from profiling.features.shard import SUFFIX, Shard, open_shard
from profiling.features.spec import Spec
from profiling.features.view import Located

# Each retry means that another process merged shards in the milliseconds between listing and opening.
_RETRIES = 20


class Facts(NamedTuple):
    """What was noted about a row: flags joined by ``|``, and the audio's seconds."""

    flags: str
    duration_s: float


class Catalog:
    """A snapshot. Shards are immutable, so those already open are kept by :meth:`refreshed`.

    Args:
        folder: of the store.
        spec: of the store.
        shards: file name -> open shard.
    """

    def __init__(self, folder: Path, spec: Spec, shards: Mapping[str, Shard] | None = None) -> None:
        self._folder = folder
        self.spec = spec
        self._by_name = dict(sorted((shards or {}).items()))
        self._tables: dict[tuple[int, ...], _Table] = {}
        self.shards = list(self._by_name.values())

    def refreshed(self) -> Catalog:
        """This catalog if no shard came or went, else a new one.

        Raises:
            DamagedShardError: names the shard.
            StoreError: shards keep vanishing while they are opened.
        """
        for _ in range(_RETRIES):
            names = list_shards(self._folder)
            if names == set(self._by_name):
                return self
            try:
                opened = {name: self._open(name) for name in names}
            except FileNotFoundError:
                continue  # merged into another shard, which was published first: list again
            return Catalog(self._folder, self.spec, opened)
        raise StoreError(f"{self._folder}: shards vanished during each of {_RETRIES} attempts to open them")

    def _open(self, name: str) -> Shard:
        known = self._by_name.get(name)
        return known if known is not None else open_shard(self._folder / name, self.spec)

    def locate(self, words: KeyArray, labels: Sequence[str]) -> dict[str, Located]:
        """Where each layer of each key is: in the first shard by name that has it; row -1 where none has."""
        tables = {label: self._table(label) for label in labels}
        placed = {table: self._place(table, words) for table in set(tables.values())}
        return {label: placed[table] for label, table in tables.items()}  # shared by layers written together

    def has(self, words: KeyArray, labels: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether each key has all the layers."""
        complete = np.ones(len(words), dtype=np.bool_)
        for table in {self._table(label) for label in labels}:
            complete &= table.index.find(words) >= 0
        return complete

    def rows_with(self, labels: Sequence[str]) -> KeyArray:
        """(n, 6) distinct keys that have all the layers."""
        first = self._table(labels[0])
        words = first.words[first.distinct]
        complete: KeyArray = words[self.has(words, labels[1:])]
        return complete

    def facts(self, words: KeyArray) -> list[Facts | None]:
        """(n,) what was noted about each key in its first shard, None for unknown keys."""
        found = self._place(self._build(tuple(range(len(self.shards)))), words)
        notes = {
            number: (self.shards[number].flags, self.shards[number].durations_s)
            for number in np.unique(found.shard[found.shard >= 0]).tolist()
        }
        return [
            Facts(notes[shard][0][row], float(notes[shard][1][row])) if row >= 0 else None
            for shard, row in zip(found.shard.tolist(), found.row.tolist(), strict=True)
        ]

    def _place(self, table: _Table, words: KeyArray) -> Located:
        at = table.index.find(words)
        inside = at >= 0
        shard, row = np.full(len(words), -1), np.full(len(words), -1)
        shard[inside], row[inside] = table.shard[at[inside]], table.row[at[inside]]
        return Located(self.shards, shard, row)

    def _table(self, label: str) -> _Table:
        return self._build(tuple(i for i, shard in enumerate(self.shards) if label in shard.layers))

    def _build(self, numbers: tuple[int, ...]) -> _Table:
        if numbers not in self._tables:  # layers written together share their table
            self._tables[numbers] = _Table(self.shards, numbers)
        return self._tables[numbers]


class _Table:
    """The rows of some shards, one after the other."""

    def __init__(self, shards: Sequence[Shard], numbers: Sequence[int]) -> None:
        sizes = [len(shards[number]) for number in numbers]
        self.words: KeyArray = np.concatenate(
            [np.empty((0, 6), np.uint64), *(shards[number].words for number in numbers)]
        )
        self.shard = np.repeat(np.asarray(numbers, np.int64), sizes)
        self.row = np.concatenate([np.empty(0, np.int64), *(np.arange(size) for size in sizes)])
        self.index = RowIndex(self.words)

    @cached_property
    def distinct(self) -> NDArray[np.int64]:
        """Rows whose key occurs in no earlier row."""
        return self.index.first_rows()


def list_shards(folder: Path) -> set[str]:
    """Names of the committed shards.

    A listing during a merge may miss both the new shard and the old ones it replaces; two equal listings
    in a row cannot.
    """
    before = None
    names = _list_once(folder)
    while names != before:
        before, names = names, _list_once(folder)
    return names


def _list_once(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == SUFFIX and path.name[0] != "."}
