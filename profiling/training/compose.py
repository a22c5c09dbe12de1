"""Composes the many jobs of a sweep: groups once for each choice of them, values on a copy.

Hydra composes a job in about 0.2 s, nearly all of it for reading and merging groups, and most jobs of a sweep
differ in plain values alone. Hydra applies values after the groups are merged, so doing that on a copy of the
merged groups is exact; anything but a plain value goes through Hydra itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from profiling.training.overrides import parse

Compose = Callable[[list[str]], DictConfig]
_PARSED = 65536  # settings remembered; a sweep repeats few texts in many jobs

parsed = lru_cache(maxsize=_PARSED)(parse)


class Composer:
    """Composes jobs, groups once for each choice of them.

    Args:
        compose: Hydra's own way from settings to a configuration.
        groups: names of the groups; their choices are no plain values.

    Attributes:
        composed: how often Hydra itself composed.
    """

    def __init__(self, compose: Compose, groups: Collection[str]) -> None:
        self.composed = 0
        self._compose, self._groups = compose, frozenset(groups)
        self._bases: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, settings: Sequence[str]) -> DictConfig:
        """The configuration of one job, equal to what Hydra composes.

        Raises:
            HydraException: as Hydra does.
        """
        overrides = [parsed(text) for text in settings]
        if any(self._odd(override) for override in overrides):
            return self._by_hydra(list(settings))
        values = [override for override in overrides if not self._chooses(override)]
        config = copy.deepcopy(self.base(settings))
        try:
            for override in values:
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:
            return self._by_hydra(list(settings))  # which says what is wrong in its own words
        return config

    def base(self, settings: Sequence[str]) -> DictConfig:
        """The merged groups of a job, without its values; shared, not to be changed."""
        chosen = tuple(text for text in settings if self._chooses(parsed(text)))
        if chosen not in self._bases:
            self._bases[chosen] = self._by_hydra(list(chosen))
        return self._bases[chosen]

    def _by_hydra(self, settings: list[str]) -> DictConfig:
        self.composed += 1
        return self._compose(settings)

    def _chooses(self, override: Override) -> bool:
        name = override.key_or_group
        return "/" in name or name.startswith("hydra.") or name in self._groups

    def _odd(self, override: Override) -> bool:
        """Additions, deletions and packages: their effect may depend on the order."""
        return override.type is not OverrideType.CHANGE or override.package is not None


class SweepLoader:
    """Stands before Hydra's configuration loader while a sweep is launched.

    The sweeper composes every job once to see that it can be, then the launcher does it again. Every value was
    looked at before the sweep began, and the launcher composes all jobs before it trains the first, so the
    sweeper's turn looks at the groups alone.

    Args:
        loader: Hydra's.
        groups: names of the groups.

    Attributes:
        launching: the launcher's turn has come.
        composer: what composes.
    """

    def __init__(self, loader: ConfigLoader, groups: Collection[str]) -> None:
        self._loader, self.launching = loader, False
        self._master: DictConfig | None = None
        self.composer = Composer(self._by_hydra, groups)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """One job's configuration, Hydra's own section included."""
        self._master = master_config
        if not self.launching:
            return self.composer.base(sweep_overrides)
        config = self.composer(sweep_overrides)
        _note_overrides(config, sweep_overrides)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def _by_hydra(self, settings: list[str]) -> DictConfig:
        master = cast(DictConfig, self._master)
        return self._loader.load_sweep_config(master, settings)


def _note_overrides(config: DictConfig, settings: Sequence[str]) -> None:
    """What Hydra notes of a job's settings in its own section."""
    own = config.hydra.job.config.override_dirname
    with open_dict(config.hydra):
        config.hydra.overrides.task = list(settings)
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=[parsed(text) for text in settings],
            kv_sep=own.kv_sep,
            item_sep=own.item_sep,
            exclude_keys=own.exclude_keys,
        )
