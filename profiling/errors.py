"""What a user can do wrong, by stage. The command line prints these as one line and exits with 2.

Every message names the offending value and the way out. Anything that is *our* mistake stays an
ordinary exception with its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ProfilingError(Exception):
    """A mistake in what was asked for: printed without traceback.

    Attributes:
        exit_code: of the command line.
    """

    exit_code = 2


class ConfigError(ProfilingError):
    """A key or a value of the configuration that does not exist or does not fit."""


class ManifestError(ProfilingError):
    """A manifest or a corpus folder that cannot be read as asked."""


class UnlabelledError(ManifestError):
    """A corpus without a single label of the task."""


class LabelError(ProfilingError):
    """A label outside its vocabulary; the message lists the counts."""


class SplitError(ProfilingError):
    """A protocol that cannot be kept: overlapping speakers, too few speakers, a class missing."""


class BackboneError(ProfilingError):
    """A backbone that cannot be loaded or does not keep its contract."""


class StoreError(ProfilingError):
    """A feature store that does not fit its key or is damaged."""


class BundleError(ProfilingError):
    """A profiler bundle or run folder that cannot be trusted."""


class ExportError(ProfilingError):
    """A profiler that cannot be exported as asked."""


class AudioError(ProfilingError):
    """One recording that cannot be used. Extraction puts it into the quarantine table and goes on.

    Attributes:
        stage: where it failed: ``open``, ``decode``, ``check`` or ``duration``.
        reason: one line that names the offending value.
    """

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


def did_you_mean(wrong: str, valid: Iterable[str], limit: int = 3) -> str:
    """Returns ``"did you mean a, b? valid: a, b, c"`` for an error message.

    >>> did_you_mean("emotoin", ["age", "emotion", "gender"])
    'did you mean emotion? (valid: age, emotion, gender)'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(wrong, names, n=limit, cutoff=0.5)
    listed = f"(valid: {', '.join(names)})"
    return f"did you mean {', '.join(close)}? {listed}" if close else listed
