"""``train.py`` and ``profiling train``: one run, or with ``-m`` a sweep, through Hydra."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from profiling.config import RunConfig
from profiling.errors import ConfigError, UnlabelledError
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
from profiling.training.layers_first import jobs_of_sweep
from profiling.training.log import restored_logging, say
from profiling.training.overrides import MULTIRUN, divide, parse
from profiling.training.plugins import register_hydra_plugins
from profiling.validation import MULTI

_HYDRA_RAISES = "HYDRA_FULL_ERROR"  # Hydra's own switch: errors come out instead of being printed


def run_app(argv: Sequence[str]) -> int:
    """Trains with Hydra's command line.

    Args:
        argv: ``key=value`` settings and Hydra's own flags.

    Raises:
        ProfilingError: a mistake in what was asked for.
    """
    register()
    register_hydra_plugins()
    settings, flags = divide(argv)
    configs = _check(settings, sweep=any(flag in MULTIRUN for flag in flags))
    sweep = jobs_of_sweep(configs)
    process = _process_of([*flags, *settings])
    with command_given("train", argv), caught(configs[0].paths.runs), restored_logging(), process, sweep:
        try:
            hydra.main(
                version_base=HYDRA_VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME
            )(job)()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(one_line(error)) from error
    return 0


def _check(settings: list[str], *, sweep: bool) -> list[RunConfig]:
    """Configurations in which every value asked for occurs; a mistake in any job is said before the first."""
    check_overrides(settings)
    if sweep:
        configs = check_sweep(settings)
        if any(config.task.name == MULTI for config in configs):
            raise ConfigError("task=multi cannot be swept: it has a result for each task; leave -m out")
        return configs
    for text in settings:
        if parse(text).is_sweep_override():
            raise ConfigError(f"{text} names several values; add -m to try each")
        if parse(text).key_or_group == "hydra.run.dir":
            _refuse_taken(Path(text.partition("=")[2].strip("'\"")))
    return [compose_config(settings)]


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


def job(node: DictConfig) -> float:
    """One Hydra job: trains; opens test and held-out data unless it is part of a sweep.

    Returns:
        The validation score, or the worst there is where training diverged.
    """
    with escaping():
        return _job(node)


def _job(node: DictConfig) -> float:
    from profiling.training.fit import training_device
    from profiling.training.outcome import refuse_earlier_run, returned_score
    from profiling.training.precheck import check_settings
    from profiling.training.rows import load_rows
    from profiling.training.run import train_run
    from profiling.training.score import open_run, say_result

    runtime = HydraConfig.get()
    folder = Path(runtime.runtime.output_dir)
    config = to_config(node)
    with uninterrupted():
        check_settings(config)
        training_device(config.trainer.device)
        if runtime.mode == RunMode.MULTIRUN:
            if config.matrix.enabled:
                raise ConfigError(
                    "a matrix opens every corpus for every head, so it cannot be swept; leave -m out"
                )
            return _swept(config, folder)
        refuse_earlier_run(folder)
        if config.matrix.enabled:
            return _matrix(config, folder)
        if config.task.name == MULTI:
            return _several(config, folder)
        rows = load_rows(config, say)
        validation = train_run(config, rows, folder, say)
        result = open_run(folder, rows)
    say_result(folder, result)
    return returned_score(validation)


def _matrix(config: RunConfig, folder: Path) -> float:
    """Every corpus trains, every other scores; returns the mean over the others."""
    from profiling.report.pages import write_report
    from profiling.training.matrix import matrix_lines, train_matrix

    matrix = train_matrix(config, folder, say)
    for line in matrix_lines(matrix):
        say(line)
    write_report([folder], None)
    say(f"matrix in {folder} (report.html, matrix.md, matrix.png, matrix.csv, matrix.json, runs/)")
    cross: float | None = matrix.means()["cross"]
    return float("nan") if cross is None else cross


def _several(config: RunConfig, folder: Path) -> float:
    """One head for several tasks; returns nothing a sweep could rank."""
    from profiling.report.pages import write_report
    from profiling.training.score import say_result
    from profiling.training.several import train_several

    for name, result in train_several(config, folder, say).items():
        say_result(folder / name, result)
    say(f"all tasks on one page: {write_report([folder], None)}")
    return float("nan")


def _swept(config: RunConfig, folder: Path) -> float:
    """A job of a sweep: skipped where it was finished before, and nothing but validation is opened."""
    from profiling.training.describe import run_signature
    from profiling.training.outcome import (
        clear_unfinished,
        finished_before,
        returned_score,
        skipped,
        validation_line,
    )
    from profiling.training.rows import load_rows
    from profiling.training.run import train_run

    try:
        rows = load_rows(config, say)
    except UnlabelledError as error:
        if not config.select.skip_unlabelled:
            raise
        say(f"skipped: {error}")
        return returned_score(skipped(config))
    validation = finished_before(folder, run_signature(config, rows))
    if validation is None:
        clear_unfinished(folder)
        validation = train_run(config, rows, folder, say)
    else:
        say("finished before")
    say(validation_line(validation))
    return returned_score(validation)
