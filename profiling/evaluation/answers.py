"""What heads answer on rows, and those answers as a table and as scores: the same for every part and corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.evaluation.decisions import decide
from profiling.evaluation.scoring import score_classification, score_heldout, score_regression
from profiling.heads.modules import Head

_PIECE_ROWS = 4096
_ID_COLUMNS = ["utt_id", "speaker_id", "corpus"]

Outputs = NDArray[np.float32]  # (rows, classes) probabilities, or (rows,) years


class RowSource(Protocol):
    """Feature rows by index, such as a store's view."""

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """(n,) indices -> (n, dim)."""
        ...


def answer_rows(head: Head, source: RowSource, rows: NDArray[np.int64]) -> Outputs:
    """What a head answers on some rows, a piece at a time.

    Returns:
        (rows, classes) probabilities or (rows,) years.
    """
    pieces = [rows[first : first + _PIECE_ROWS] for first in range(0, len(rows), _PIECE_ROWS)]
    answers = [head.predict(np.asarray(source.take(piece), dtype=np.float32)) for piece in pieces]
    return np.concatenate(answers)


def prediction_table(
    table: pd.DataFrame, outputs: Outputs, labels: Sequence[str], *, part: str, fold: str
) -> pd.DataFrame:
    """Predictions as rows: ids, part, fold, reference, answer, and one probability per class.

    Args:
        table: task rows, with ``label`` or ``target``.
        outputs: (rows, classes) probabilities or (rows,) years, in the order of ``table``.
        labels: classes of the columns; empty for regression.
        part: ``validation``, ``test`` or ``heldout``.
        fold: whose head answered.
    """
    predictions = table[_ID_COLUMNS].reset_index(drop=True).assign(part=part, fold=fold)
    if not labels:
        return predictions.assign(target=table["target"].to_numpy(), predicted=outputs.astype(np.float64))
    predictions["label"] = table["label"].to_numpy()
    predictions["predicted"] = decide(outputs, labels)
    for column, label in enumerate(labels):
        predictions[f"p_{label}"] = outputs[:, column].astype(np.float64)
    return predictions


def score_part(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any]
) -> dict[str, Any]:
    """Scores predictions of rows whose labels the head knows (validation, test)."""
    speakers = predictions["speaker_id"].to_numpy()
    if not labels:
        return score_regression(predictions["target"], predictions["predicted"], speakers, train_answers)
    probabilities = predictions[[f"p_{label}" for label in labels]].to_numpy()
    return score_classification(list(predictions["label"]), probabilities, labels, speakers, train_answers)


def score_corpus(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any]
) -> dict[str, Any]:
    """Scores predictions on a held-out corpus: masked and open for classes, once for numbers.

    Returns:
        ``masked``, ``open``, ``shared_labels``, ``asked``, ``scored``, ``not_scored``; for numbers ``masked`` and
        ``open`` are the same score and every row is scored.
    """
    speakers = predictions["speaker_id"].to_numpy()
    if labels:
        probabilities = predictions[[f"p_{label}" for label in labels]].to_numpy()
        return score_heldout(list(predictions["label"]), probabilities, labels, speakers, train_answers)
    score = score_part(predictions, labels, train_answers)
    rows = len(predictions)
    return {
        "masked": score,
        "open": score,
        "shared_labels": [],
        "asked": rows,
        "scored": rows,
        "not_scored": {},
    }
