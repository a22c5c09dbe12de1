"""Soft labels: how the raters of a recording divided over the emotions.

Conventions: in a manifest a cell is JSON, word of the vocabulary -> share, in order of the word, shares above 0
that sum to 1; a recording nobody rated has None. ``emotion`` is what the corpus calls the recording (the acted
emotion, or its own consensus); the votes stand beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from profiling.errors import LabelError
from profiling.labels import EMOTION_SCHEMES, EMOTIONS, map_labels

_DECIMALS = 6  # of a share in a manifest
_TOLERANCE = 1e-4  # of a sum of such shares


def write_votes(counts: Mapping[str, float]) -> str | None:
    """Votes as the cell of a manifest; None where there are none.

    >>> write_votes({"sad": 1, "angry": 3})
    '{"angry": 0.75, "sad": 0.25}'
    """
    total = sum(counts.values())
    shares = {word: round(n / total, _DECIMALS) for word, n in sorted(counts.items()) if n > 0}
    return json.dumps(shares) if shares else None


def map_votes(
    values: Iterable[str | None],
    mapping: Mapping[str, str | None],
    *,
    what: str,
    drop: Collection[str] = (),
) -> list[str | None]:
    """Votes in a corpus's own words to shares of the vocabulary.

    A word the corpus maps to no label, or a word to drop, takes its votes with it; the rest is divided anew.

    Args:
        values: JSON, the corpus's word -> number of votes.
        mapping: from :func:`profiling.labels.strict_map`.
        what: column and corpus, for the message.
        drop: words whose votes are left out.

    Raises:
        LabelError: not such JSON, or a word the map does not know, with counts.
    """
    listed = [None if value is None else _counts(value, what) for value in values]
    words = sorted({word for counts in listed if counts for word in counts})
    rows = [word for counts in listed if counts for word in counts]
    map_labels(rows, mapping, what=what, drop=drop)
    target = dict(zip(words, map_labels(words, mapping, what=what, drop=drop).values, strict=True))
    return [None if counts is None else _mapped(counts, target) for counts in listed]


def parse_votes(
    values: Iterable[str | None], *, what: str = "emotion_votes"
) -> list[dict[str, float] | None]:
    """Cells of a manifest as word -> share; None stays None.

    Raises:
        LabelError: a cell that is no JSON of shares, a word outside the vocabulary, or shares that do not sum
            to 1.

    >>> parse_votes(['{"angry": 0.75, "sad": 0.25}', None])
    [{'angry': 0.75, 'sad': 0.25}, None]
    """
    listed = list(values)
    known = {value: _shares(value, what) for value in set(listed) if value is not None}
    return [None if value is None else known[value] for value in listed]


def majority(shares: Mapping[str, float]) -> str | None:
    """The word with the most votes; None where two share the first place.

    >>> majority({"angry": 0.5, "sad": 0.5}) is None, majority({"angry": 0.6, "sad": 0.4})
    (True, 'angry')
    """
    (first, most), *others = sorted(shares.items(), key=lambda item: -item[1])
    return None if others and most - others[0][1] < _TOLERANCE else first


def vote_matrix(
    values: Iterable[str | None], labels: Sequence[str], scheme: str = "native"
) -> NDArray[np.float64]:
    """Soft targets of a classifier.

    Args:
        values: cells of a manifest.
        labels: the classes, in the order of the outputs.
        scheme: of :data:`profiling.labels.EMOTION_SCHEMES`; votes without a place in it or in ``labels`` are
            left out and the rest is divided anew.

    Returns:
        (rows, labels), each row sums to 1; NaN throughout where no vote is left.

    >>> vote_matrix(['{"angry": 0.5, "excited": 0.25, "happy": 0.25}', None], ["angry", "happy"], "superb4")
    array([[0.5, 0.5],
           [nan, nan]])
    """
    place, row_of = EMOTION_SCHEMES[scheme], {label: i for i, label in enumerate(labels)}
    parsed = parse_votes(values)
    matrix = np.zeros((len(parsed), len(labels)))
    for row, shares in zip(matrix, parsed, strict=True):
        for word, share in (shares or {}).items():
            if (label := place[word]) in row_of:
                row[row_of[label]] += share
    total = matrix.sum(1, keepdims=True)
    return np.where(total > 0, matrix / np.where(total > 0, total, 1.0), np.nan)


def _counts(value: str, what: str) -> dict[str, float]:
    try:
        counts = {str(word): float(n) for word, n in json.loads(value).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise LabelError(f'{what}: {value!r} is no JSON such as {{"angry": 3}}') from error
    if not all(0 <= n < float("inf") for n in counts.values()):
        raise LabelError(f"{what}: {value!r} holds a number below 0, or none")
    return counts


def _mapped(counts: Mapping[str, float], target: Mapping[str, str | None]) -> str | None:
    votes: Counter[str] = Counter()
    for word, n in counts.items():
        name = target[word]
        if name is not None:
            votes[name] += n  # type: ignore[assignment]  # weights may be fractions
    return write_votes(votes)


def _shares(value: str, what: str) -> dict[str, float]:
    shares = _counts(value, what)
    wrong = sorted(set(shares) - set(EMOTIONS))
    if wrong:
        raise LabelError(
            f"{what}: {wrong[0]!r} in {value!r} is no word of the vocabulary ({', '.join(EMOTIONS)})"
        )
    if abs(sum(shares.values()) - 1) > _TOLERANCE:
        raise LabelError(f"{what}: the shares of {value!r} sum to {sum(shares.values()):g}, not to 1")
    return shares
