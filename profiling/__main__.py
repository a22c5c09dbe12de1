"""``python -m profiling`` is ``profiling``."""

from profiling.cli import entry

entry()
