"""A trained head's answers on held-out corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from profiling.bundle import Bundle
from profiling.evaluation.answers import answer_rows, prediction_table
from profiling.heads.modules import build_head
from profiling.training.rows import TaskRows


def heldout_predictions(final: Bundle, heldout: Mapping[str, TaskRows]) -> dict[str, pd.DataFrame]:
    """The final head's answers on every held-out corpus."""
    head, labels, fold = head_of(final), final.spec.head.labels, "final"
    return {
        name: prediction_table(
            held.table,
            answer_rows(head, held.view, np.arange(len(held.table))),
            labels,
            part="heldout",
            fold=fold,
        )
        for name, held in heldout.items()
    }


def head_of(bundle: Bundle) -> Any:
    """The head of a bundle, ready to answer."""
    return build_head(bundle.spec.head, bundle.state)
