"""Published numbers beside a result, each with "comparable: yes / no, because". The facts are a data file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from profiling.evaluation.result import Part, Result, parts

_FACTS = Path(__file__).with_name("published.yaml")


@cache
def published() -> list[dict[str, Any]]:
    """The facts of ``published.yaml``; its head says what the fields are."""
    facts: list[dict[str, Any]] = yaml.safe_load(_FACTS.read_text(encoding="utf-8"))["results"]
    return facts


def beside_published(result: Result) -> list[dict[str, Any]]:
    """Every published number of the task beside every scored part that tests people the head did not hear.

    Returns:
        Rows of ``part``, ``ours``, ``constant``, the fact's fields, ``comparable`` (bool) and ``because`` (reasons
        against, or what is alike). Empty for a task nobody is listed for.
    """
    facts = [fact for fact in published() if fact["task"] == result["task"]["name"]]
    scored = [part for part in parts(result) if part.part != "validation"]
    return [_row(part, fact, result) for part in scored for fact in facts]


def _row(part: Part, fact: dict[str, Any], result: Result) -> dict[str, Any]:
    reasons = _against(part, fact, result)
    own = part.score["metrics"].get(fact["metric"])
    alike = f"same test corpus ({fact['test_corpus']}), same classes, speakers apart, same metric"
    return {
        "part": part.key,
        "ours": None if own is None else own["value"],
        "constant": part.score["constant"].get(fact["metric"]),
        **fact,
        "comparable": not reasons,
        "because": "; ".join(reasons) if reasons else alike,
    }


def _against(part: Part, fact: dict[str, Any], result: Result) -> list[str]:
    """Why the two numbers must not be set against each other."""
    reasons = []
    corpora = [part.corpus] if part.corpus else _trained_on(result)
    if corpora != [fact["test_corpus"]]:
        reasons.append(f"tested on {', '.join(corpora)}, theirs on {fact['test_corpus']}")
    if (part.corpus is not None) != fact["held_out"]:
        kind = ("within a corpus", "on a corpus never trained on")
        reasons.append(f"ours is {kind[part.corpus is not None]}, theirs {kind[fact['held_out']]}")
    if fact["metric"] not in part.score["metrics"]:
        reasons.append(f"they report {fact['metric']}, which this score does not have")
    classes = len(part.score["confusion"]["labels"]) if "confusion" in part.score else None
    if fact["classes"] is not None and classes != fact["classes"]:
        reasons.append(f"{classes} classes here, {fact['classes']} there")
    if fact["speaker_independent"] is not True:
        reasons.append("whether their speakers were kept apart is not stated")
    if not result["split"]["speaker_independent"]:
        reasons.append("our speakers were not kept apart")
    if result["backbone"]["training"] not in ("released", "local"):
        reasons.append(f"our backbone is {result['backbone']['training']}, not a released network")
    return reasons


def _trained_on(result: Result) -> list[str]:
    return sorted(one["corpus"] for one in result["data"] if one["role"] == "train")
