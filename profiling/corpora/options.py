"""The YAML a user writes beside their own table or folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from profiling.corpora.cards import check_keys, find_card, read_yaml
from profiling.corpora.labelling import Rules
from profiling.errors import ManifestError
from profiling.scales import parse_scales


def read_options(path: Path, known: Collection[str]) -> dict[str, Any]:
    """The YAML beside a table or folder.

    Raises:
        ManifestError: not readable, an unknown key, or a value of the wrong kind.
    """
    options = read_yaml(path)
    check_keys(options, dict.fromkeys(known), path)
    for key in ("columns", "labels", "age"):
        if not isinstance(options.get(key, {}), dict):
            raise ManifestError(f"{path}: {key} has to be a mapping, such as {key}: {{a: b}}")
    if not isinstance(options.get("drop", []), list):
        raise ManifestError(f"{path}: drop has to be a list, such as drop: [xxx]")
    check_keys(options.get("labels", {}), {"gender": None, "emotion": None, "votes": None}, path)
    return options


def folder_named_in(path: Path, known: Collection[str]) -> tuple[Path, dict[str, Any]]:
    """The folder that a YAML stands for, and the YAML's other settings.

    Raises:
        ManifestError: as :func:`read_options`, or no folder named.
    """
    options = read_options(path, known)
    if "folder" not in options:
        raise ManifestError(f"{path}: names no folder; add a line such as folder: {path.stem}")
    return path.parent / str(options["folder"]), options


def rules_of(name: str, options: Mapping[str, Any], drop: Collection[str]) -> Rules:
    """The corpus's rules: its card's where it has one, then the YAML's."""
    card = find_card(name)
    own = card.rules() if card else Rules()
    labels = options.get("labels", {})
    return Rules(
        gender={**own.gender, **labels.get("gender", {})},
        emotion={**own.emotion, **labels.get("emotion", {})},
        votes={**own.votes, **labels.get("votes", {})},
        age={**own.age, **options.get("age", {})},
        scales={**own.scales, **(parse_scales(options["scale"], name) if "scale" in options else {})},
        drop=(*drop, *(str(word) for word in options.get("drop", []))),
        language=options.get("language", own.language),
    )
