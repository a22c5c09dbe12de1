"""Speaker-disjoint protocols over task rows: official, random, leave one speaker or session out, k-fold, listed.

Pure functions of the rows, the settings and the seed. An overlap of speakers is refused, never mended; with
``split.group=text`` texts are kept apart as well (:mod:`profiling.corpora.texts`).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from profiling.config import SplitConfig
from profiling.corpora.listed import ListedProtocol, parts_of, read_protocol
from profiling.corpora.manifest import shown
from profiling.corpora.protocol import Fold as Fold
from profiling.corpora.protocol import Mask, check_apart, check_fold, summarise
from profiling.corpora.protocol import Protocol as Protocol
from profiling.corpora.protocol import assert_no_overlap as assert_no_overlap
from profiling.corpora.protocol import assert_one_label_each as assert_one_label_each
from profiling.corpora.protocol import assert_one_speaker_each as assert_one_speaker_each
from profiling.corpora.stratify import Counts, Roster, choose, deal, roster
from profiling.corpora.texts import keep_texts_apart
from profiling.errors import SplitError

LOSO_BELOW_SPEAKERS = 20  # DESIGN 11: fewer test speakers than this give no honest interval from one split
MIN_SPEAKERS = 3  # one each to train, validate and test


def make_protocol(rows: pd.DataFrame, split: SplitConfig, column: str = "label") -> Protocol:
    """Divides task rows into parts of different speakers.

    Args:
        rows: from :func:`profiling.corpora.tasks.task_rows`.
        split: kind or published list, grouping, fractions, folds and seed.
        column: ``label`` (classes) or ``target`` (numbers; stratified by quantile).

    Returns:
        The protocol; every fold is checked.

    Raises:
        SplitError: rows without a speaker, too few speakers, one class only, a class missing from a part,
            a speaker in two parts, an incomplete official split, a list that does not fit, texts that cannot be
            kept apart.
    """
    speakers = speakers_of(rows, split)
    _check_values(rows, column)
    listed = None if split.protocol is None else read_protocol(split.protocol, split.folder)
    kind, notes = (listed.name, ()) if listed else choose_kind(rows, len(set(speakers)), split)
    units = _units(rows, speakers, kind)
    who = roster(rows, units, column, split.seed)
    _check_enough(who, split, kind)
    position = np.searchsorted(who.names, np.array(units, dtype=object))
    folds, final = _divide(rows, split, listed, kind, who, position)
    if split.group == "text":
        folds, final = keep_texts_apart(rows, folds, final, split, column)
    labels = None if pd.api.types.is_numeric_dtype(rows[column]) else list(rows[column])
    apart = listed is None or listed.speaker_independent
    for fold in (*folds, final):
        check_fold(fold, speakers if apart else list(rows["utt_id"]), labels)
    independent = apart and bool(rows["speaker_id"].notna().all())
    counted = folds if final is folds[0] else (*folds, final)
    return Protocol(kind, folds, final, independent, summarise(counted, rows, speakers, column), notes)


def _check_enough(who: Roster, split: SplitConfig, kind: str) -> None:
    if split.val_fraction == 0:
        raise SplitError(
            "split.val_fraction=0: validation picks the epoch, so it needs speakers (default 0.15)"
        )
    if len(who.names) < MIN_SPEAKERS:
        what = "sessions" if kind == "session" else "speakers"
        raise SplitError(
            f"too few {what}: {len(who.names)} ({shown(who.names)}), a speaker-disjoint split needs "
            f"{MIN_SPEAKERS}; add {what} or corpora"
        )


def _units(rows: pd.DataFrame, speakers: list[str], kind: str) -> list[str]:
    """(rows,) what is kept whole: speakers, or sessions, whose speakers must be theirs alone.

    Raises:
        SplitError: rows without a session.
    """
    if kind != "session":
        return speakers
    missing = rows[rows["session"].isna()]
    if len(missing):
        raise SplitError(
            f"split.kind=session: {len(missing)} of {len(rows)} rows have no session ({shown(missing['corpus'])}); "
            "fill the column session, or use split.kind=loso"
        )
    return [str(session) for session in rows["session"]]


def speakers_of(rows: pd.DataFrame, split: SplitConfig) -> list[str]:
    """(rows,) speaker of each row; a row without one is refused, or its own speaker when asked for.

    Raises:
        SplitError: names the corpora with such rows, and the way out.
    """
    missing = rows[rows["speaker_id"].isna()]
    if len(missing) and not split.allow_missing_speakers:
        raise SplitError(
            f"{len(missing)} rows of {shown(missing['corpus'])} have no speaker, so speakers cannot be kept "
            "apart; give a speaker column, or accept a result tagged speaker_independent: false with "
            "split.allow_missing_speakers=true"
        )
    return [u if s is None else s for s, u in zip(rows["speaker_id"], rows["utt_id"], strict=True)]


def choose_kind(rows: pd.DataFrame, speakers: int, split: SplitConfig) -> tuple[str, tuple[str, ...]]:
    """Resolves ``auto``: official where the split column is complete, LOSO below 20 speakers, else random.

    Returns:
        The kind, and what has to be said of the choice: an official split that is there is never passed over silently.

    Raises:
        SplitError: ``auto`` and a corpus whose split column is filled in some rows only.
    """
    if split.kind != "auto":
        return split.kind, ()
    given = rows["split"].notna()
    shares = given.groupby(rows["corpus"], sort=False).mean()
    partly = [str(corpus) for corpus, share in shares.items() if 0 < share < 1]
    if partly:
        raise SplitError(
            f"split.kind=auto: the split column of {', '.join(partly)} is filled in {int(given.sum())} of {len(rows)} "
            "rows; fill the others, or say split.kind=random or loso to divide the speakers anew"
        )
    if given.all() and {"train", "test"} <= set(rows["split"]):
        return "official", ()
    kind = "loso" if speakers < LOSO_BELOW_SPEAKERS else "random"
    if not given.any():
        return kind, ()
    with_split, without = (sorted(set(rows["corpus"][mask])) for mask in (given, ~given))
    why = f"{', '.join(without)} has none" if without else f"it has only {shown(rows['split'])}"
    return kind, (
        f"the official split of {', '.join(with_split)} is not used, since {why}; split.kind={kind}",
    )


def _check_values(rows: pd.DataFrame, column: str) -> None:
    values = rows[column].unique()
    if len(values) >= 2:
        return
    if pd.api.types.is_numeric_dtype(rows[column]):
        raise SplitError(
            f"all {len(rows)} targets equal {values[0]:g}: there is nothing to learn; add other ages"
        )
    raise SplitError(f"one class only: {values[0]!r} in all {len(rows)} rows; a classifier needs two")


def _divide(
    rows: pd.DataFrame,
    split: SplitConfig,
    listed: ListedProtocol | None,
    kind: str,
    who: Roster,
    position: Counts,
) -> tuple[tuple[Fold, ...], Fold]:
    if listed is not None:
        return _as_listed(rows, listed, split, who, position)
    if kind == "official":
        fold = _official(rows, split, who, position)
        return (fold,), fold
    if kind == "random":
        fold = _random(split, who, position)
        return (fold,), fold
    return _rotating(split, kind, who, position)


def _official(rows: pd.DataFrame, split: SplitConfig, who: Roster, position: Counts) -> Fold:
    """The publisher's parts; validation taken from the training speakers where there is none."""
    given = rows["split"]
    if given.isna().any():
        raise SplitError(
            f"split.kind=official: {int(given.isna().sum())} of {len(rows)} rows have no split "
            f"({shown(rows['corpus'][given.isna()])}); fill the column or use split.kind=random"
        )
    train, val, test = (np.asarray(given == part) for part in ("train", "val", "test"))
    for part, mask in (("train", train), ("test", test)):
        if not mask.any():
            raise SplitError(f"split.kind=official: no row is in {part}, the split column has {shown(given)}")
    return _with_validation(Fold("split", train, val, test), split, who, position)


def _with_validation(
    fold: Fold, split: SplitConfig, who: Roster, position: Counts, *, apart: bool = True
) -> Fold:
    """The fold; validation is taken from the training speakers where there is none."""
    if fold.val.any():
        return fold
    if apart:
        check_apart(fold, list(who.names[position]))
    learners = np.isin(np.arange(len(who.names)), position[fold.train])
    chosen = choose(who, learners, split.val_fraction, reserve=1)[position]
    return dataclasses.replace(fold, train=fold.train & ~chosen, val=fold.train & chosen)


def _as_listed(
    rows: pd.DataFrame, listed: ListedProtocol, split: SplitConfig, who: Roster, position: Counts
) -> tuple[tuple[Fold, ...], Fold]:
    """The folds of a published list; with several, the final head trains on everyone."""
    folds = []
    for name, parts in parts_of(listed, rows):
        fold = Fold(name, parts["train"], parts["val"], parts["test"])
        folds.append(_with_validation(fold, split, who, position, apart=listed.speaker_independent))
    if len(folds) == 1:
        return tuple(folds), folds[0]
    return tuple(folds), _final(split, who, position)


def _random(split: SplitConfig, who: Roster, position: Counts) -> Fold:
    everyone = np.ones(len(who.names), dtype=bool)
    test = np.zeros_like(everyone)
    if split.test_fraction > 0:
        test = choose(who, everyone, split.test_fraction, reserve=2)
    val = choose(who, ~test, split.val_fraction / (1 - split.test_fraction), reserve=1)
    return _fold("split", ~test & ~val, val, test, position)


def _rotating(split: SplitConfig, kind: str, who: Roster, position: Counts) -> tuple[tuple[Fold, ...], Fold]:
    """One fold per group of test speakers; validation rotates over the others, the least used first."""
    count = len(who.names)
    if kind == "kfold" and split.folds > count:
        raise SplitError(f"split.folds={split.folds} but there are {count} speakers; use at most {count}")
    alone = kind in ("loso", "session")
    groups = np.arange(count) if alone else deal(who, split.folds)
    used = np.zeros(count, dtype=np.int64)
    folds = []
    for group in range(int(groups.max()) + 1):
        test = groups == group
        val = choose(who, ~test, split.val_fraction, reserve=1, used=used)
        used += val
        name = str(who.names[group]) if alone else f"fold_{group}"
        folds.append(_fold(name, ~test & ~val, val, test, position))
    return tuple(folds), _final(split, who, position)


def _final(split: SplitConfig, who: Roster, position: Counts) -> Fold:
    """Trains the head for held-out corpora: everyone but the validation speakers, nobody tested."""
    everyone = np.ones(len(who.names), dtype=bool)
    val = choose(who, everyone, split.val_fraction, reserve=1)
    return _fold("final", ~val, val, ~everyone, position)


def _fold(name: str, train: Mask, val: Mask, test: Mask, position: Counts) -> Fold:
    parts: list[Mask] = [part[position] for part in (train, val, test)]
    return Fold(name, *parts)
