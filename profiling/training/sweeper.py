"""``hydra/sweeper=optuna``: Optuna asks in batches, the launcher trains each batch (packed: as banks), Optuna is told.

The study lives in ``optuna.db`` in the sweep folder. The same command with the same ``hydra.sweep.dir`` goes on:
trials that were told stay, trials that were asked but not told run again under their own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from profiling.errors import ConfigError, did_you_mean
from profiling.provenance import canonical_json
from profiling.training.compose import parsed
from profiling.training.escape import escaping

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_STUDY, _DATABASE, _SPACE = "profiling", "optuna.db", "space"
_SAMPLERS = ("tpe", "random")


@dataclass
class OptunaSweeperConf:
    """``hydra.sweeper.*``."""

    _target_: str = "hydra_plugins.profiling_optuna.OptunaSweeper"
    trials: int = 50  # in all, those of an earlier start included
    batch: int = 16  # asked at once; with the packed launcher they are trained together
    sampler: str = "tpe"  # tpe | random
    seed: int = 0
    storage: str | None = None  # a URL such as sqlite:////data/study.db; None: optuna.db in the sweep folder


class OptunaSweeper(Sweeper):
    """Ask and tell over the settings that are swept.

    Args:
        trials: how many in all.
        batch: how many are asked at once.
        sampler: ``tpe`` or ``random``.
        seed: of the sampler.
        storage: URL of the study's database.
    """

    def __init__(self, trials: int, batch: int, sampler: str, seed: int, storage: str | None) -> None:
        self.trials, self.batch, self.seed, self.storage = trials, batch, seed, storage
        self.sampler = sampler

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra calls it once."""
        self.config: DictConfig = config
        self.hydra_context = hydra_context
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Any]:
        """Runs the study.

        Args:
            arguments: the settings; those with several values or an interval are the search space.

        Raises:
            ConfigError: nothing to search, two tasks at once, or a study of another space.
        """
        with escaping():
            overrides = [parsed(text) for text in arguments]
            space = search_space(overrides)
            fixed = [text for text, o in zip(arguments, overrides, strict=True) if not o.is_sweep_override()]
            folder = Path(str(self.config.hydra.sweep.dir))
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self.config, folder / "multirun.yaml")
            study = self._study(folder, space)
        returns: list[Any] = []
        while batch := self._ask(study, space):
            jobs = [[*fixed, *settings_of(trial.params)] for trial in batch]
            results = self.launcher.launch(jobs, initial_job_idx=batch[0].number)
            for trial, result in zip(batch, results, strict=True):
                study.tell(trial.number, float(result.return_value))
            returns.append(results)
        return returns

    def _study(self, folder: Path, space: Mapping[str, BaseDistribution]) -> Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        higher = self.config.task.kind == "classification"  # UAR, otherwise MAE
        study = optuna.create_study(
            study_name=_STUDY,
            storage=self.storage or f"sqlite:///{(folder / _DATABASE).absolute()}",
            direction="maximize" if higher else "minimize",
            load_if_exists=True,
        )
        study.sampler = self._sampler(len(study.get_trials(deepcopy=False)))
        _same_space(study, space, folder)
        return study

    def _sampler(self, told: int) -> BaseSampler:
        from optuna.samplers import RandomSampler, TPESampler

        if self.sampler not in _SAMPLERS:
            raise ConfigError(
                f"hydra.sweeper.sampler={self.sampler}: {did_you_mean(self.sampler, _SAMPLERS)}"
            )
        seed = self.seed + told  # going on must not ask again what was asked
        return RandomSampler(seed) if self.sampler == "random" else TPESampler(seed=seed, constant_liar=True)

    def _ask(self, study: Study, space: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
        """The next trials: those an earlier start left untold, otherwise new ones; none when all are told."""
        from optuna.trial import TrialState

        left = study.get_trials(states=(TrialState.RUNNING,))
        if left:
            return left
        missing = self.trials - len(study.get_trials(deepcopy=False))
        for _ in range(min(self.batch, missing)):
            study.ask(dict(space))
        return study.get_trials(states=(TrialState.RUNNING,))


def search_space(overrides: Sequence[Override]) -> dict[str, BaseDistribution]:
    """What is searched: ``a,b`` and ``choice`` as categories, ``range`` in steps, ``interval`` continuous.

    Raises:
        ConfigError: nothing is swept, the task is, or a sweep of another kind.
    """
    swept = {o.key_or_group: o for o in overrides if o.is_sweep_override()}
    if not swept:
        raise ConfigError(
            "nothing to search; name values or an interval: head.lr=tag(log,interval(1e-5,1e-1))"
        )
    if "task" in swept:
        raise ConfigError(
            f"{swept['task'].input_line}: scores of two tasks cannot be compared; one study for each task"
        )
    return {key: distribution(override) for key, override in swept.items()}


def distribution(override: Override) -> BaseDistribution:
    """One axis of the search space."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value: object = override.value()
    if isinstance(value, IntervalSweep):
        low, high, log = value.start, value.end, "log" in value.tags
        if low is None or high is None or not low < high or (log and low <= 0):
            raise ConfigError(
                f"{override.input_line}: an interval goes up, and with tag(log,...) from above 0"
            )
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)
    if isinstance(value, RangeSweep) and all(
        isinstance(v, int) for v in (value.start, value.stop, value.step)
    ):
        values = list(value.range())
        if values:
            return IntDistribution(int(values[0]), int(values[-1]), step=int(value.step))
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def settings_of(parameters: Mapping[str, Any]) -> Iterator[str]:
    """``key=value`` for every parameter of a trial; a float as precisely as it is."""
    return (
        f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}"
        for key, value in parameters.items()
    )


def _same_space(study: Study, space: Mapping[str, BaseDistribution], folder: Path) -> None:
    said = canonical_json({key: repr(axis) for key, axis in space.items()})
    known = study.user_attrs.get(_SPACE)
    if known is None:
        study.set_user_attr(_SPACE, said)
    elif known != said:
        raise ConfigError(
            f"{folder} holds a study of another search space; name another folder (hydra.sweep.dir=...)"
        )
