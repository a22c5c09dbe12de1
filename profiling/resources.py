"""Where the shipped YAML files and speaker lists are, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def conf_folder() -> Path:
    """The shipped configuration tree: ``profiling/conf`` in a wheel, ``conf/`` in a checkout."""
    return _shipped("conf")


def splits_folder() -> Path:
    """The shipped official speaker lists: ``profiling/data/splits`` in a wheel, ``data/splits`` in a checkout."""
    return _shipped("data/splits")


def _shipped(name: str) -> Path:
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name} is missing beside {_PACKAGE}: the installation is incomplete")
