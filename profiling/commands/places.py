"""For commands with flags of their own: the ``paths.*`` settings they share with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profiling.config import PathsConfig


def split_paths(argv: Sequence[str]) -> tuple[PathsConfig, list[str]]:
    """Takes ``paths.features=...`` and its like out of the arguments.

    Returns:
        The paths, a user's own ``./conf`` respected, and the other arguments.

    Raises:
        ConfigError: no such path setting.
    """
    from profiling.training.hydra_app import compose_config

    settings = [argument for argument in argv if argument.startswith("paths.") and "=" in argument]
    return compose_config(settings).paths, [argument for argument in argv if argument not in settings]
