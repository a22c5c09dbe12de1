"""Held-out decisions: a head that knows six emotions, judged on a corpus that has four.

``masked``: argmax over the labels both know, as if the head had been asked only about those.
``open``: argmax over everything the head knows; a label the corpus lacks is then always wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.errors import SplitError

Labels = Sequence[object] | NDArray[np.object_]
Probabilities = NDArray[np.floating]

#: How rows without a label are counted in ``not_scored``.
MISSING = "(no label)"


@dataclass(frozen=True)
class Shared:
    """What a head and a corpus have in common, and which rows can be scored.

    Attributes:
        labels: shared labels, in the head's order; at least two.
        columns: (len(labels),) their columns in the head's probabilities.
        rows: (n,) bool, the rows whose label the head knows.
        not_scored: label -> rows left out because the head does not know it.
    """

    labels: list[str]
    columns: NDArray[np.intp]
    rows: NDArray[np.bool_]
    not_scored: dict[str, int]

    @property
    def asked(self) -> int:
        """Rows of the corpus."""
        return len(self.rows)

    @property
    def scored(self) -> int:
        """Rows with a known label."""
        return int(self.rows.sum())


def shared_labels(reference: Labels, classes: Sequence[str]) -> Shared:
    """Finds the labels that occur in a corpus and that a head knows.

    Args:
        reference: (n,) the corpus's labels; None or NaN where missing.
        classes: (K,) the head's labels, in the order of its outputs.

    Raises:
        SplitError: fewer than two shared labels; names both sets.

    >>> shared = shared_labels(["joy", "fear", "bored"], ["anger", "fear", "joy"])
    >>> shared.labels, shared.not_scored, shared.scored
    (['fear', 'joy'], {'bored': 1}, 2)
    """
    names = [
        MISSING if value is None or value is pd.NA or value != value else str(value) for value in reference
    ]
    known, found = set(classes), set(names)
    shared = [label for label in classes if label in found]
    if len(shared) < 2:
        raise SplitError(
            f"the head and the held-out corpus share {len(shared)} label(s), at least 2 are needed: "
            f"the head knows {', '.join(classes)}; the corpus has {', '.join(sorted(found)) or 'no rows'}. "
            "A label map can rename them"
        )
    left_out = Counter(name for name in names if name not in known)
    return Shared(
        labels=shared,
        columns=np.array([list(classes).index(label) for label in shared], dtype=np.intp),
        rows=np.array([name in known for name in names], dtype=np.bool_),
        not_scored=dict(sorted(left_out.items())),
    )


def decide(
    probabilities: Probabilities, classes: Sequence[str], allowed: Sequence[str] | None = None
) -> list[str]:
    """The most probable label of each row; the first one of equals.

    Args:
        probabilities: (n, K) probabilities or logits.
        classes: (K,) labels of the columns.
        allowed: labels that may be answered (masked), or None for all (open).

    Raises:
        ValueError: the shape does not fit ``classes``, a value is NaN, or ``allowed`` is not among them.

    >>> import numpy as np
    >>> scores = np.array([[0.6, 0.3, 0.1]])
    >>> decide(scores, ["anger", "fear", "joy"]), decide(scores, ["anger", "fear", "joy"], ["fear", "joy"])
    (['anger'], ['fear'])
    """
    scores = checked_probabilities(probabilities, classes)
    answers = list(classes if allowed is None else allowed)
    outside = sorted(set(answers) - set(classes))
    if outside or not answers:
        raise ValueError(f"allowed labels {answers} must be some of {list(classes)}")
    columns = [list(classes).index(label) for label in answers]
    return [answers[best] for best in scores[:, columns].argmax(axis=1)]


def checked_probabilities(probabilities: Probabilities, classes: Sequence[str]) -> NDArray[np.float64]:
    """(n, K) float64, one column for each class, without NaN.

    Raises:
        ValueError: otherwise.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        raise ValueError(
            f"probabilities have shape {scores.shape}: expected (n, {len(classes)}) for {list(classes)}"
        )
    bad = np.flatnonzero(np.isnan(scores).any(axis=1))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(scores)} rows have NaN probabilities, the first is row {bad[0]}"
        )
    return scores
