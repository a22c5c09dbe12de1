"""Turns the JSON of ``probing.py`` into the tables of ``docs/mini.md``.

python benchmarks/probing_table.py runs/probing.json [runs/probing_curve.json]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from probing import DEFAULT, paired_p

from profiling.config import LAYERS
from profiling.provenance import read_json

Scores = dict[str, dict[str, Any]]  # task -> layer -> score

#: Task -> what is shown of its score: key and heading.
SHOWN: dict[str, list[tuple[str, str]]] = {
    "emodb gender": [("uar", "emodb gender UAR")],
    "emodb emotion": [("uar", "emodb emotion UAR (4)")],
    "nemo gender": [("uar", "nemo gender UAR")],
    "nemo emotion": [("uar", "nemo emotion UAR (6)")],
    "speechocean762 gender": [
        ("uar", "speechocean762 gender UAR"),
        ("adults", "· adults"),
        ("adults_undisputed", "· adults without the 4 disputed"),
        ("children", "· children"),
    ],
    "speechocean762 age": [("mae", "speechocean762 age MAE (years)"), ("skill", "· skill")],
    "speechocean762 age, adults": [("mae", "· adults alone: MAE"), ("skill", "· adults alone: skill")],
    "speechocean762 verification": [("eer", "EER"), ("eer_same_gender_and_age", "EER, same gender and age")],
}

EMOTION = ("emodb emotion", "nemo emotion")


def row(cells: Sequence[str]) -> str:
    """One line of a markdown table."""
    return "| " + " | ".join(cells) + " |"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table, all but the first column right-aligned."""
    return "\n".join([row(head), row(["---", *["---:"] * (len(head) - 1)]), *map(row, rows)])


def number(scores: Scores, task: str, layer: str, key: str) -> str:
    """Three decimals, or a dash where nothing was measured."""
    found = scores.get(task, {}).get(layer)
    return "-" if found is None else f"{found[key]:.3f}"


def preferred(scores: Scores, task: str, wanted: str) -> str:
    """The wanted layer, or the only one a source has."""
    layers = list(scores.get(task, {wanted: None}))
    return layers[0] if len(layers) == 1 else wanted


def wanted_layer(task: str) -> str:
    """Verification compares embeddings; everything else sees the default concatenation."""
    return "embedding" if task.endswith("verification") else DEFAULT


def sources_table(scores: dict[str, Scores], trained: str) -> str:
    """Tasks by sources, with the paired test of trained against untrained over speakers."""
    rows = []
    for task, shown in SHOWN.items():
        layer = wanted_layer(task)
        for index, (key, heading) in enumerate(shown):
            cells = [number(own, task, preferred(own, task, layer), key) for own in scores.values()]
            rows.append([heading, *cells, p_value(scores, trained, task, layer) if index == 0 else ""])
    rows.append(both_corpora(scores, trained))
    names = ["**mini**" if name == trained else name for name in scores]
    return table(["", *names, "p, mini against untrained"], rows)


def p_value(scores: dict[str, Scores], trained: str, task: str, layer: str) -> str:
    """Sign-flip test over speakers, where a score keeps its speakers."""
    pair = [scores[name].get(task, {}).get(layer, {}).get("speakers") for name in (trained, "untrained")]
    return "" if None in pair else f"{paired_p(*pair):.2g}"


def both_corpora(scores: dict[str, Scores], trained: str) -> list[str]:
    """Emotion over the speakers of both corpora: mean right share of a speaker, and the paired test."""
    shares = {}
    for name, own in scores.items():
        found = [own.get(task, {}).get(preferred(own, task, DEFAULT)) for task in EMOTION]
        if None not in found:
            shares[name] = [share for score in found for share in score["speakers"]]
    cells = [f"{mean(shares[name]):.3f}" if name in shares else "-" for name in scores]
    p = (
        f"{paired_p(shares[trained], shares['untrained']):.2g}"
        if {trained, "untrained"} <= shares.keys()
        else ""
    )
    return ["emotion, speakers of both: right share", *cells, p]


def layers_table(scores: Scores) -> str:
    """Tasks by layers of one source."""
    layers = [*LAYERS, DEFAULT]
    rows = [
        [heading, *[number(scores, task, layer, key) for layer in layers]]
        for task, shown in SHOWN.items()
        for key, heading in shown
    ]
    return table(["", *[f"`{layer}`".replace("|", r"\|") for layer in layers]], rows)


def bands_table(scores: dict[str, Scores], trained: str) -> str:
    """Age error by band: the probe's and the constant's."""
    bands = scores[trained]["speechocean762 age"][DEFAULT]["bands"]
    rows = [[band, f"{value['mae']:.2f}", f"{value['constant']:.2f}"] for band, value in bands.items()]
    return table(["age (years)", "MAE", "constant's MAE"], rows)


def curve_table(scores: dict[str, Scores]) -> str:
    """Snapshots by tasks."""
    shown = [
        (task, *pair)
        for task, pairs in SHOWN.items()
        for pair in pairs[:1]
        if any(task in s for s in scores.values())
    ]
    rows = [
        [name.split()[0].removeprefix("step-").lstrip("0") or "0"]
        + [number(own, task, preferred(own, task, wanted_layer(task)), key) for task, key, _ in shown]
        for name, own in scores.items()
    ]
    return table(["steps", *[heading for *_, heading in shown]], rows)


def main(paths: Sequence[str]) -> None:
    """Prints the tables."""
    done = read_json(Path(paths[0]))
    scores, trained = done["scores"], done["trained"]
    print(sources_table(scores, trained), layers_table(scores[trained]), sep="\n\n")
    if "speechocean762 age" in scores[trained]:
        print("\n" + bands_table(scores, trained))
    if len(paths) > 1:
        print("\n" + curve_table(read_json(Path(paths[1]))["scores"]))


if __name__ == "__main__":
    main(sys.argv[1:])
