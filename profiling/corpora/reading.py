"""Corpora by name: ``emodb``, ``csv:/data/my.csv``. A reader is a module of this package with a card.

Adding a corpus is one module ``profiling/corpora/<name>.py`` with ``read(path, card, drop)`` and one card
``conf/corpus/<name>.yaml``; nothing here has to change.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import pandas as pd

import profiling.corpora
from profiling.corpora.cards import Card, card_names, read_card
from profiling.corpora.manifest import check_manifest, conform, shown
from profiling.errors import ManifestError, did_you_mean


class Reader(Protocol):
    """The one function of a reader's module."""

    def __call__(self, path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
        """Reads the corpus at ``path`` into a checked manifest."""
        ...


def reader_names() -> list[str]:
    """Every module of this package that has a card."""
    modules = {module.name for module in pkgutil.iter_modules(profiling.corpora.__path__)}
    return sorted(modules & set(card_names()))


def find_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        ManifestError: names the nearest readers.
    """
    if name not in reader_names():
        hint = f"is it a table? write csv:{name}" if Path(name).suffix else did_you_mean(name, reader_names())
        raise ManifestError(f"no corpus reader {name!r}; {hint}")
    return cast(Reader, importlib.import_module(f"profiling.corpora.{name}").read)


def read_corpus(spec: str, paths: Mapping[str, str | None], drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads one corpus.

    Args:
        spec: ``reader:path``, or ``reader`` alone: looked up in ``paths``, then ``$PROFILING_DATA/<reader>``.
        paths: reader -> folder or file.
        drop: ``corpus.drop_labels``.

    Returns:
        A checked manifest; ``attrs["dropped"]`` counts the rows dropped by name.

    Raises:
        ManifestError: unknown reader, no such path, not readable.
        LabelError: an unknown label, with counts.
    """
    name, _, given = spec.partition(":")
    reader = find_reader(name)
    path = Path(given).expanduser() if given else _default_path(name, paths)
    check_readable(path, spec)
    return reader(path, read_card(name), drop)


def _default_path(name: str, paths: Mapping[str, str | None]) -> Path:
    given = paths.get(name)
    if given:
        return Path(given).expanduser()
    data = os.environ.get("PROFILING_DATA")
    if data and (Path(data) / name).exists():
        return Path(data) / name
    looked = (
        f"$PROFILING_DATA/{name} = {Path(data) / name} does not exist"
        if data
        else "PROFILING_DATA is not set"
    )
    raise ManifestError(f"where is {name}? write {name}:PATH or set paths.{name}=PATH ({looked})")


def check_readable(path: Path, spec: str) -> None:
    """Fails early on a path that cannot be opened.

    Raises:
        ManifestError: not there (naming what is beside it), or no permission.
    """
    try:
        path.stat()
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except FileNotFoundError:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = (
            did_you_mean(path.name, beside) if 0 < len(beside) <= 50 else f"{path.parent} is not there either"
        )
        raise ManifestError(f"{spec}: no such file or folder: {path}; {hint}") from None
    except OSError as error:
        raise ManifestError(f"{spec}: {path} cannot be read: {error.strerror}") from error


def read_corpora(
    specs: Sequence[str], paths: Mapping[str, str | None], drop: Collection[str] = ()
) -> pd.DataFrame:
    """Reads several corpora, as many of a kind as wanted, into one manifest in the order given.

    Raises:
        ManifestError: none given, or two of the same name or with the same utterance.
    """
    if not specs:
        raise ManifestError("no corpus given; name some, such as corpus.train=[csv:/data/my.csv]")
    tables = [read_corpus(spec, paths, drop) for spec in specs]
    _refuse_same_name(specs, tables)
    dropped: Counter[str] = Counter()
    for table in tables:
        dropped.update(table.attrs.pop("dropped", {}))
    pooled = check_manifest(conform(pd.concat(tables, ignore_index=True)), ", ".join(specs))
    pooled.attrs["dropped"] = dict(dropped)
    return pooled


def _refuse_same_name(specs: Sequence[str], tables: Sequence[pd.DataFrame]) -> None:
    owner: dict[str, str] = {}
    for spec, table in zip(specs, tables, strict=True):
        for name in table["corpus"].unique():
            if name in owner:
                raise ManifestError(
                    f"{owner[name]} and {spec} are both named {name!r}, so their ids would collide; give "
                    "one another name in a YAML (csv:/data/my.yaml with name: ...). Of them: "
                    f"{shown(table['utt_id'])}"
                )
            owner[name] = spec
