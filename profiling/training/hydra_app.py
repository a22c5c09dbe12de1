"""Composes a :class:`RunConfig` with Hydra, and turns a user's mistakes into one clear line.

Hydra's own answer to ``head.lrr=1`` is a traceback, and ``+head.lrr=1`` it accepts: both are looked up
in the schema before Hydra sees them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from profiling.config import PathsConfig, RunConfig
from profiling.errors import ConfigError, did_you_mean
from profiling.resources import conf_folder
from profiling.training.compose import Composer, parsed
from profiling.training.overrides import jobs_to_check, values_of
from profiling.validation import validate

CONFIG_NAME = "config"
HYDRA_VERSION_BASE = "1.3"
_SHOWN_KEYS = 12


class UserConfFirst(SearchPathPlugin):
    """A ``./conf`` of the user's own is searched before the shipped one."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Puts ``./conf`` in front, where it exists and is not the shipped folder itself."""
        own = Path.cwd() / "conf"
        if own.is_dir() and own.resolve() != conf_folder().resolve():
            search_path.prepend("profiling-user", f"file://{own}")


def register() -> None:
    """Tells Hydra the schema and the search path; safe to call again."""
    ConfigStore.instance().store(name="schema", node=schema(), provider="profiling")
    Plugins.instance().register(UserConfFirst)


def schema() -> RunConfig:
    """The typed defaults, with one ``paths.<corpus>`` for every card in ``conf/corpus``."""
    names = sorted(card.stem for card in (conf_folder() / "corpus").glob("*.yaml"))
    own = {field.name for field in fields(PathsConfig)}
    extra = [(name, str | None, None) for name in names if name not in own]
    paths = make_dataclass("PathsConfig", extra, bases=(PathsConfig,))
    return RunConfig(paths=paths())


def compose_config(overrides: Sequence[str]) -> RunConfig:
    """Composes, checks and validates one configuration.

    Raises:
        ConfigError: a misspelt key, an unknown choice, a value of the wrong type or out of range.
    """
    with composing() as composer:
        return _compose(overrides, composer)


@contextmanager
def composing() -> Iterator[Composer]:
    """Within, jobs are composed; what they share is composed once."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base=HYDRA_VERSION_BASE):
        yield Composer(lambda settings: compose(CONFIG_NAME, overrides=settings), config_groups())


def _compose(overrides: Sequence[str], composer: Composer) -> RunConfig:
    check_overrides(overrides)
    return _composed(overrides, composer)


def _composed(overrides: Sequence[str], composer: Composer) -> RunConfig:
    try:
        return to_config(composer(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error


def to_config(composed: Any) -> RunConfig:
    """Turns Hydra's node into the validated dataclass; ``seed`` fills ``head.seed``."""
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    if not isinstance(config, RunConfig):
        raise TypeError(f"the composed configuration is a {type(config).__name__}, not a RunConfig")
    if config.seed is not None:
        config.head.seed = config.seed
    validate(config)
    return config


def one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's messages without their line breaks."""
    text = str(error.__cause__ or error) if isinstance(error, HydraException) else str(error)
    wanted = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [
        line for line in wanted if not line.startswith(("object_type=", "reference_type=", "Set the env"))
    ]
    keys = [line.removeprefix("full_key: ") for line in kept if line.startswith("full_key: ")]
    said = " ".join(line for line in kept if not line.startswith("full_key: "))
    return f"{keys[0]}: {said}" if keys else said


def check_overrides(overrides: Sequence[str]) -> None:
    """Looks every override up in the schema and the groups before Hydra sees it.

    Raises:
        ConfigError: names the key or choice and the nearest valid ones.
    """
    kinds = dict(key_types(schema()))
    keys = set(config_keys(schema()))
    groups = config_groups()
    for text in overrides:
        override = parsed(text)
        name = override.key_or_group
        if name.split(".")[0].split("/")[0] == "hydra":
            continue
        if name in groups:
            _check_choice(override, groups)
        else:
            _check_key(override, keys, groups)
            _check_kind(override, kinds.get(name, ""))


def check_sweep(overrides: Sequence[str]) -> list[RunConfig]:
    """Composes enough of a sweep's jobs to have seen every value, so that none fails hours later.

    Returns:
        Configurations in which every value of the sweep occurs, that of the first job first.

    Raises:
        ConfigError: as :func:`compose_config`, or ``select.*`` names what is no setting.
    """
    jobs = checked_jobs(overrides)
    first = jobs[0]
    known = {*config_keys(schema()), *config_groups()}
    for key, names in (("select.by", first.select.by), ("select.seeds", [first.select.seeds])):
        for name in names:
            if name not in known:
                raise ConfigError(f"{key}: no setting {name!r}; {did_you_mean(name, near_keys(name, known))}")
    return jobs


def checked_jobs(overrides: Sequence[str]) -> list[RunConfig]:
    """Configurations of a sweep in which every value occurs at least once; ends of intervals, where they are searched.

    Raises:
        ConfigError: as :func:`compose_config`.
    """
    searched = any(text.partition("=")[0] == "hydra/sweeper" for text in overrides)
    jobs = [*jobs_to_check(overrides, config_groups(), intervals=searched)]
    check_overrides(
        [*dict.fromkeys(text for job in jobs for text in job)]
    )  # each once, however many jobs share it
    with composing() as composer:
        return [_composed(job, composer) for job in jobs]


def near_keys(name: str, known: Collection[str]) -> list[str]:
    """Keys of the same section, or all where the section does not exist."""
    section = name.rpartition(".")[0]
    return [key for key in known if key.rpartition(".")[0] == section] or list(known)


def _check_key(override: Override, keys: set[str], groups: dict[str, list[str]]) -> None:
    name = override.key_or_group
    if name not in keys:
        raise ConfigError(f"no setting {name!r}; {did_you_mean(name, near_keys(name, keys | set(groups)))}")
    if override.is_add() and not override.is_force_add():
        raise ConfigError(f"+{name}: the setting exists; write {name}=... without the plus")


def _check_kind(override: Override, kind: str) -> None:
    """A list without its brackets, and null where a value is needed: Hydra's words for these help nobody."""
    if override.is_delete() or override.is_sweep_override():
        return
    name, value = override.key_or_group, override.value()
    if value is None and kind and "None" not in kind and kind != "Any":
        offered = (
            f"{name}=[]" if kind.startswith("list") else f"leave it out for the default ({name} is {kind})"
        )
        raise ConfigError(f"{name}=null: it needs a value; {offered}")
    if kind.startswith("list") and value is not None and not isinstance(value, list):
        written = value.text if isinstance(value, QuotedString) else str(value)
        raise ConfigError(f"{name}={written}: a list goes in brackets: {name}=[{written}]")


def _check_choice(override: Override, groups: dict[str, list[str]]) -> None:
    if override.is_delete():
        return
    name = override.key_or_group
    for value in values_of(override, groups):
        choice = value.strip("'\"")
        if choice not in groups[name]:
            raise ConfigError(f"{name}={choice}: no such choice; {did_you_mean(choice, groups[name])}")


def config_keys(node: object, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a dataclass tree, branches included."""
    for entry in fields(node):  # type: ignore[arg-type]
        value = getattr(node, entry.name)
        yield f"{prefix}{entry.name}"
        if is_dataclass(value):
            yield from config_keys(value, f"{prefix}{entry.name}.")


def key_types(node: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every dotted key of a dataclass tree that is no branch, with its type as it is written."""
    for entry in fields(node):  # type: ignore[arg-type]
        value = getattr(node, entry.name)
        if is_dataclass(value):
            yield from key_types(value, f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", str(entry.type)


def config_groups() -> dict[str, list[str]]:
    """Group -> choices, of the shipped tree and the user's ``./conf``; corpus cards are no choices."""
    groups: dict[str, list[str]] = {}
    for root in {conf_folder().resolve(), (Path.cwd() / "conf").resolve()}:
        for file in sorted(root.glob("*/*.yaml")):
            if file.parent.name not in ("corpus", "hydra"):
                groups.setdefault(file.parent.name, []).append(file.stem)
    return groups
