r"""A folder of recordings whose sub-folders are the labels: ``folder:/data/x`` or ``folder:/data/x.yaml``.

Without a YAML the sub-folder is the emotion (``happy/a.wav``). The YAML says otherwise, every key but
``folder`` optional::

    folder: recordings            # relative to the YAML
    name: mycorpus                # default: the folder's name
    layout: [speaker, emotion]    # what each level of sub-folders is; "_" is skipped
    stem: "(?P<text_id>\d+)_.*"    # a regular expression whose named groups are columns, over the file's name
    labels: {emotion: {A: angry}}
    age: {twenties: 25}
    drop: [xxx]
    language: de
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import RAW, assemble
from profiling.corpora.cards import Card, check_keys
from profiling.corpora.options import folder_named_in, rules_of
from profiling.corpora.tables import find_recordings
from profiling.errors import ManifestError

#: Keys of the YAML.
OPTIONS = ("folder", "name", "layout", "stem", "labels", "age", "scale", "drop", "language")
DEFAULT_LAYOUT = ("emotion",)
_SKIPPED = "_"


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads a folder, or the folder a YAML names.

    Raises:
        ManifestError: no recordings, a recording at another depth than the layout, a name the pattern misses.
        LabelError: a sub-folder that is no label, with counts.
    """
    folder, options = (path, {}) if path.is_dir() else folder_named_in(path, OPTIONS)
    name = str(options.get("name", folder.absolute().name))
    layout = [str(level) for level in options.get("layout", DEFAULT_LAYOUT)]
    pattern = _pattern(str(options.get("stem", ".*")), path)
    check_keys({n: None for n in [*layout, *pattern.groupindex] if n != _SKIPPED}, dict.fromkeys(RAW), path)
    rows = [_row(file, layout, pattern, folder) for file in find_recordings(folder)]
    return assemble(pd.DataFrame(rows, dtype=object), name, folder, rules_of(name, options, drop))


def _pattern(text: str, path: Path) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ManifestError(f"{path}: stem {text!r} is no regular expression: {error}") from error


def _row(file: Path, layout: Sequence[str], pattern: re.Pattern[str], folder: Path) -> dict[str, str | None]:
    levels = file.parent.parts
    if len(levels) != len(layout):
        raise ManifestError(
            f"{folder}: {file} lies {len(levels)} folders deep, the layout is {'/'.join(layout)}; "
            "say what each level is in a YAML (layout: [speaker, emotion])"
        )
    match = pattern.fullmatch(file.stem)
    if match is None:
        raise ManifestError(f"{folder}: the name of {file} does not match stem: {pattern.pattern}")
    named = {level: part for level, part in zip(layout, levels, strict=True) if level != _SKIPPED}
    return {"path": file.as_posix(), **named, **match.groupdict()}
