"""Before the first job of a sweep over layers: one pass of the backbone computes the layers of all jobs.

Otherwise every job whose layers are not stored yet pays a forward pass of its own over all audio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, replace
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from profiling.config import LAYERS, RunConfig, parse_layers
from profiling.errors import UnlabelledError
from profiling.provenance import signature
from profiling.training.escape import escaping, uninterrupted
from profiling.training.hydra_app import checked_jobs
from profiling.training.log import say

#: Settings that decide which features there are; jobs that share them share one pass over audio.
DATA = ("corpus", "paths", "backbone", "audio", "store", "extract")

_SWEEP: ContextVar[Sequence[RunConfig]] = ContextVar("jobs_of_the_sweep", default=())


@contextmanager
def jobs_of_sweep(configs: Sequence[RunConfig]) -> Iterator[None]:
    """Around a sweep: configurations in which every value of it occurs."""
    token = _SWEEP.set(configs)
    try:
        yield
    finally:
        _SWEEP.reset(token)


class ComputeLayersFirst(Callback):
    """Hydra calls it before the first job of a multirun."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Computes what jobs with unlike layers need together."""
        if str(config.hydra.launcher._target_).endswith("PackedLauncher"):
            return  # which does it itself
        with escaping(), uninterrupted():
            for jobs in by_data(_configs(config)):
                union = union_of_layers(jobs)
                if any(parse_layers(job.features.layers) != union for job in jobs):
                    _compute(jobs, union)


def _configs(config: DictConfig) -> Sequence[RunConfig]:
    """Those of the command line; composed again where the sweeper brings settings of its own."""
    own = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    return checked_jobs([*own, *config.hydra.overrides.task]) if own else _SWEEP.get()


def by_data(configs: Sequence[RunConfig]) -> list[list[RunConfig]]:
    """Configurations whose features come from the same audio by the same backbone."""
    groups: dict[str, list[RunConfig]] = {}
    for config in configs:
        key = signature([asdict(getattr(config, name)) for name in DATA])
        groups.setdefault(key, []).append(config)
    return list(groups.values())


def union_of_layers(configs: Sequence[RunConfig]) -> list[str]:
    """Every layer that any of them sees, in network order."""
    wanted = {layer for config in configs for layer in parse_layers(config.features.layers)}
    return [layer for layer in LAYERS if layer in wanted]


def with_layers(config: RunConfig, layers: list[str]) -> RunConfig:
    """The configuration with other layers."""
    return replace(config, features=replace(config.features, layers=layers))


def _compute(jobs: Sequence[RunConfig], layers: list[str]) -> None:
    """Through the first job whose task the corpora have; where none has, each job says so itself."""
    from profiling.training.rows import load_rows

    say(f"one pass for the layers of all jobs: {'|'.join(layers)}")
    for config in jobs:
        try:
            load_rows(with_layers(config, layers), say)
        except UnlabelledError:
            if not config.select.skip_unlabelled:
                raise
        else:
            return
