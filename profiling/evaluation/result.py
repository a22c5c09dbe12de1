"""The content of a run's ``metrics.json``: what was trained on whom, and every score.

:class:`Result` is the whole file; the report and the lines for the terminal are made of it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from profiling.errors import BundleError
from profiling.evaluation.folds import Folds
from profiling.provenance import sha256_bytes

#: Printed wherever numbers of such a backbone appear; released weights need no remark.
BACKBONE_REMARKS: Mapping[str, str] = {
    "untrained": "untrained backbone: these numbers prove the chain, nothing about people",
    "mini": "mini backbone: a small network of ECAPA2's topology, not ECAPA2; its numbers are not ECAPA2's",
    "local": "local backbone: weights from a file you named, not the released ones",
    "signal": "no network: plain statistics of the spectrum, a baseline",
}


class Value(TypedDict):
    """A metric: ``Interval``'s fields beside its value. None: undefined, or no interval and a reason."""

    value: float | None
    low: float | None
    high: float | None
    method: str
    speakers: int | None
    level: float
    reason: str | None


class Confusion(TypedDict):
    """Counts; ``matrix[i][j]``: rows of label i answered as label j."""

    labels: list[str]
    matrix: list[list[int]]


class Band(TypedDict):
    """Scores of the rows whose reference lies in a range of ages."""

    name: str
    n: int
    speakers: int | None
    metrics: dict[str, Value]
    constant_mae: float


class Score(TypedDict):
    """One set of rows: ``scoring.score_classification`` or ``score_regression``."""

    n: int
    speakers: int | None
    metrics: dict[str, Value]
    constant: dict[str, Any]
    per_class_recall: NotRequired[dict[str, dict[str, Any]]]
    confusion: NotRequired[Confusion]
    bands: NotRequired[list[Band]]
    folds: NotRequired[Folds]  # of rotating protocols
    speaker_level: NotRequired[dict[str, Any]]  # pooling.speaker_level: one answer for each speaker


class HeldoutScore(TypedDict):
    """A corpus the head was not trained on, ``masked`` and ``open``; for numbers both are the same score."""

    masked: Score
    open: Score
    shared_labels: list[str]  # empty for numbers
    not_scored: dict[str, int]  # label -> rows the head has no answer for
    asked: int
    scored: int
    times_scored: int  # of this corpus by this run: looking often is choosing


class Scores(TypedDict):
    """By part; a part that does not exist is left out."""

    validation: NotRequired[Score]
    test: NotRequired[Score]
    heldout: dict[str, HeldoutScore]
    baselines: NotRequired[
        dict[str, Scores]
    ]  # linear, ridge, svm: on the same folds; none of them holds others


class Task(TypedDict):
    """What is predicted; ``labels`` is None for numbers, ``unit`` is empty for labels."""

    name: str
    kind: Literal["classification", "regression"]
    labels: list[str] | None
    unit: str


class BackboneUsed(TypedDict):
    """Where the features come from; ``training`` as in ``backbones.protocol.Training``.

    ``notice``: what else must be said of it, such as an engine that was asked for and refused.
    """

    name: str
    training: str
    weights_sha256: str | None
    licence: str | None
    notice: NotRequired[str | None]


class Split(TypedDict):
    """The protocol; ``counts``: part -> ``utterances`` and ``speakers``."""

    kind: str
    speaker_independent: bool
    counts: dict[str, dict[str, int]]


class CorpusUsed(TypedDict):
    """A corpus and its part in the run; ``age_binned`` where its ages stand for decades or classes."""

    corpus: str
    role: Literal["train", "heldout"]
    utterances: int
    speakers: int | None
    hours: float | None
    licence: str | None
    citation: str | None
    age_binned: NotRequired[bool]


class Always(TypedDict):
    """What every result has. ``head`` holds at least ``name``; ``candidates``: how many were tried on validation."""

    task: Task
    backbone: BackboneUsed
    layers: list[str]
    head: dict[str, Any]
    candidates: int
    split: Split
    heldout_decision: Literal["masked", "open"]
    scores: Scores
    data: list[CorpusUsed]
    command: str
    environment: dict[str, Any]


class Result(Always, total=False):
    """All of it; ``together``: the other tasks that one head learned with this one."""

    together: list[str]


class Part(NamedTuple):
    """One row of the answer.

    Attributes:
        key: names files, safe in a path: ``test``, ``heldout_emodb_masked``.
        title: for people: ``held-out emodb, masked``.
        part: as in the predictions: ``validation``, ``test`` or ``heldout``.
        corpus: the held-out corpus, None otherwise.
        score: its score.
    """

    key: str
    title: str
    part: str
    corpus: str | None
    score: Score


def check_result(result: Mapping[str, Any]) -> None:
    """Checks that every section is there.

    Raises:
        BundleError: names the missing ones.
    """
    missing = sorted(Result.__required_keys__ - set(result))
    if missing:
        raise BundleError(
            f"metrics.json has no section {', '.join(missing)}: it is not of this version; train again"
        )


def parts(result: Result) -> Iterator[Part]:
    """Validation, test, then each held-out corpus with the asked decision first."""
    scores = result["scores"]
    if "validation" in scores:
        yield Part("validation", "validation", "validation", None, scores["validation"])
    if "test" in scores:
        yield Part("test", "test", "test", None, scores["test"])
    for corpus, heldout in scores["heldout"].items():
        if not heldout["shared_labels"]:
            yield Part(
                f"heldout_{_file_name(corpus)}", f"held-out {corpus}", "heldout", corpus, heldout["masked"]
            )
            continue
        for name, score in decisions(heldout, result["heldout_decision"]):
            key = f"heldout_{_file_name(corpus)}_{name}"
            yield Part(key, f"held-out {corpus}, {name}", "heldout", corpus, score)


def baseline_parts(result: Result) -> Iterator[tuple[str, Part]]:
    """(baseline, part) in the order of :func:`parts`: what stands beside the head in every table."""
    for name, scores in result["scores"].get("baselines", {}).items():
        for part in parts({**result, "scores": scores}):
            yield name, part


def _file_name(corpus: str) -> str:
    """A corpus's name where it is safe in a path, else what is safe of it and a hash against collisions."""
    safe = re.sub(r"[^A-Za-z0-9.-]+", "-", corpus)
    return safe if safe == corpus else f"{safe}-{sha256_bytes(corpus.encode())[:6]}"


def decisions(heldout: HeldoutScore, first: str) -> list[tuple[str, Score]]:
    """(decision, score), the asked one first."""
    both = [("masked", heldout["masked"]), ("open", heldout["open"])]
    return both if first == "masked" else both[::-1]


def remark(result: Result) -> str | None:
    """What must be said of the backbone, or None for released weights."""
    return BACKBONE_REMARKS.get(result["backbone"]["training"])
