"""Texts kept apart as well as speakers: no text that is tested was heard in training.

Where speakers and texts are crossed (acted corpora: everyone says every sentence), a row of a training speaker with
a tested text belongs to no part: that is what the protocol costs, and it is counted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from profiling.config import SplitConfig
from profiling.corpora.manifest import shown
from profiling.corpora.protocol import Fold
from profiling.corpora.stratify import Counts, deal, roster
from profiling.errors import SplitError


def keep_texts_apart(
    rows: pd.DataFrame, folds: tuple[Fold, ...], final: Fold, split: SplitConfig, column: str
) -> tuple[tuple[Fold, ...], Fold]:
    """Every fold once per group of texts; each row is still tested at most once.

    In a single split (random, official) the first group of texts is tested; in rotating protocols each group in turn.
    Validation keeps the texts of training: it picks epochs, it is no claim about new texts.

    Args:
        rows: task rows with ``text_id``.
        folds: speaker-disjoint folds.
        final: the fold of the final head; the only fold itself where there is one.
        split: ``text_groups`` and ``seed``.
        column: label or target, which the groups of texts should all have.

    Raises:
        SplitError: rows without a text, or fewer texts than groups.
    """
    group = _groups(rows, split, column)
    if not any(fold.test.any() for fold in folds):
        return folds, final  # nothing is tested, so nothing was heard before
    single = final is folds[0]
    turns = (0,) if single else range(split.text_groups)
    apart = tuple(
        Fold(
            fold.name if single else f"{fold.name}|texts_{turn}",
            fold.train & (group != turn),
            fold.val & (group != turn),
            fold.test & (group == turn),
        )
        for fold in folds
        for turn in turns
    )
    tested = tuple(fold for fold in apart if fold.test.any())
    return tested, tested[0] if single else final


def _groups(rows: pd.DataFrame, split: SplitConfig, column: str) -> Counts:
    """(rows,) the group of each row's text, the classes spread over the groups."""
    missing = rows[rows["text_id"].isna()]
    if len(missing):
        raise SplitError(
            f"split.group=text: {len(missing)} of {len(rows)} rows have no text_id ({shown(missing['corpus'])}); "
            "fill the column text_id, or use split.group=speaker"
        )
    texts = [f"{corpus}/{text}" for corpus, text in zip(rows["corpus"], rows["text_id"], strict=True)]
    who = roster(rows, texts, column, split.seed)
    if len(who.names) < split.text_groups:
        raise SplitError(
            f"split.group=text: {len(who.names)} texts ({shown(who.names)}) cannot be divided into "
            f"split.text_groups={split.text_groups}"
        )
    chosen: Counts = deal(who, split.text_groups)[np.searchsorted(who.names, np.array(texts, dtype=object))]
    return chosen
