"""Protocols given as lists: ``data/splits/<name>.yaml`` by name, or a file of the user's in the same form.

```yaml
corpus: ravdess               # whose speakers are listed
speaker_independent: true
unit: speaker                 # or utterance: the listed names are utt_ids without the corpus
source: where the list comes from
sha256: of the canonical JSON of the folds
folds:
  - {name: fold_1, test: ["01", "11"], train: rest}   # rest: everyone not listed in this fold
```

``train: official`` are the rows whose split column says train; ``val`` may be left out (taken from train then).
Lists that are too long to ship are read from the publisher's own files in ``split.folder``: ``files: {count: 5,
test: "fold_{fold}/x.jsonl", prefix: "emodb-"}`` instead of ``folds``, JSON lines with a ``key`` each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profiling.corpora.cards import check_keys, read_yaml
from profiling.corpora.manifest import shown
from profiling.corpora.protocol import Mask
from profiling.errors import SplitError, did_you_mean
from profiling.provenance import signature
from profiling.resources import splits_folder

REST, OFFICIAL = "rest", "official"
_UNITS = {"speaker": "speaker_id", "utterance": "utt_id"}
_KEYS = ("corpus", "speaker_independent", "unit", "source", "sha256", "folds", "files", "note")
_FOLD_KEYS = ("name", "train", "val", "test")


@dataclass(frozen=True)
class ListedFold:
    """One fold: names of speakers or utterances without their corpus; ``train`` may be ``rest`` or ``official``."""

    name: str
    train: frozenset[str] | str
    val: frozenset[str]
    test: frozenset[str]


@dataclass(frozen=True)
class ListedProtocol:
    """A published division.

    Attributes:
        name: of the list.
        corpus: whose.
        speaker_independent: whether its parts share no speaker.
        unit: ``speaker`` or ``utterance``: what is listed.
        source: where it comes from.
        folds: in the order of the list.
    """

    name: str
    corpus: str
    speaker_independent: bool
    unit: str
    source: str
    folds: tuple[ListedFold, ...]


def protocol_names() -> list[str]:
    """The shipped lists that ``split.protocol`` knows."""
    return sorted(p.stem for p in splits_folder().glob("*.yaml") if {"folds", "files"} & set(read_yaml(p)))


def read_protocol(name: str, folder: str | None = None) -> ListedProtocol:
    """Reads a list by its name, or by its path.

    Args:
        name: of a shipped list, or the path of a YAML.
        folder: ``split.folder``, for a list that is read from the publisher's own files.

    Raises:
        SplitError: no such list, a key that is missing or unknown, or content that is not what its sha256 says.
    """
    path = Path(name).expanduser() if name.endswith((".yaml", ".yml")) else splits_folder() / f"{name}.yaml"
    if not path.is_file() or (path.parent == splits_folder() and name not in protocol_names()):
        near = did_you_mean(name, protocol_names())
        raise SplitError(f"split.protocol={name}: no such list; {near}, or the path of a YAML of yours")
    content = read_yaml(path)
    check_keys(content, dict.fromkeys(_KEYS), path)
    for key in ("corpus", "speaker_independent"):
        if key not in content:
            raise SplitError(f"{path}: the list has no {key!r}")
    if "files" in content:
        content["folds"] = _on_disk(content["files"], folder, path)
    elif "folds" not in content:
        raise SplitError(f"{path}: the list has neither folds nor files")
    if "sha256" in content and content["sha256"] != signature(content["folds"]):
        raise SplitError(f"{path}: its folds are not those its sha256 stands for; get the list anew")
    unit = str(content.get("unit", "speaker"))
    if unit not in _UNITS:
        raise SplitError(f"{path}: unit: {unit}; {did_you_mean(unit, _UNITS)}")
    folds = tuple(_fold(entry, path) for entry in content["folds"])
    independent = bool(content["speaker_independent"])
    source = str(content.get("source", path))
    return ListedProtocol(path.stem, str(content["corpus"]), independent, unit, source, folds)


def _on_disk(files: Mapping[str, Any], folder: str | None, path: Path) -> list[dict[str, Any]]:
    """The folds of the publisher's own files.

    Raises:
        SplitError: no folder given, or a file that is not there or not of this form.
    """
    check_keys(files, dict.fromkeys(("count", "test", "prefix")), path)
    if folder is None:
        raise SplitError(
            f"split.protocol={path.stem} is not shipped; say where its files are: split.folder=PATH"
        )
    folds = []
    for number in range(1, int(files["count"]) + 1):
        file = Path(folder).expanduser() / str(files["test"]).format(fold=number)
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
            keys = [str(json.loads(line)["key"]) for line in lines if line.strip()]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SplitError(
                f"split.folder: {file} is no list of JSON lines with a key each: {error}"
            ) from None
        folds.append(
            {"name": f"fold_{number}", "test": [key.removeprefix(str(files["prefix"])) for key in keys]}
        )
    return folds


def _fold(entry: Mapping[str, Any], path: Path) -> ListedFold:
    check_keys(entry, dict.fromkeys(_FOLD_KEYS), path)
    train = entry.get("train", REST)
    if isinstance(train, str) and train not in (REST, OFFICIAL):
        raise SplitError(f"{path}: train: {train}; write a list, {REST} or {OFFICIAL}")
    names = {
        part: frozenset(str(name).casefold() for name in entry.get(part, ())) for part in ("val", "test")
    }
    listed = train if isinstance(train, str) else frozenset(str(name).casefold() for name in train)
    if not names["test"]:
        raise SplitError(f"{path}: fold {entry.get('name')} tests nobody")
    return ListedFold(str(entry["name"]), listed, names["val"], names["test"])


def parts_of(listed: ListedProtocol, rows: pd.DataFrame) -> list[tuple[str, dict[str, Mask]]]:
    """Fold's name and its masks over the rows; rows in no part of a fold are left out of it.

    Args:
        listed: the protocol.
        rows: task rows, of this corpus only.

    Raises:
        SplitError: rows of another corpus, nobody of a test part there, or a row in no list although the
            training part is a list.
    """
    others = sorted(set(rows["corpus"]) - {listed.corpus})
    if others:
        raise SplitError(
            f"split.protocol={listed.name} divides {listed.corpus}; it says nothing of {', '.join(others)}: "
            "train on that corpus alone, or hold the others out"
        )
    own = _bare(rows, _UNITS[listed.unit])
    return [(fold.name, _masks(fold, own, rows, listed.name)) for fold in listed.folds]


def _bare(rows: pd.DataFrame, column: str) -> np.ndarray:
    names = zip(rows[column].fillna(""), rows["corpus"], strict=True)
    return np.array([str(name).removeprefix(f"{corpus}/").casefold() for name, corpus in names], dtype=object)


def _masks(fold: ListedFold, own: np.ndarray, rows: pd.DataFrame, name: str) -> dict[str, Mask]:
    val, test = (np.isin(own, sorted(listed)) for listed in (fold.val, fold.test))
    if fold.train == REST:
        train = ~val & ~test
    elif fold.train == OFFICIAL:
        train = (rows["split"] == "train").to_numpy() & ~val & ~test
    else:
        train = np.isin(own, sorted(fold.train))
        unlisted = sorted(set(own[~(train | val | test)]))
        if unlisted:
            raise SplitError(f"split.protocol={name}: {fold.name} does not list {shown(unlisted)}")
    for part, mask, listed in (("test", test, fold.test), ("val", val, fold.val)):
        if listed and not mask.any():
            raise SplitError(
                f"split.protocol={name}: nobody of the {part} part of {fold.name} is there; listed are "
                f"{shown(sorted(listed))}, the rows have {shown(sorted(set(own)))}"
            )
    return {"train": train, "val": val, "test": test}
