"""pandas in, pandas out: paths from a Series or a column, answers as columns, the index kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from profiling.errors import ConfigError
from profiling.predict.rows import to_table

if TYPE_CHECKING:
    from profiling.predict.panel import Panel

_PATH = "path"


def frame_of(panel: Panel, sources: Any) -> pd.DataFrame:
    """See ``Panel.frame``."""
    index, paths = _paths(sources)
    rows: list[Any] = []
    labels: list[Any] = []
    distinct = list(dict.fromkeys(paths))
    tables: dict[str, list[dict[str, Any]]] = {path: [] for path in distinct}
    for profile in panel.profiles(distinct):
        tables[profile.path] += to_table(profile)
    for label, path in zip(index, paths, strict=True):
        rows += tables[path]
        labels += [label] * len(tables[path])
    return pd.DataFrame(rows, index=pd.Index(labels, name=getattr(index, "name", None)))


def _paths(sources: Any) -> tuple[Any, list[str]]:
    if isinstance(sources, pd.DataFrame):
        if _PATH not in sources:
            raise ConfigError(f"no column {_PATH!r} among {list(map(str, sources.columns))}")
        sources = sources[_PATH]
    if isinstance(sources, pd.Series):
        return sources.index, list(map(str, sources))
    if isinstance(sources, str) or not isinstance(sources, Iterable):
        raise ConfigError(
            f"{sources!r}: give a list of paths, a Series, or a DataFrame with a column {_PATH!r}"
        )
    listed = list(map(str, sources))
    return range(len(listed)), listed
