"""What may be done to a recording before the backbone hears it: the names, parameters and ranges.

``audio.perturb=[telephone,noise:10]`` is a chain of steps, in the order a recording meets them. A step is its
name, then values after ``:`` or ``,``, in the order of :data:`STEPS` or by name: ``noise:10``, ``noise:10:pink`` and
``noise:snr_db=10,seed=3``. The signal processing is in :mod:`profiling.audio.perturb`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiling.errors import ConfigError, did_you_mean

Value = float | int | str

#: Of the numbers that a step gives; raised when a step is changed, which makes other feature keys.
RULES_VERSION = 1

_STEP_TOLERANCE = 1e-6  # 0.9 / 0.001 is not quite 900


@dataclass(frozen=True)
class Parameter:
    """One value of a step.

    Attributes:
        name: with its unit.
        default: None has to be given.
        low, high: smallest and largest number.
        choices: valid words; none for numbers.
        step: numbers are multiples of it; 0 for any.
    """

    name: str
    default: Value | None = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    step: float = 0


_SEED = Parameter("seed", 0, low=0, high=2**32 - 1, step=1)

#: Every step and its parameters.
STEPS: Mapping[str, tuple[Parameter, ...]] = {
    "noise": (
        Parameter("snr_db", low=-30, high=90),
        Parameter("colour", "white", choices=("white", "pink", "speech")),
        _SEED,
    ),
    "telephone": (),
    "speed": (Parameter("factor", low=0.5, high=2, step=0.001),),
    "gain": (Parameter("db", low=-60, high=60),),
    "reverb": (
        Parameter("rt60_s", low=0.05, high=5),
        Parameter("direct_db", 0, low=-30, high=60),
        _SEED,
    ),
    "truncate": (
        Parameter("seconds", low=0.01, high=3600),
        Parameter("at", "middle", choices=("start", "middle", "end", "random")),
        _SEED,
    ),
}


@dataclass(frozen=True)
class Perturbation:
    """One step with every value.

    Attributes:
        name: of :data:`STEPS`.
        values: in the order of its parameters.
    """

    name: str
    values: Mapping[str, Value]

    def __str__(self) -> str:
        """The one way to write it, which is what the feature key holds."""
        given = ",".join(f"{name}={_text(value)}" for name, value in self.values.items())
        return f"{self.name}:{given}" if given else self.name

    def number(self, name: str) -> float:
        """A value that is a number."""
        return float(self.values[name])


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def parse_perturbations(asked: Sequence[str]) -> tuple[Perturbation, ...]:
    """Reads a chain of steps.

    Raises:
        ConfigError: names the step, the value and the valid ones.

    >>> [str(step) for step in parse_perturbations(["telephone", "noise:10:pink"])]
    ['telephone', 'noise:snr_db=10,colour=pink,seed=0']
    """
    return tuple(parse_perturbation(step) for step in asked)


def parse_perturbation(text: str) -> Perturbation:
    """Reads one step; see :func:`parse_perturbations`."""
    name, *rest = text.replace(",", ":").split(":")
    name = name.strip()
    if name not in STEPS:
        raise ConfigError(f"audio.perturb: no perturbation {name!r}; {did_you_mean(name, STEPS)}")
    parameters = {parameter.name: parameter for parameter in STEPS[name]}
    given = _given(text, list(parameters), [part.strip() for part in rest])
    values = {key: _value(text, parameter, given.get(key)) for key, parameter in parameters.items()}
    return Perturbation(name, values)


def _given(text: str, names: list[str], parts: Sequence[str]) -> dict[str, str]:
    """Values by name; those without one take the names in order."""
    given: dict[str, str] = {}
    for position, part in enumerate(parts):
        key, equals, value = part.partition("=")
        if not equals:
            if position >= len(names):
                takes = f"takes {', '.join(names)}" if names else "takes no values"
                raise ConfigError(f"audio.perturb={text}: {part!r} is one value too many; it {takes}")
            key, value = names[position], part
        elif key not in names:
            raise ConfigError(f"audio.perturb={text}: no parameter {key!r}; {did_you_mean(key, names)}")
        if key in given:
            raise ConfigError(f"audio.perturb={text}: {key} is given twice")
        given[key] = value
    return given


def _value(text: str, parameter: Parameter, given: str | None) -> Value:
    if given is None:
        if parameter.default is None:
            raise ConfigError(f"audio.perturb={text}: {parameter.name} is missing; {_hint(parameter)}")
        return parameter.default
    if parameter.choices:
        if given not in parameter.choices:
            raise ConfigError(
                f"audio.perturb={text}: {parameter.name}={given}: {did_you_mean(given, parameter.choices)}"
            )
        return given
    number = _number(given)
    if (
        number is None
        or not parameter.low <= number <= parameter.high
        or not _on_step(number, parameter.step)
    ):
        raise ConfigError(f"audio.perturb={text}: {parameter.name}={given}: {_hint(parameter)}")
    return number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _on_step(number: float, step: float) -> bool:
    return not step or abs(number / step - round(number / step)) < _STEP_TOLERANCE


def _hint(parameter: Parameter) -> str:
    steps = f", a multiple of {parameter.step:g}" if parameter.step else ""
    return f"write a number from {parameter.low:g} to {parameter.high:g}{steps}"
