"""Small JSON files in the user's cache folder that save work at the next start and may vanish at any time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from profiling.provenance import read_json, write_json

_LOG = logging.getLogger(__name__)


def remembered(memory: Path) -> dict[str, Any]:
    """A small JSON object that may be absent or damaged: then there is nothing remembered."""
    try:
        found = read_json(memory)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(memory: Path, value: dict[str, Any]) -> None:
    """Writes a memory; a folder that cannot be written costs time at the next start, not the run."""
    try:
        write_json(memory, value)
    except OSError as error:
        _LOG.warning("cannot remember in %s (%s): it will be computed again", memory, error)
