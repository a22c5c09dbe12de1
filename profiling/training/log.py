"""Where the training commands' lines go: the terminal, and ``train.log`` in the run folder through Hydra."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("profiling.run")


def say(line: str) -> None:
    """One line for the person and for the run folder's log."""
    _LOGGER.info("%s", line)
