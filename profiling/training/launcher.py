"""``hydra/launcher=packed``: a multirun like any other, whose jobs are trained as banks.

Folders, logs, callbacks and return values are those of Hydra's basic launcher.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from profiling.training.compose import SweepLoader
from profiling.training.escape import escaping, uninterrupted
from profiling.training.hydra_app import config_groups, to_config
from profiling.training.hydra_yaml import yaml_text
from profiling.training.log import say

if TYPE_CHECKING:
    from profiling.training.packed import Job

_LOG = "packed.log"  # in the sweep folder: what all jobs have in common is said once
_HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")


@dataclass
class PackedLauncherConf:
    """The launcher's own settings: none; banks are set by ``bank.*``."""

    _target_: str = "hydra_plugins.profiling_packed.PackedLauncher"


@dataclass
class _Launched:
    """A job between its composition and its return."""

    job: Job
    config: DictConfig  # with Hydra's section
    task: DictConfig  # without


class PackedLauncher(Launcher):
    """Trains the jobs of a multirun that share data and stream as one bank."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra calls it once; the loader of the sweeper is replaced too, they share the context."""
        self.config, self.task_function, self.context = config, task_function, hydra_context
        self.loader = SweepLoader(hydra_context.config_loader, config_groups())
        hydra_context.config_loader = self.loader  # type: ignore[assignment] # same methods, no subclass

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Trains all jobs.

        Args:
            job_overrides: the settings of every job.
            initial_job_idx: number of the first.
        """
        import profiling.training.packed  # noqa: F401 - PyTorch and Lightning: not counted as composing

        with escaping(), uninterrupted(), self._in_hydras_place():
            launched = self._compose(job_overrides, initial_job_idx)
            returns = self._train(launched)
        return [returns[one.job.number] for one in launched]

    @contextmanager
    def _in_hydras_place(self) -> Iterator[None]:
        """Hydra's globals and logs as they are while a job runs, then as they were."""
        setup_globals()
        hydra, before = self.config.hydra, HydraConfig.instance().cfg
        Path(str(hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        self.loader.launching = True
        try:
            yield
        finally:
            self.loader.launching = False
            HydraConfig.instance().cfg = before
            configure_log(hydra.hydra_logging, hydra.verbose)

    def _compose(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[_Launched]:
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        started = time.monotonic()
        launched = [self._launched(list(own), first + place) for place, own in enumerate(job_overrides)]
        self._log_here(launched[0].config)
        by_hydra = self.loader.composer.composed
        said = f"{len(launched)} jobs composed in {time.monotonic() - started:.1f} s"
        say(f"{said} (groups merged {by_hydra} time{'s' if by_hydra != 1 else ''})")
        return launched

    def _launched(self, overrides: list[str], number: int) -> _Launched:
        from profiling.training.packed import Job

        config = self.loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        folder = Path(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir)).absolute()
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder)
        task = copy.deepcopy(config)
        with read_write(task), open_dict(task):
            del task["hydra"]
        return _Launched(Job(number, to_config(task), folder), config, task)

    def _log_here(self, first: DictConfig) -> None:
        """Logs as a job does, but into the sweep folder."""
        HydraConfig.instance().set_config(first)
        logs: Any = OmegaConf.to_container(first.hydra.job_logging, resolve=True)
        if "file" in logs["handlers"]:
            logs["handlers"]["file"]["filename"] = str(Path(str(first.hydra.sweep.dir)) / _LOG)
        configure_log(DictConfig(logs), first.hydra.verbose)

    def _train(self, launched: Sequence[_Launched]) -> dict[int, JobReturn]:
        from profiling.training.packed import train_packed

        by_number = {one.job.number: one for one in launched}
        returns: dict[int, JobReturn] = {}

        def done(job: Job, validation: dict[str, Any]) -> None:
            returns[job.number] = self._returned(by_number[job.number], validation)

        sweep = Path(str(self.config.hydra.sweep.dir))
        train_packed([one.job for one in launched], sweep, say, done)
        return returns

    def _returned(self, one: _Launched, validation: dict[str, Any]) -> JobReturn:
        from profiling.training.outcome import returned_score, validation_line

        HydraConfig.instance().set_config(one.config)
        self.context.callbacks.on_job_start(config=one.config, task_function=self.task_function)
        hydra, name = cast(DictConfig, HydraConfig.instance().cfg), str(one.config.hydra.job.name)
        overrides = list(one.config.hydra.overrides.task)
        texts = (one.task, hydra, one.config.hydra.overrides.task)
        _write_hydras_files(one, dict(zip(_HYDRA_FILES, map(yaml_text, texts), strict=True)))
        _note(one.job.folder / f"{name}.log", validation_line(validation))
        answer = JobReturn(overrides, one.task, hydra, str(Path.cwd()), name, JobStatus.COMPLETED)
        answer.return_value = returned_score(validation)
        self.context.callbacks.on_job_end(config=one.config, job_return=answer)
        return answer


def _write_hydras_files(one: _Launched, texts: Mapping[str, str]) -> None:
    """What Hydra keeps of a job; those of a job finished before stay as they are."""
    name = one.config.hydra.output_subdir
    if name is None or (one.job.folder / name / _HYDRA_FILES[-1]).exists():
        return
    (one.job.folder / name).mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (one.job.folder / name / file).write_text(text, encoding="utf-8")


def _note(log: Path, line: str) -> None:
    """The job's own line in its own log."""
    if not log.exists():
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        log.write_text(f"{now} {line}\n", encoding="utf-8")
