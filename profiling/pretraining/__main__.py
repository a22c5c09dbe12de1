"""``python -m profiling.pretraining speech.folder=... output=...``: trains the mini backbone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from profiling.errors import ConfigError, ProfilingError
from profiling.pretraining.config import PretrainConfig
from profiling.pretraining.train import pretrain
from profiling.resources import conf_folder

RECIPE = "experiment/pretrain_mini.yaml"


def compose_config(overrides: Sequence[str]) -> PretrainConfig:
    """The typed defaults, the shipped recipe, then ``key=value`` overrides.

    Raises:
        ConfigError: a misspelt key or a value of the wrong type.
    """
    try:
        typed = OmegaConf.structured(PretrainConfig)
        recipe = OmegaConf.load(conf_folder() / RECIPE)
        merged = OmegaConf.merge(typed, recipe, OmegaConf.from_dotlist(list(overrides)))
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    if not isinstance(config, PretrainConfig):
        raise TypeError(f"the composed configuration is a {type(config).__name__}")
    return config


def main(argv: Sequence[str]) -> int:
    """Returns 0, or 2 after one line about a user's mistake."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        folder = pretrain(compose_config(argv))
    except ProfilingError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
