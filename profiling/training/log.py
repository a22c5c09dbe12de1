"""Where the training commands' lines go: the terminal, and ``train.log`` in the run folder through Hydra."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOGGER = logging.getLogger("profiling.run")


class LogFile(logging.FileHandler):
    """A log file on a full disk is an error like any other, not a traceback beside the work."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raises what ``emit`` caught."""
        raise

    def close(self) -> None:
        """Every line is flushed when it is said, so what cannot be written now was an error already."""
        with suppress(OSError):
            super().close()


def say(line: str) -> None:
    """One line for the person and for the run folder's log."""
    _LOGGER.info("%s", line)


@contextmanager
def restored_logging() -> Iterator[None]:
    """Puts the root logger back as it was: a command is a function, and Hydra configures the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        hydras = set(root.handlers) - set(handlers)
        root.handlers[:], root.level = handlers, level
        for handler in hydras:
            handler.close()


def log_to(path: Path) -> None:
    """From here on lines go into this file too; Hydra keeps one for each job, none for the end of a sweep."""
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
