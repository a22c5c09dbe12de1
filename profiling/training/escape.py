"""Takes an error out of Hydra as it is.

Hydra turns an error of a job into a traceback of its own and exit code 1, and an error of a callback into a
mere warning. It lets a ``BaseException`` pass.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from profiling.errors import ProfilingError

#: What a disk answers that is full, over its quota, read-only or not ours.
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

GO_ON = "no result was written; features are kept, so the same command starts the training again in seconds"


class Escape(BaseException):
    """Carries an error through Hydra.

    Attributes:
        error: what happened.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class UnwritableError(ProfilingError):
    """A folder of results that the disk refuses to take."""


@contextmanager
def escaping() -> Iterator[None]:
    """Every error leaves as :class:`Escape`."""
    try:
        yield
    except Exception as error:
        raise Escape(error) from error


@contextmanager
def caught(where: object) -> Iterator[None]:
    """The other end: errors are themselves again, and a disk that refuses is one clear line.

    Args:
        where: folder that is written to, for the message.

    Raises:
        UnwritableError: the disk is full, read-only, or the folder is not ours.
    """
    try:
        try:
            yield
        except Escape as escape:
            raise escape.error from escape.error.__cause__
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise UnwritableError(
            f"{error.filename or where}: {error.strerror}. No result was left that looks whole, features are "
            "kept: make room or name another folder with paths.runs, and give the same command again"
        ) from error


class InterruptedTrainingError(ProfilingError):
    """Ctrl-C during training."""

    exit_code = 130


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Around a run: Ctrl-C says how to go on, wherever it comes.

    Raises:
        InterruptedTrainingError: instead of ``KeyboardInterrupt``.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise InterruptedTrainingError(f"interrupted: {GO_ON}") from error
