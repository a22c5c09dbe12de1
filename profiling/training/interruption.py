"""Ctrl-C during training: the first ends it after the current batch, the second at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import pytorch_lightning as pl


class Interruption(pl.Callback):
    """Turns SIGINT into an orderly end; Lightning's own answer is to leave with exit code 1.

    Use as a context around ``trainer.fit`` and as one of its callbacks. Outside of the main thread, and where
    SIGINT is ignored (a background job of a shell), nothing is changed.

    Attributes:
        requested: SIGINT has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> Interruption:
        self._before = signal.getsignal(signal.SIGINT)
        if self._installs:
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installs:
            signal.signal(signal.SIGINT, self._before)
        if self.requested and isinstance(error, SystemExit):  # Lightning's, after a second SIGINT
            raise KeyboardInterrupt from error

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Ends the training; Lightning then validates once more."""
        if self.requested:
            trainer.should_stop = True

    @property
    def _installs(self) -> bool:
        main = threading.current_thread() is threading.main_thread()
        return main and callable(self._before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
