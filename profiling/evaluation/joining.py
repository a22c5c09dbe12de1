"""The same utterances under several systems: predictions joined by utterance id, never by position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.errors import SplitError
from profiling.evaluation.decisions import decide

_PREFIX = "p_"


@dataclass(frozen=True)
class Aligned:
    """What several systems answered on the same utterances.

    Attributes:
        utt_ids: (n,) the utterances, sorted.
        speakers: (n,) their speakers; None where an id is missing.
        reference: (n,) labels (str) or numbers (float64).
        answers: system -> (n,) labels or numbers.
        labels: labels that every system knows and the reference has, sorted; empty for numbers.
        asked: system -> utterances it answered, shared or not.
    """

    utt_ids: list[str]
    speakers: list[object]
    reference: NDArray[Any]
    answers: dict[str, NDArray[Any]]
    labels: list[str]
    asked: dict[str, int]


def class_labels(predictions: pd.DataFrame) -> list[str]:
    """The labels a prediction table has probabilities for, in its order; empty for numbers.

    Columns without any value belong to another system whose table was appended.
    """
    columns = [name for name in predictions.columns if name.startswith(_PREFIX)]
    return [name.removeprefix(_PREFIX) for name in columns if predictions[name].notna().any()]


def align(tables: Mapping[str, pd.DataFrame], *, shared: bool = False) -> Aligned:
    """Joins prediction tables by ``utt_id``.

    Args:
        tables: system -> predictions of one part, as ``answers.prediction_table`` writes them.
        shared: whether utterances that only some systems answered may be left out.

    Raises:
        SplitError: utterances that are not shared (how many), an id twice in a table, references or tasks
            that differ, or fewer than two labels in common.
    """
    indexed = {name: _by_id(name, table) for name, table in tables.items()}
    column = _reference_column(indexed)
    ids = _shared_ids(indexed, shared=shared)
    rows = {name: table.loc[ids] for name, table in indexed.items()}
    first = next(iter(rows.values()))
    _same_reference(rows, column)
    asked = {name: len(table) for name, table in tables.items()}
    if column == "target":
        numbers: dict[str, NDArray[Any]] = {
            name: table["predicted"].to_numpy(np.float64) for name, table in rows.items()
        }
        return Aligned(ids, list(first["speaker_id"]), first[column].to_numpy(np.float64), numbers, [], asked)
    return _of_labels(rows, first, asked)


def _of_labels(rows: Mapping[str, pd.DataFrame], first: pd.DataFrame, asked: dict[str, int]) -> Aligned:
    known = [set(class_labels(table)) for table in rows.values()]
    common = sorted(set.intersection(*known, set(first["label"].dropna())))
    if len(common) < 2:
        sets = "; ".join(f"{name}: {', '.join(class_labels(table))}" for name, table in rows.items())
        raise SplitError(f"fewer than two labels in common with the reference ({sets}): nothing to compare")
    scored = first["label"].isin(common).to_numpy()
    answers = {name: _masked(table[scored], common) for name, table in rows.items()}
    kept = first[scored]
    reference = kept["label"].to_numpy(dtype=object)
    return Aligned(list(kept.index), list(kept["speaker_id"]), reference, answers, common, asked)


def _masked(table: pd.DataFrame, labels: list[str]) -> NDArray[np.object_]:
    """The most probable of the common labels: no system is asked about what another cannot answer."""
    probabilities = table[[_PREFIX + label for label in labels]].to_numpy(np.float64)
    return np.array(decide(probabilities, labels), dtype=object)


def _by_id(name: str, table: pd.DataFrame) -> pd.DataFrame:
    repeated = table["utt_id"].duplicated()
    if repeated.any():
        raise SplitError(
            f"{name}: {int(repeated.sum())} utterances are answered twice, such as "
            f"{table['utt_id'][repeated].iloc[0]}; compare one part (test or one held-out corpus) at a time"
        )
    return table.set_index("utt_id")


def _shared_ids(indexed: Mapping[str, pd.DataFrame], *, shared: bool) -> list[str]:
    sets = [set(table.index) for table in indexed.values()]
    common = sorted(set.intersection(*sets))
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in zip(indexed, sets, strict=True))
    if not common:
        raise SplitError(f"no utterance is shared ({counts}): a paired comparison needs the same utterances")
    if not shared and any(len(ids) > len(common) for ids in sets):
        raise SplitError(
            f"only {len(common)} utterances are shared ({counts}); score the same rows, "
            "or say --shared to compare on those"
        )
    return common


def _reference_column(indexed: Mapping[str, pd.DataFrame]) -> str:
    kinds = {name: _kind(table) for name, table in indexed.items()}
    if len(set(kinds.values())) > 1:
        said = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise SplitError(f"the systems have different tasks ({said}): nothing to compare")
    return next(iter(kinds.values()))


def _kind(table: pd.DataFrame) -> str:
    """``target`` for numbers; runs of both tasks may sit in one table, with the other's column empty."""
    return "label" if "label" in table.columns and table["label"].notna().any() else "target"


def _same_reference(rows: Mapping[str, pd.DataFrame], column: str) -> None:
    (first_name, first), *others = rows.items()
    for name, table in others:
        differ = ~(table[column].eq(first[column]) | (table[column].isna() & first[column].isna()))
        if differ.any():
            raise SplitError(
                f"{int(differ.sum())} utterances have another reference in {name} than in {first_name}, such as "
                f"{differ.index[differ][0]}: the runs did not read the same labels"
            )


def common_parts(
    tables: Mapping[str, pd.DataFrame], on: str | None = None
) -> dict[str, dict[str, pd.DataFrame]]:
    """The parts that all systems were scored on: ``test`` and ``held-out <corpus>`` -> system -> rows.

    Args:
        tables: system -> its whole predictions.
        on: only this part; a corpus may be named alone.

    Raises:
        SplitError: no such part; says which each has.
    """
    parts = {name: _parts(table) for name, table in tables.items()}
    common = [part for part in next(iter(parts.values())) if all(part in own for own in parts.values())]
    if on is not None:
        common = [part for part in common if part in (on, f"held-out {on}")]
    if not common:
        had = "; ".join(f"{name}: {', '.join(own) or 'none'}" for name, own in parts.items())
        raise SplitError(f"the runs have no part in common{f' called {on}' if on else ''} ({had})")
    return {part: {name: own[part] for name, own in parts.items()} for part in common}


def _parts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Validation chose the runs and says nothing about them."""
    found = {}
    for part, rows in table.groupby("part", sort=False):
        if part == "test":
            found["test"] = rows
        elif part == "heldout":
            found |= {f"held-out {corpus}": one for corpus, one in rows.groupby("corpus", sort=False)}
    return found
