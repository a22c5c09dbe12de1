"""Shared by the commands: flags beside Hydra's ``key=value`` settings, and where lines go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from profiling.errors import ConfigError, did_you_mean


def say(line: str) -> None:
    """A line for the person in front of the screen; standard output stays for answers."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is what a command says


def answer(line: str) -> None:
    """A line of the command's result, on standard output."""
    print(line, flush=True)  # noqa: T201 - this is the answer


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are :class:`ConfigError` like every other mistake."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raises instead of exiting."""
        raise ConfigError(f"{message} ({self.prog} --help lists what there is)")


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates ``key=value`` settings from flags and names.

    >>> split_overrides(["--verify-audio", "corpus.train=[csv:x]", "run"])
    (['corpus.train=[csv:x]'], ['--verify-audio', 'run'])
    """
    overrides = [a for a in arguments if not a.startswith("-") and "=" in a]
    return overrides, [a for a in arguments if a not in overrides]


def refuse_strays(strays: Sequence[str], flags: Sequence[str]) -> None:
    """Errors on anything that is neither a known flag nor a setting."""
    for stray in strays:
        if stray not in flags:
            raise ConfigError(
                f"{stray!r} is neither a setting (key=value) nor a flag; {did_you_mean(stray, flags)}"
            )
