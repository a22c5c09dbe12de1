"""What a report says, as data: sections of blocks. How it looks is the renderer's (``report.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiling.evaluation.result import CorpusUsed, Part, Result, baseline_parts, parts, remark
from profiling.evaluation.summary import NAMES, no_interval_text, number_text, value_text, verdict

ECAPA2_CITATION = (
    "J. Thienpondt and K. Demuynck, ECAPA2: A Hybrid Neural Network Architecture and Training Strategy for "
    "Robust Speaker Embeddings, IEEE ASRU 2023, arXiv 2401.08342"
)
ECAPA2_LICENCE = (
    "ECAPA2 is licensed CC-BY-NC-4.0: its features, and what is trained on them, are for non-commercial use"
)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text; ``strong``: what nobody may overlook."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of plain text cells under a head."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Picture:
    """An image file beside the report, with what it shows in words."""

    file: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str


Block = Paragraph | Table | Picture | Code


@dataclass(frozen=True)
class Section:
    """A heading and what is under it."""

    title: str
    blocks: list[Block]


#: Key of the pictures that belong to the head and to no part.
HEAD = "head"
#: Baseline -> what it is called beside the head.
_BASELINES = {
    "linear": "baseline, linear probe",
    "ridge": "baseline, ridge (scikit-learn)",
    "svm": "baseline, linear SVM",
}

#: Protocols in which the tested heads are others than the one that is kept.
_ROTATING = ("loso", "kfold")


def sections(result: Result, pictures: Mapping[str, list[Picture]]) -> list[Section]:
    """The whole report, the answer first.

    Args:
        result: content of ``metrics.json``.
        pictures: part key (``result.Part.key``) -> its pictures.
    """
    found = [_answer(result, pictures.get(HEAD, []))]
    found += [_detail(part, pictures.get(part.key, [])) for part in parts(result)]
    return [*found, _data(result), _backbone(result), _origin(result)]


def _answer(result: Result, head_pictures: list[Picture]) -> Section:
    blocks: list[Block] = []
    said = remark(result)
    if said:
        blocks.append(Paragraph(said, strong=True))
    if not result["split"]["speaker_independent"]:
        blocks.append(
            Paragraph("speaker_independent: false. Speakers are in training and scoring", strong=True)
        )
    if notice := result["backbone"].get("notice"):
        blocks.append(
            Paragraph(f"Backbone: {notice}", strong=True)
        )  # beside the numbers, not only under "Backbone"
    blocks.append(Paragraph(_trained(result)))
    if said := together(result):
        blocks.append(Paragraph(said))
    if result["split"]["kind"] in _ROTATING:
        blocks.append(Paragraph(_rotated(result)))
    blocks += [Paragraph(_sentence(part, result)) for part in parts(result)]
    blocks.append(_score_table(result))
    blocks.append(Paragraph(_reading(result)))
    blocks += head_pictures
    return Section(f"{_capital(result['task']['name'])}: the answer", blocks)


def _trained(result: Result) -> str:
    task, head, train = result["task"], result["head"]["name"], result["split"]["counts"]["train"]
    corpora = ", ".join(corpus["corpus"] for corpus in result["data"] if corpus["role"] == "train")
    labels = f" ({', '.join(task['labels'])})" if task["labels"] else ""
    tried = "it was not chosen among several"
    if result["candidates"] > 1:
        tried = f"it is the best of {result['candidates']} candidates on validation"
    head += _penalty(result["head"])
    return (
        f"The head {head} on {', '.join(result['layers'])} of {result['backbone']['name']} was trained to "
        f"tell {task['name']}{labels} on {_amount(train)} from {corpora}; {tried}."
    )


def together(result: Result) -> str | None:
    """What else one head learned, without which these numbers are not to be had; None for a head of one task."""
    if not result.get("together"):
        return None
    others = " and ".join(result["together"])
    return (
        f"Trained together with {others}: the tasks share every layer but the last, and the epoch was chosen on the "
        "mean of their skills on validation."
    )


def _penalty(head: Mapping[str, Any]) -> str:
    """A probe's penalty, and whether a wider path might have been better."""
    if head.get("penalty") is None:
        return ""
    path = sorted(head["penalties"])
    at_end = "; it is at the end of head.penalties, so a longer path may be better"
    said = f"L2 penalty {head['penalty']:.4g}, by validation among {len(path)}"
    return f" ({said}{at_end if head['penalty'] in (path[0], path[-1]) else ''})"


def _rotated(result: Result) -> str:
    kind, tested = result["split"]["kind"], result["split"]["counts"].get("test", {"speakers": 0})
    folds = "one for each speaker" if kind == "loso" else "one for each group of speakers"
    return (
        f"Validation and test are pooled over other heads of the same kind, {folds} ({kind}): every one of the "
        f"{tested['speakers']} speakers was tested by a head that had never heard them. The head above is one more, "
        f"trained for held-out corpora and kept in bundle/. {_over_folds(result)}"
    )


def _over_folds(result: Result) -> str:
    """Mean and standard deviation over the folds, by the first metric."""
    said = []
    for part in parts(result):
        if folds := part.score.get("folds"):
            metric = next(iter(folds["mean"]))
            mean, sd = (number_text(metric, folds[key][metric]) for key in ("mean", "sd"))
            said.append(f"{part.title} {NAMES[metric]} {mean} ± {sd}")
    if not said:
        return ""
    return (
        f"Mean and standard deviation over the folds: {'; '.join(said)}. The pooled values below count every row once; "
        "a sweep ranks its candidates by the mean validation score of all heads."
    )


def _sentence(part: Part, result: Result) -> str:
    score, unit = part.score, result["task"]["unit"]
    metric = "mae" if "mae" in score["metrics"] else "uar"
    suffix = f" {unit}" if unit else ""
    own = value_text(metric, score["metrics"][metric]) + suffix
    constant = number_text(metric, score["constant"][metric]) + suffix
    text = (
        f"{_capital(part.title)}: {NAMES[metric]} {own}; a constant answer has {constant}: {verdict(score)}."
    )
    why = no_interval_text(score)
    text += f" {_capital(why)}." if why else ""
    return text + (_heldout_note(part.corpus, result) if part.corpus else "")


def _heldout_note(corpus: str, result: Result) -> str:
    heldout = result["scores"]["heldout"][corpus]
    note = f" Scored {heldout['scored']} of {heldout['asked']} utterances"
    if heldout["shared_labels"]:
        note += f", shared labels {', '.join(heldout['shared_labels'])}"
    if heldout["not_scored"]:
        left_out = ", ".join(f"{label} {count}" for label, count in heldout["not_scored"].items())
        note += f"; not scored, as the head does not know them: {left_out}"
    return note + f"; this corpus was scored {_times(heldout['times_scored'])} by this run."


def _amount(counts: Mapping[str, int]) -> str:
    speakers = counts["speakers"]
    return f"{counts['utterances']} utterances of {speakers} speaker{'s' if speakers != 1 else ''}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _score_table(result: Result) -> Table:
    shown = list(parts(result))
    metrics = list(shown[0].score["metrics"]) if shown else []
    head = ["part", "utterances", "speakers"]
    constants = set(shown[0].score["constant"]) if shown else set()
    for metric in metrics:
        head += [NAMES[metric], "constant"] if metric in constants else [NAMES[metric]]
    rows = []
    beside = list(baseline_parts(result))
    for part in shown:
        rows.append(_score_row(part.title, part, metrics, constants))
        rows += [
            _score_row(f"{part.title}: {_BASELINES[name]}", other, metrics, constants)
            for name, other in beside
            if other.key == part.key
        ]
    return Table(tuple(head), rows)


def _score_row(title: str, part: Part, metrics: list[str], constants: set[str]) -> tuple[str, ...]:
    row = [title, str(part.score["n"]), _count(part.score["speakers"])]
    for metric in metrics:
        row.append(value_text(metric, part.score["metrics"][metric]))
        if metric in constants:
            row.append(number_text(metric, part.score["constant"][metric]))
    return tuple(row)


def _reading(result: Result) -> str:
    text = "Brackets are 95 % intervals over speakers, not over utterances. "
    if result["scores"].get("baselines"):
        text += (
            "Baselines are linear models on the same rows, folds and standardised features, their penalty chosen "
            "without test speakers. "
        )
    if result["task"]["kind"] == "regression":
        return text + (
            "The constant answers the median age of the training rows (for RMSE their mean); skill is "
            "1 - MAE / MAE of the constant: 0 is no better than never listening."
        )
    return text + (
        "The constant always answers the most frequent training label. Masked: the head chooses among "
        "the labels both sides know; open: among all of its own."
    )


def _detail(part: Part, pictures: list[Picture]) -> Section:
    score = part.score
    blocks: list[Block] = list(pictures)
    if "bands" in score:
        rows = [
            (
                band["name"],
                str(band["n"]),
                _count(band["speakers"]),
                value_text("mae", band["metrics"]["mae"]),
                number_text("mae", band["constant_mae"]),
                value_text("skill", band["metrics"]["skill"]),
            )
            for band in score["bands"]
        ]
        blocks.append(Table(("age", "utterances", "speakers", "MAE", "constant", "skill"), rows))
    return Section(_capital(part.title), blocks)


def _data(result: Result) -> Section:
    rows = [_corpus_row(corpus) for corpus in result["data"]]
    head = ("corpus", "role", "utterances", "speakers", "hours", "licence", "citation")
    counts = result["split"]["counts"]
    ordered = sorted(counts, key=("train", "val", "test").index)  # a file has its keys sorted by letters
    split = "; ".join(f"{name} {_amount(counts[name])}" for name in ordered)
    independent = str(result["split"]["speaker_independent"]).lower()
    text = f"Split {result['split']['kind']}: {split}. speaker_independent: {independent}."
    left_out = [Paragraph(line) for line in _left_out(result["environment"].get("manifests", {}))]
    return Section("Data", [Table(head, rows), Paragraph(text), *_binned(result), *left_out])


def _binned(result: Result) -> list[Paragraph]:
    """A sentence where an error in years is measured against the middle of a bin."""
    names = sorted({corpus["corpus"] for corpus in result["data"] if corpus.get("age_binned")})
    if not names or result["task"]["kind"] != "regression":
        return []
    return [
        Paragraph(
            f"Ages of {', '.join(names)} are binned: each stands for a decade or class, so an error of less than "
            "half a bin means nothing."
        )
    ]


def _left_out(manifests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line per manifest that has rows nobody used: reasons and counts."""
    reasons = {
        name: {**held["dropped"], **({"quarantined": held["quarantined"]} if held["quarantined"] else {})}
        for name, held in manifests.items()
    }
    return [
        f"Left out of {name}: " + ", ".join(f"{reason} {count}" for reason, count in counts.items()) + "."
        for name, counts in reasons.items()
        if counts
    ]


def _corpus_row(corpus: CorpusUsed) -> tuple[str, ...]:
    hours = "unknown" if corpus["hours"] is None else f"{corpus['hours']:.2f}"
    known = (corpus["licence"] or "not stated", corpus["citation"] or "not stated")
    return (
        corpus["corpus"],
        corpus["role"],
        str(corpus["utterances"]),
        _count(corpus["speakers"]),
        hours,
        *known,
    )


def _backbone(result: Result) -> Section:
    backbone = result["backbone"]
    sha256 = backbone["weights_sha256"] or "none"
    blocks: list[Block] = [
        Paragraph(f"{backbone['name']}, training: {backbone['training']}, weights sha256 {sha256}.")
    ]
    if notice := backbone.get("notice"):
        blocks.append(Paragraph(f"Note: {notice}."))
    if backbone["licence"]:
        blocks.append(Paragraph(f"Licence: {backbone['licence']}."))
    if backbone["training"] == "released":
        blocks += [Paragraph(ECAPA2_LICENCE + "."), Paragraph(f"Please cite: {ECAPA2_CITATION}.")]
    elif backbone["name"] == "ecapa2":  # a file the user named
        terms = f"If that file derives from the released ECAPA2: {ECAPA2_LICENCE}. Cite: {ECAPA2_CITATION}."
        blocks.append(Paragraph(terms))
    return Section("Backbone", blocks)


def _origin(result: Result) -> Section:
    environment = result["environment"]
    packages = environment["packages"]
    rows = [("python", str(environment["python"])), ("platform", str(environment["platform"]))]
    rows += [(name, str(version)) for name, version in sorted(packages.items()) if version]
    return Section("How to get this again", [Code(result["command"]), Table(("what", "version"), rows)])


def _count(number: int | None) -> str:
    return "ids missing" if number is None else str(number)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
