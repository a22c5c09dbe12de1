"""A command line's ``key=value`` settings: which arguments are settings, and the jobs of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString
from hydra.errors import HydraException

from profiling.errors import ConfigError, did_you_mean

MULTIRUN = ("-m", "--multirun")
#: Hydra's flags that are of use here; those that take a value of their own are true.
_FLAGS = {
    "-m": False, "--multirun": False, "--resolve": False, "--cfg": True, "-c": True,
    "--package": True, "-p": True, "--info": True, "-i": True,
}  # fmt: skip


def divide(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Settings apart from flags and their values; Hydra's own parser wants them in two blocks.

    Raises:
        ConfigError: an unknown flag.

    >>> divide(["head=mlp", "-m", "head.lr=1,2", "--cfg", "job"])
    (['head=mlp', 'head.lr=1,2'], ['-m', '--cfg', 'job'])
    """
    settings: list[str] = []
    flags: list[str] = []
    takes_value = False
    for argument in argv:
        is_flag = argument.startswith("-") and not takes_value
        (flags if is_flag or takes_value else settings).append(argument)
        takes_value = is_flag and _takes_value(argument)
    return settings, flags


def _takes_value(argument: str) -> bool:
    flag, _, value = argument.partition("=")
    if flag not in _FLAGS:
        raise ConfigError(f"no flag {flag!r}; {did_you_mean(flag, [*_FLAGS, '--help'])}")
    return _FLAGS[flag] and not value


def parse(text: str) -> Override:
    """One setting, parsed.

    Raises:
        ConfigError: not a setting.
    """
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"cannot read {text!r} ({reason}); write key=value, and quote values with spaces, umlauts or ~ "
            "twice, once for the shell: \"corpus.train=['csv:/my data/a.csv']\""
        ) from error


def values_of(override: Override, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Every value of a setting as text; several under a sweep.

    Raises:
        ConfigError: a sweep that has no list of values, or none at all.
    """
    if not override.is_sweep_override():
        value = override.value()
        plain = value.text if isinstance(value, QuotedString) else override.get_value_element_as_str()
        return [] if value is None else [str(plain)]
    pattern: object = override.value()
    if isinstance(pattern, Glob):
        found = list(pattern.filter(list(groups.get(override.key_or_group, ()))))
    else:
        try:
            found = list(override.sweep_string_iterator())
        except HydraException as error:
            raise ConfigError(
                f"{override.input_line}: {error}; name the values: {_example(override)}"
            ) from error
    if not found:
        raise ConfigError(f"{override.input_line}: no values to try; name them: {_example(override)}")
    return found


def jobs_to_check(
    overrides: Sequence[str], groups: Mapping[str, Sequence[str]], *, intervals: bool = False
) -> Iterator[list[str]]:
    """Jobs in which every value of a sweep occurs at least once: the first of each, then one at a time.

    Args:
        overrides: the settings.
        groups: group -> choices.
        intervals: they are searched, so their two ends are values.

    >>> list(jobs_to_check(["head.lr=1,2", "seed=0"], {}))
    [['head.lr=1', 'seed=0'], ['head.lr=2', 'seed=0']]
    """
    swept = {
        place: [f"{parsed.get_key_element()}={value}" for value in _tried(parsed, groups, intervals)]
        for place, parsed in enumerate(map(parse, overrides))
        if parsed.is_sweep_override()
    }
    first = [swept[place][0] if place in swept else text for place, text in enumerate(overrides)]
    yield first
    for place, texts in swept.items():
        for text in texts[1:]:
            yield [*first[:place], text, *first[place + 1 :]]


def _tried(override: Override, groups: Mapping[str, Sequence[str]], intervals: bool) -> list[str]:
    value: object = override.value()
    if intervals and isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return values_of(override, groups)


def _example(override: Override) -> str:
    return f"{override.key_or_group}=a,b"
