"""Which penalty of a probe is kept.

Validation speakers choose. Where they are few their score is a matter of luck (two speakers of emodb prefer penalties
from 10 to 1,000,000), and all speakers that are not tested take turns instead: each of five groups of them is answered
by models of the others, and the penalty with the smallest loss over all of these answers is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.heads.spec import HeadSpec
from profiling.training.best import SCORES

FEW = 10  # validation speakers below which all take turns
TURNS = 5
_FEWEST = 4  # speakers that can take turns


def speaker_turns(
    speakers: NDArray[np.int64],
    validating: NDArray[np.bool_],
    targets: NDArray[np.generic],
    *,
    labelled: bool,
) -> NDArray[np.int64] | None:
    """In which turn each row is left out.

    Args:
        speakers: (rows,) number of each row's, train and validation rows together.
        validating: (rows,) which are validation rows.
        targets: (rows,) class numbers or years; speakers of all kinds are dealt to every turn.
        labelled: whether targets are classes.

    Returns:
        (rows,) turn; None where the validation speakers are enough, or where a turn would leave out all of a class.
    """
    known, number = np.unique(speakers, return_inverse=True)
    if len(np.unique(speakers[validating])) >= FEW or len(known) < _FEWEST:
        return None
    means = np.bincount(number, weights=targets.astype(np.float64)) / np.bincount(number)
    dealt = np.empty(len(known), dtype=np.int64)
    dealt[np.argsort(means, kind="stable")] = np.arange(len(known)) % TURNS
    turns: NDArray[np.int64] = dealt[number]
    classes = len(np.unique(targets))
    if labelled and any(len(np.unique(targets[turns != turn])) < classes for turn in np.unique(turns)):
        return None
    return turns


def balanced_losses(outputs: Tensor, targets: NDArray[np.generic]) -> NDArray[np.float64]:
    """(models,) cross-entropy of logits (models, n, classes), the mean over classes of the mean over their rows."""
    classes = torch.from_numpy(targets).long()
    each = torch.nn.functional.cross_entropy(
        outputs.transpose(1, 2).double(), classes.expand(len(outputs), -1), reduction="none"
    )  # (models, n)
    by_class = [each[:, classes == number].mean(1) for number in np.unique(targets).tolist()]
    found: NDArray[np.float64] = torch.stack(by_class).mean(0).numpy()
    return found


def least(losses: NDArray[np.float64]) -> int:
    """The smallest; one that is not a number is no candidate.

    >>> least(np.array([np.nan, 2.0, 1.0]))
    2
    """
    return int(np.where(np.isnan(losses), np.inf, losses).argmin())


def choose(
    spec: HeadSpec,
    scores: NDArray[np.float64],
    penalties: Sequence[float],
    losses: NDArray[np.float64] | None = None,
) -> int:
    """The penalty with the best validation score.

    Of equals the smallest loss, since the strongest penalty of a perfect UAR gives each label a probability near 1 / k;
    without losses the strongest, the simplest model.
    """
    _, larger = SCORES[spec.kind]
    goodness = scores if larger else -scores
    best = np.flatnonzero(goodness == goodness.max()).tolist()
    return int(
        max(best, key=lambda position: (0 if losses is None else -losses[position], penalties[position]))
    )
