"""A protocol: which rows train, validate and test, and whether the speakers are apart.

Conventions: a part is a mask over the rows of one table of task rows; the parts of a fold share no row and
no speaker; a fold that only trains the final head has an empty test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.corpora.manifest import shown
from profiling.errors import SplitError

Mask = NDArray[np.bool_]  # (rows,)
PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Fold:
    """One way of dividing the rows.

    Attributes:
        name: ``split``, ``fold_2``, a speaker's id, or ``final``.
        train: (rows,) rows the head learns from.
        val: (rows,) rows that choose epoch and candidate.
        test: (rows,) rows opened after the choice; may be empty.
    """

    name: str
    train: Mask
    val: Mask
    test: Mask

    def parts(self) -> dict[str, Mask]:
        """Part -> mask."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True, eq=False)
class Protocol:
    """All folds of a run.

    Attributes:
        kind: ``official``, ``random``, ``loso``, ``kfold``, ``session`` or the name of a published list.
        folds: each row is tested at most once over all folds; by ``loso`` and ``kfold`` exactly once.
        final: trains the head that is scored on held-out corpora; the only fold itself, where there is one.
        speaker_independent: no speaker in two parts, and every row's speaker known.
        summary: fold, part, label, gender -> rows, speakers.
        notes: what a reader of the result has to know of how the rows were divided.
    """

    kind: str
    folds: tuple[Fold, ...]
    final: Fold
    speaker_independent: bool
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()


def balance(protocol: Protocol, rows: pd.DataFrame) -> list[str]:
    """One line per part: rows, speakers by sex, and their ages. Rotating protocols are tested on everyone in turn.

    Args:
        protocol: of these rows.
        rows: task rows with ``speaker_id``, ``gender`` and ``age_years``.
    """
    masks = {"train": protocol.final.train, "val": protocol.final.val}
    masks["test"] = np.any([fold.test for fold in protocol.folds], axis=0)
    final = "" if protocol.final is protocol.folds[0] else " of the final head"
    return [
        f"  {part}{'' if part == 'test' else final}: {_people(rows[mask])}"
        for part, mask in masks.items()
        if mask.any()
    ]


def _people(rows: pd.DataFrame) -> str:
    speakers = rows.groupby(rows["speaker_id"].fillna(rows["utt_id"]), sort=False)
    genders = speakers["gender"].first().fillna("unknown").value_counts().sort_index()
    ages = speakers["age_years"].first().dropna()
    known = (
        f"; age {ages.min():g} to {ages.max():g}, median {ages.median():g}" if len(ages) else "; ages unknown"
    )
    sexes = ", ".join(f"{count} {gender}" for gender, count in genders.items())
    who = f"{len(speakers)} speaker" + ("s" if len(speakers) != 1 else "")
    return f"{len(rows)} rows of {who} ({sexes}){known}"


def check_fold(fold: Fold, speakers: Sequence[str], labels: Sequence[str] | None) -> Fold:
    """Returns the fold if its parts are apart and every class can be learned and validated.

    Args:
        fold: masks of (rows,).
        speakers: (rows,) speaker of each row.
        labels: (rows,) class of each row; None for regression.

    Raises:
        SplitError: a shared speaker, an empty part, or a class missing from training or validation.
    """
    check_apart(fold, speakers)
    for part in ("train", "val"):
        if not fold.parts()[part].any():
            raise SplitError(f"{fold.name}: no rows in {part}; use more speakers or another split.kind")
    if labels is not None:
        _check_classes(fold, np.asarray(labels, dtype=object), np.asarray(speakers, dtype=object))
    return fold


def check_apart(fold: Fold, speakers: Sequence[str]) -> None:
    """Refuses a fold two of whose parts share a row or a speaker.

    Raises:
        SplitError: names the speakers.
    """
    owner = np.asarray(speakers, dtype=object)
    for (a, first), (b, second) in combinations(fold.parts().items(), 2):
        shared = sorted(set(owner[first]) & set(owner[second]))
        if shared:
            raise SplitError(
                f"{fold.name}: {len(shared)} speakers are both in {a} and {b}: {shown(shared)}; "
                "mend the split column or use split.kind=random"
            )


def _check_classes(fold: Fold, labels: NDArray[np.object_], owner: NDArray[np.object_]) -> None:
    for label in sorted(set(labels)):
        for part in ("train", "val"):
            if not (fold.parts()[part] & (labels == label)).any():
                who = sorted(set(owner[labels == label]))
                raise SplitError(
                    f"{fold.name}: no {label!r} in {part}; of {len(set(owner))} speakers {len(who)} "
                    f"have it ({shown(who)}). Drop the class (corpus.drop_labels=[{label}]), add speakers "
                    "who have it, or use another split.kind or split.seed"
                )


def summarise(
    folds: Sequence[Fold], rows: pd.DataFrame, speakers: Sequence[str], column: str
) -> pd.DataFrame:
    """Counts of rows and speakers by fold, part, label and gender; missing gender is ``unknown``.

    Args:
        folds: the folds to count, the final one too.
        rows: the task rows.
        speakers: (rows,) speaker of each row.
        column: the label column; a numeric one is counted as ``all``.
    """
    numeric = pd.api.types.is_numeric_dtype(rows[column])
    base = pd.DataFrame(
        {
            "label": "all" if numeric else rows[column].to_numpy(),
            "gender": [g if isinstance(g, str) else "unknown" for g in rows["gender"]],
            "speaker": list(speakers),
        }
    )
    tables = [
        base[mask].assign(fold=fold.name, part=part) for fold in folds for part, mask in fold.parts().items()
    ]
    grouped = pd.concat(tables).groupby(["fold", "part", "label", "gender"], sort=False)["speaker"]
    return grouped.agg(rows="size", speakers="nunique").reset_index()


def assert_no_overlap(train: pd.DataFrame, heldout: pd.DataFrame) -> None:
    """Refuses held-out rows whose speaker or recording is among the training corpora.

    Args:
        train: manifest of the training corpora, all parts.
        heldout: manifest of a held-out corpus.

    Raises:
        SplitError: names the shared speakers or recordings.
    """
    for column, what in (("speaker_id", "speakers"), ("audio_sha256", "recordings"), ("path", "files")):
        shared = set(train[column].dropna()) & set(heldout[column].dropna())
        if shared:
            where = heldout[heldout[column].isin(shared)]
            named = where["speaker_id" if column == "speaker_id" else "utt_id"]
            raise SplitError(
                f"{len(shared)} {what} of held-out {shown(where['corpus'])} are in the training corpora: "
                f"{shown(named)}; hold out another corpus or other speakers"
            )


def assert_one_label_each(table: pd.DataFrame) -> None:
    """Refuses a recording that stands there twice with contradicting labels: one of them is wrong.

    Args:
        table: manifest of the training corpora with ``audio_sha256``; a missing label contradicts nothing.

    Raises:
        SplitError: names the rows and the labels.
    """
    known = table[table["audio_sha256"].notna()]
    span = [known[column] for column in ("audio_sha256", "start_sample", "end_sample")]
    for column in ("gender", "age_years", "emotion"):
        wrong = known.groupby(span)[column].transform("nunique") > 1
        if wrong.any():
            copies = known[wrong].sort_values(["audio_sha256", "utt_id"])
            said = [f"{utt} ({label})" for utt, label in zip(copies["utt_id"], copies[column], strict=True)]
            raise SplitError(
                f"{len(copies)} rows are copies of one another with different {column}: {shown(said)}; "
                "decide for one label and leave the other rows out"
            )


def assert_one_speaker_each(table: pd.DataFrame) -> None:
    """Refuses a recording that stands under two speakers: a split by speaker could teach and test with it.

    Args:
        table: manifest of the training corpora with ``audio_sha256``. Different spans of a file are different
            recordings; a row without a speaker is a speaker of its own, as in the split.

    Raises:
        SplitError: names the rows.
    """
    known = table[table["audio_sha256"].notna()]
    owner = known["speaker_id"].fillna(known["utt_id"])
    span = [known[column] for column in ("audio_sha256", "start_sample", "end_sample")]
    shared = owner.groupby(span).transform("nunique") > 1
    if shared.any():
        copies = known[shared].sort_values(["audio_sha256", "utt_id"])
        raise SplitError(
            f"{len(copies)} rows are copies of one another under different speakers, so a split by speaker "
            f"would test on what was trained on: {shown(copies['utt_id'])}; leave one of each"
        )
