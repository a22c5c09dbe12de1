"""What heads answer on rows, and those answers as a table and as scores: the same for every part and corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.evaluation.decisions import decide
from profiling.evaluation.pooling import speaker_level
from profiling.evaluation.scoring import AGE_BANDS, score_classification, score_heldout, score_regression

if TYPE_CHECKING:  # torch costs seconds; reading predictions does without
    from profiling.heads.modules import Head

_PIECE_ROWS = 4096
_ID_COLUMNS = ["utt_id", "speaker_id", "corpus"]
#: What groups are made of; carried along where the rows have it.
_GROUP_COLUMNS = ["gender", "age_years", "language", "duration_s", "snr_db"]

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
    carried = [*_ID_COLUMNS, *(column for column in _GROUP_COLUMNS if column in table)]
    predictions = table[carried].reset_index(drop=True).assign(part=part, fold=fold)
    if not labels:
        return predictions.assign(target=table["target"].to_numpy(), predicted=outputs.astype(np.float64))
    predictions["label"] = table["label"].to_numpy()
    predictions["predicted"] = decide(outputs, labels)
    for column, label in enumerate(labels):
        predictions[f"p_{label}"] = outputs[:, column].astype(np.float64)
    return predictions


def masked_answers(predictions: pd.DataFrame, labels: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Rows whose label the head knows, with ``predicted`` chosen among the labels both sides know.

    Returns:
        The rows and those labels; for numbers the rows as they are and no labels.
    """
    if not labels:
        return predictions, []
    shared = [label for label in labels if label in set(predictions["label"])]
    scored = predictions[predictions["label"].isin(shared)]
    probabilities = scored[[f"p_{label}" for label in shared]].to_numpy()
    return scored.assign(predicted=decide(probabilities, shared)), shared


def score_part(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any], unit: str = "years"
) -> dict[str, Any]:
    """Scores predictions of rows whose labels the head knows (validation, test).

    Args:
        predictions: of one part.
        labels: the head's; empty for numbers.
        train_answers: labels or numbers of the training rows.
        unit: of numbers; only years have age bands.

    Returns:
        The score, with ``speaker_level`` (one answer for each speaker).
    """
    score = _score(predictions, labels, train_answers, unit)
    score["speaker_level"] = speaker_level(predictions, labels, train_answers)
    return score


def _score(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any], unit: str
) -> dict[str, Any]:
    speakers = predictions["speaker_id"].to_numpy()
    if not labels:
        pair = (predictions["target"], predictions["predicted"])
        return score_regression(*pair, speakers, train_answers, AGE_BANDS if unit == "years" else ())
    probabilities = predictions[[f"p_{label}" for label in labels]].to_numpy()
    return score_classification(list(predictions["label"]), probabilities, labels, speakers, train_answers)


def score_corpus(
    predictions: pd.DataFrame, labels: Sequence[str], train_answers: Sequence[Any], unit: str = "years"
) -> dict[str, Any]:
    """Scores predictions on a held-out corpus: masked and open for classes, once for numbers.

    Returns:
        ``masked``, ``open``, ``shared_labels``, ``asked``, ``scored``, ``not_scored``; for numbers ``masked`` and
        ``open`` are the same score and every row is scored.
    """
    speakers = predictions["speaker_id"].to_numpy()
    if labels:
        probabilities = predictions[[f"p_{label}" for label in labels]].to_numpy()
        found = score_heldout(list(predictions["label"]), probabilities, labels, speakers, train_answers)
        masked, shared = masked_answers(predictions, labels)
        found["masked"]["speaker_level"] = speaker_level(masked, shared, train_answers)
        return found
    score = score_part(predictions, labels, train_answers, unit)
    rows = len(predictions)
    return {
        "masked": score,
        "open": score,
        "shared_labels": [],
        "asked": rows,
        "scored": rows,
        "not_scored": {},
    }
