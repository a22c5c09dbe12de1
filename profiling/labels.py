"""Vocabularies of gender, emotion and age, and strict maps into them.

Conventions: a label is a word of its vocabulary, an age is in years, a missing label is ``None``. A word
outside the vocabulary is an error that counts every such word; nothing is dropped unless it is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from profiling.errors import LabelError

GENDERS = ("female", "male", "child", "other")
EMOTIONS = (
    "amused", "angry", "annoyed", "anxious", "bored", "calm", "confused", "contemptuous", "disappointed",
    "disgusted", "excited", "fearful", "frustrated", "guilty", "happy", "neutral", "other", "proud",
    "relieved", "sad", "sarcastic", "sleepy", "surprised", "tired",
)  # fmt: skip

AGE_LIMIT_YEARS = 120.0  # an age is above 0 and below this

#: What tables write where there is no label. Anything else, "unknown" too, has to be mapped or dropped.
MISSING = frozenset({"", "na", "n/a", "nan", "none", "null"})
_UNKNOWN = "\0unknown"  # no label can be this

#: Other spellings of a word, lower case. An abbreviation used for two words is not listed.
GENDER_ALIASES: Mapping[str, str] = {
    "f": "female", "w": "female", "fem": "female", "woman": "female", "women": "female",
    "weiblich": "female", "m": "male", "man": "male", "men": "male", "männlich": "male",
    "maennlich": "male", "children": "child", "kid": "child",
}  # fmt: skip
EMOTION_ALIASES: Mapping[str, str] = {
    "amusement": "amused", "anger": "angry", "ang": "angry", "annoyance": "annoyed", "anxiety": "anxious",
    "boredom": "bored", "calmness": "calm", "confusion": "confused", "contempt": "contemptuous",
    "disappointment": "disappointed", "disgust": "disgusted", "dis": "disgusted", "excitement": "excited",
    "exc": "excited", "fear": "fearful", "fea": "fearful", "afraid": "fearful", "frustration": "frustrated",
    "fru": "frustrated", "guilt": "guilty", "happiness": "happy", "hap": "happy", "joy": "happy",
    "neu": "neutral", "pride": "proud", "relief": "relieved", "sadness": "sad", "sarcasm": "sarcastic",
    "sleepiness": "sleepy", "surprise": "surprised", "sur": "surprised", "tiredness": "tired",
}  # fmt: skip

#: Emotion schemes: every word of the vocabulary to a word of the scheme, None where it has no place there.
#: ``superb4`` is IEMOCAP as SUPERB scores it (excited counts as happy); ``ekman6`` has no neutral.
EMOTION_SCHEMES: Mapping[str, Mapping[str, str | None]] = {
    "native": {word: word for word in EMOTIONS},
    "superb4": {
        **dict.fromkeys(EMOTIONS),
        **{"angry": "angry", "excited": "happy", "happy": "happy", "neutral": "neutral", "sad": "sad"},
    },
    "ekman6": {
        **dict.fromkeys(EMOTIONS),
        **{w: w for w in ("angry", "disgusted", "fearful", "happy", "sad", "surprised")},
    },
}


@dataclass(frozen=True)
class Mapped:
    """Labels after a strict map.

    Attributes:
        values: one word of the vocabulary, or None, per row.
        keep: False for the rows whose label was dropped by name.
        dropped: label -> number of rows dropped.
    """

    values: list[str | None]
    keep: list[bool]
    dropped: dict[str, int] = field(default_factory=dict)


def is_missing(value: str | None) -> bool:
    """True for None and for the spellings in :data:`MISSING`."""
    return value is None or value.strip().casefold() in MISSING


def strict_map(
    vocabulary: Sequence[str], aliases: Mapping[str, str], own: Mapping[str, str | None] | None = None
) -> dict[str, str | None]:
    """The whole map of a column: vocabulary, aliases (lower case), and a corpus's own words (exact).

    Raises:
        LabelError: the corpus's own map leads outside the vocabulary.

    >>> strict_map(("female", "male"), {"f": "female"}, {"1": "male"})["1"]
    'male'
    """
    wrong = sorted({f"{k}: {v}" for k, v in (own or {}).items() if v is not None and v not in vocabulary})
    if wrong:
        raise LabelError(
            f"label map leads outside the vocabulary: {', '.join(wrong)}; valid: {_join(vocabulary)}"
        )
    return {**{word: word for word in vocabulary}, **aliases, **(own or {})}


def map_labels(
    values: Iterable[str | None], mapping: Mapping[str, str | None], *, what: str, drop: Collection[str] = ()
) -> Mapped:
    """Maps every value or fails with the counts of all that the map does not know.

    Args:
        values: labels as the corpus writes them; None or a spelling of missing stays None.
        mapping: from :func:`strict_map`; tried exactly, then in lower case. None as target: no label.
        what: column and corpus, for the message.
        drop: labels, as written or as mapped, whose rows are dropped and counted.

    Raises:
        LabelError: lists each unknown label with its count, and the way out.

    >>> map_labels(["F", None, "x"], {"f": "female"}, what="gender", drop=["x"]).values
    ['female', None, None]
    """
    listed = list(values)
    counts = Counter(value for value in listed if value is not None)
    found = {value: _target(value, mapping) for value in counts}
    dropped = {v: n for v, n in counts.items() if v in drop or found.get(v) in drop}
    unknown = {v: n for v, n in counts.items() if found[v] == _UNKNOWN and v not in dropped}
    _refuse(unknown, mapping, what)
    keep = [value not in dropped for value in listed]
    words = [found[v] if v is not None and k else None for v, k in zip(listed, keep, strict=True)]
    return Mapped(words, keep, dropped)


def parse_ages(
    values: Iterable[str | None], own: Mapping[str, float] | None = None, *, what: str = "age"
) -> list[float | None]:
    """Ages in years, above 0 and below 120; None where missing.

    Args:
        values: text, such as ``"31"`` or a word of ``own``.
        own: words to years, such as ``{"twenties": 25}``.
        what: column and corpus, for the message.

    Raises:
        LabelError: lists each text that is no such number, with its count.

    >>> parse_ages(["31", "", "6.5"])
    [31.0, None, 6.5]
    """
    listed = list(values)
    words = own or {}
    ages = {v: _age(words.get(v, v)) for v in set(listed) if v is not None and not is_missing(v)}
    wrong = Counter(v for v in listed if v in ages and ages[v] is None)
    if wrong:
        raise LabelError(
            f"{what}: not an age in years between 0 and {AGE_LIMIT_YEARS:g}: {_counted(wrong)}; "
            "map such words to years in the corpus's YAML (age: {twenties: 25}) or leave the cell empty"
        )
    return [None if v is None else ages.get(v) for v in listed]


def _age(value: str | float) -> float | None:
    try:
        years = float(value)
    except (TypeError, ValueError):  # a YAML may hold anything
        return None
    return years if 0 < years < AGE_LIMIT_YEARS else None


def _target(value: str, mapping: Mapping[str, str | None]) -> str | None:
    for spelling in (value.strip(), value.strip().casefold()):
        if spelling in mapping:
            return mapping[spelling]
    return None if is_missing(value) else _UNKNOWN


def _refuse(unknown: Mapping[str, int], mapping: Mapping[str, str | None], what: str) -> None:
    if not unknown:
        return
    first = next(iter(unknown))
    valid = sorted({word for word in mapping.values() if word is not None})
    raise LabelError(
        f"{what}: outside the vocabulary: {_counted(unknown)}; map them in the corpus's YAML "
        f"(labels: {{{what.split()[0]}: {{{first}: {valid[0] if valid else '...'}}}}}) or drop their rows "
        f"(corpus.drop_labels=[{','.join(unknown)}]); valid: {_join(valid)}"
    )


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{label!r} ({count} rows)" for label, count in ordered)


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)
