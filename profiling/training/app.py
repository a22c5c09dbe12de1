"""``train.py`` and ``profiling train``: one run, or with ``-m`` a sweep, through Hydra."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from profiling.config import RunConfig
from profiling.errors import ConfigError
from profiling.evaluation.summary import NAMES
from profiling.resources import conf_folder
from profiling.training.describe import command_given
from profiling.training.escape import caught, escaping, uninterrupted
from profiling.training.hydra_app import (
    CONFIG_NAME,
    HYDRA_VERSION_BASE,
    check_overrides,
    check_sweep,
    compose_config,
    one_line,
    register,
    to_config,
)
from profiling.training.log import restored_logging, say
from profiling.training.overrides import MULTIRUN, divide, parse

_HYDRA_RAISES = "HYDRA_FULL_ERROR"  # Hydra's own switch: errors come out instead of being printed


def run_app(argv: Sequence[str]) -> int:
    """Trains with Hydra's command line.

    Args:
        argv: ``key=value`` settings and Hydra's own flags.

    Raises:
        ProfilingError: a mistake in what was asked for.
    """
    register()
    settings, flags = divide(argv)
    config = _check(settings, sweep=any(flag in MULTIRUN for flag in flags))
    process = _process_of([*flags, *settings])
    with command_given("train", argv), caught(config.paths.runs), restored_logging(), process:
        try:
            hydra.main(
                version_base=HYDRA_VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME
            )(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_line(error)) from error
    return 0


def _check(settings: list[str], *, sweep: bool) -> RunConfig:
    """The configuration of the run or of a sweep's first job; a mistake in any job is said before the first."""
    check_overrides(settings)
    if sweep:
        return check_sweep(settings)
    for text in settings:
        if parse(text).is_sweep_override():
            raise ConfigError(f"{text} names several values; add -m to try each")
        if parse(text).key_or_group == "hydra.run.dir":
            _refuse_taken(Path(text.partition("=")[2].strip("'\"")))
    return compose_config(settings)


def _refuse_taken(folder: Path) -> None:
    """Before Hydra writes its own files there."""
    from profiling.training.outcome import refuse_earlier_run

    refuse_earlier_run(folder)


@contextmanager
def _process_of(argv: Sequence[str]) -> Iterator[None]:
    """Hydra reads ``sys.argv`` and the environment; both are put back."""
    arguments, raises = sys.argv, os.environ.get(_HYDRA_RAISES)
    sys.argv, os.environ[_HYDRA_RAISES] = [arguments[0], *argv], "1"
    try:
        yield
    finally:
        sys.argv = arguments
        os.environ.pop(_HYDRA_RAISES)
        if raises is not None:
            os.environ[_HYDRA_RAISES] = raises


def job(node: DictConfig) -> float | None:
    """One Hydra job: trains; opens test and held-out data unless it is part of a sweep.

    Returns:
        The validation score; None where training diverged.
    """
    with escaping():
        return _job(node)


def _job(node: DictConfig) -> float | None:
    from profiling.training.fit import training_device
    from profiling.training.outcome import refuse_earlier_run
    from profiling.training.precheck import check_settings
    from profiling.training.rows import load_rows
    from profiling.training.run import train_run
    from profiling.training.score import open_run, say_result

    runtime = HydraConfig.get()
    folder = Path(runtime.runtime.output_dir)
    config = to_config(node)
    with uninterrupted():
        refuse_earlier_run(folder)
        check_settings(config)
        training_device(config.trainer.device)
        rows = load_rows(config, say)
        validation = train_run(config, rows, folder, say)
        if runtime.mode == RunMode.MULTIRUN:
            say(_validation_line(validation))
            return _returned(validation)
        result = open_run(folder, rows)
    say_result(folder, result)
    return _returned(validation)


def _validation_line(validation: dict[str, Any]) -> str:
    score = _returned(validation)
    shown = "none, training diverged" if score is None else f"{score:.4f}"
    name = NAMES[validation["score_name"]]
    return f"validation {name} {shown}; test and held-out stay closed until a winner is chosen"


def _returned(validation: dict[str, Any]) -> float | None:
    score: float | None = validation["score"]
    return score
