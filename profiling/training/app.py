"""``train.py`` and ``profiling train``: one run, or with ``-m`` a sweep, through Hydra."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from profiling.errors import ConfigError, ProfilingError
from profiling.evaluation.summary import summary_lines
from profiling.resources import conf_folder
from profiling.training.hydra_app import (
    CONFIG_NAME,
    HYDRA_VERSION_BASE,
    check_overrides,
    compose_config,
    register,
    to_config,
)
from profiling.training.log import say

_MULTIRUN = ("-m", "--multirun")


class JobFailed(SystemExit):
    """Leaves Hydra without its traceback; carries the user's mistake out."""

    def __init__(self, error: ProfilingError) -> None:
        super().__init__(error.exit_code)
        self.error = error


def run_app(argv: Sequence[str]) -> int:
    """Trains with Hydra's command line.

    Args:
        argv: ``key=value`` settings and Hydra's own flags.

    Raises:
        ProfilingError: a mistake in what was asked for.
    """
    overrides = [argument for argument in argv if not argument.startswith("-")]
    register()
    check_overrides(overrides)
    if not any(flag in argv for flag in _MULTIRUN):
        if sweeps := [o for o in overrides if _is_sweep(o)]:
            raise ConfigError(f"{sweeps[0]} names several values; add -m to try each")
        compose_config(overrides)
    before = sys.argv
    sys.argv = [before[0], *argv]
    try:
        hydra.main(version_base=HYDRA_VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME)(
            job
        )()
    except JobFailed as failed:
        raise failed.error from failed.error.__cause__
    finally:
        sys.argv = before
    return 0


def _is_sweep(override: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return bool(OverridesParser.create().parse_override(override).is_sweep_override())


def job(node: DictConfig) -> float | None:
    """One Hydra job: trains; opens test and held-out data unless it is part of a sweep.

    Returns:
        The validation score.
    """
    try:
        return _job(node)
    except ProfilingError as error:
        raise JobFailed(error) from error


def _job(node: DictConfig) -> float | None:
    from profiling.training.rows import load_rows
    from profiling.training.run import train_run
    from profiling.training.score import open_run

    runtime = HydraConfig.get()
    folder = Path(runtime.runtime.output_dir)
    config = to_config(node)
    rows = load_rows(config, say)
    validation = train_run(config, rows, folder, say)
    if runtime.mode == RunMode.MULTIRUN:
        say(_validation_line(validation))
        return _returned(validation)
    for line in summary_lines(open_run(folder, rows)):
        say(line)
    say(f"run folder {folder} (report.md, metrics.json, predictions.parquet, bundle/)")
    return _returned(validation)


def _validation_line(validation: dict[str, Any]) -> str:
    score = validation["score"]
    shown = "none (diverged)" if score is None else f"{score:.4f}"
    return f"validation {validation['score_name']} {shown}; test and held-out stay closed until a winner is chosen"


def _returned(validation: dict[str, Any]) -> float | None:
    score: float | None = validation["score"]
    return score
