"""A corpus's own words to the manifest's label columns, by its rules; what is dropped is counted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from profiling.errors import LabelError
from profiling.labels import (
    EMOTION_ALIASES,
    EMOTIONS,
    GENDER_ALIASES,
    GENDERS,
    map_labels,
    parse_ages,
    strict_map,
)
from profiling.scales import DIMENSIONS, Scale, off_scale, parse_on_scale
from profiling.votes import map_votes

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How a corpus writes its labels.

    Attributes:
        gender: the corpus's own words -> vocabulary; None as target means no label.
        emotion: likewise.
        votes: words that only raters use; the others are those of ``emotion``.
        age: words -> years.
        scales: dimension -> the scale its numbers are on; a dimension without one cannot be read.
        off_scale: ``error``, or ``missing``: numbers off their scale are left empty and counted.
        split: the publisher's words for its parts -> ``train``, ``val``, ``test``, or None for no part.
        drop: what is dropped and counted: ``word`` or ``column:word`` of a label, ``split:Test2`` (the
            publisher's word), ``id:*_script*`` (a pattern of utterances).
        language: BCP 47 tag of rows that name none.
    """

    gender: Mapping[str, str | None] = field(default_factory=dict)
    emotion: Mapping[str, str | None] = field(default_factory=dict)
    votes: Mapping[str, str | None] = field(default_factory=dict)
    age: Mapping[str, float] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    off_scale: str = "error"
    split: Mapping[str, str | None] = field(default_factory=dict)
    drop: Collection[str] = ()
    language: str | None = None


def label_columns(raw: pd.DataFrame, corpus: str, rules: Rules) -> tuple[pd.DataFrame, dict[str, int]]:
    """The label columns of the manifest and ``keep``, False where a row's label was dropped by name.

    Args:
        raw: a reader's table of text, see :data:`profiling.corpora.assembly.RAW`.
        corpus: for messages.
        rules: label maps, scales and drops.

    Returns:
        The columns, and ``column:label`` -> rows dropped.

    Raises:
        LabelError: a label the rules do not know, a number off its scale, or nothing left.
    """
    gender = map_labels(
        text_of(raw, "gender"),
        strict_map(GENDERS, GENDER_ALIASES, rules.gender),
        what=f"gender of {corpus}",
        drop=drops_of("gender", rules.drop),
    )
    emotion = map_labels(
        text_of(raw, "emotion"),
        strict_map(EMOTIONS, EMOTION_ALIASES, rules.emotion),
        what=f"emotion of {corpus}",
        drop=drops_of("emotion", rules.drop),
    )
    dropped = {f"gender:{k}": n for k, n in gender.dropped.items()}
    dropped |= {f"emotion:{k}": n for k, n in emotion.dropped.items()}
    for label, count in dropped.items():
        _log.warning("%s: %d rows with %s dropped, as asked", corpus, count, label)
    keep = [g and e for g, e in zip(gender.keep, emotion.keep, strict=True)]
    if not any(keep):
        raise LabelError(f"{corpus}: every row was dropped ({', '.join(dropped)}); ask for fewer drops")
    columns: dict[str, object] = {
        "keep": keep,
        "gender": gender.values,
        "age_years": parse_ages(text_of(raw, "age"), rules.age, what=f"age of {corpus}"),
        "emotion": emotion.values,
        "emotion_votes": _votes(raw, corpus, rules),
    }
    for name in DIMENSIONS:
        columns[name], lost = _on_scale(text_of(raw, name), rules, name, corpus)
        dropped |= {f"{name} off its scale": lost} if lost else {}
    return pd.DataFrame(columns, index=raw.index), dropped


def _votes(raw: pd.DataFrame, corpus: str, rules: Rules) -> list[str | None]:
    mapping = strict_map(EMOTIONS, EMOTION_ALIASES, {**rules.emotion, **rules.votes})
    drop = drops_of("emotion", rules.drop)
    return map_votes(text_of(raw, "emotion_votes"), mapping, what=f"emotion_votes of {corpus}", drop=drop)


def _on_scale(
    values: Sequence[str | None], rules: Rules, name: str, corpus: str
) -> tuple[list[float | None], int]:
    """Places on the scale, and how many numbers were off it and are left empty."""
    scale, what = rules.scales.get(name), f"{name} of {corpus}"
    if scale is None:
        if any(value is not None for value in values):
            raise LabelError(
                f"{what}: on which scale? write it into the corpus's YAML, such as scale: [1, 7], or "
                "scale: [0, 1] where the numbers are already places between the ends"
            )
        return [None] * len(values), 0
    if rules.off_scale == "error":
        return parse_on_scale(values, scale, what=what), 0
    kept = [None if off_scale(value, scale) else value for value in values]
    lost = sum(off_scale(value, scale) for value in values)
    if lost:
        _log.warning("%s: %d numbers off the scale are left empty", what, lost)
    return parse_on_scale(kept, scale, what=what), lost


def drops_of(column: str, drop: Collection[str]) -> set[str]:
    """The words to drop in one column: those without a column and those with this one.

    >>> sorted(drops_of("gender", ["x", "gender:other", "emotion:other"]))
    ['other', 'x']
    """
    return {
        word.removeprefix(f"{column}:") for word in drop if ":" not in word or word.startswith(f"{column}:")
    }


def text_of(raw: pd.DataFrame, column: str) -> list[str | None]:
    """A reader's column, None where a cell or the column is missing."""
    values = raw[column] if column in raw.columns else [None] * len(raw)
    return [value if isinstance(value, str) else None for value in values]  # pandas 3 turns None into NaN
