"""Lightning without its adverts, hints and notices: each silenced at its source, nothing else with it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: "GPU available", "`Trainer.fit` stopped", tips for other products: all come through these two.
_LOGGERS = ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero")

#: Lightning's own use of an older PyTorch interface, and a choice that was made on purpose.
_WARNINGS = (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "GPU available but not used")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences what Lightning says about itself; warnings about the training still come through."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
