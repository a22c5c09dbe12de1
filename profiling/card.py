"""The card of a bundle: what the profiler is, how well it answers and on whom, for what it must not be used.

Markdown with the front matter the Hugging Face hub reads, written from the bundle alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from profiling.bundle import ProfilerSpec

CARD = "README.md"
#: The licences of features: what is trained on them inherits it. Backbone name -> the hub's word for it.
BACKBONE_LICENCES = {"ecapa2": "cc-by-nc-4.0"}
_OWN_LICENCE = "other"  # each corpus has one of its own; the card lists them
_SCORES = ("uar", "wa", "macro_f1", "mae", "rmse", "ccc", "pearson", "skill")
_MISUSE = {
    "age": "to check anybody's age, admit or refuse them; a voice says little about an adult's age",
    "gender": "to decide what somebody is; it says how a voice sounds to annotators, in the words they were given",
    "emotion": "to judge what somebody feels, at work, at school or anywhere else",
}


def model_card(spec: ProfilerSpec, name: str = "path/of/this/folder") -> str:
    """The card of a profiler.

    Args:
        spec: what the bundle says of itself.
        name: how the reader loads it: a folder, or ``user/name`` on the hub.
    """
    return "\n".join(["---", _front_matter(spec), "---", "", *_body(spec, name)]) + "\n"


def _front_matter(spec: ProfilerSpec) -> str:
    said = {
        "library_name": "profiling",
        "pipeline_tag": "audio-classification",
        "license": BACKBONE_LICENCES.get(str(spec.backbone["name"]), _OWN_LICENCE),
        "tags": ["speech", "paralinguistics", str(spec.task["name"]), str(spec.backbone["name"])],
    }
    return yaml.safe_dump(said, sort_keys=False).rstrip()


def _body(spec: ProfilerSpec, name: str) -> Iterator[str]:
    task = str(spec.task["name"])
    yield f"# {task} from a voice"
    yield ""
    yield _what(spec)
    yield ""
    yield from ("```python", "from profiling import Profiler", "")
    yield from (f'print(Profiler.from_pretrained("{name}")("call.wav"))', "```", "")
    yield from ("## How well it answers", "", *_scores(spec.metrics), "")
    yield from ("## How sure it says it is", "", *_calibrated(spec.calibration), "")
    yield from ("## Data", "", *_data(spec), "")
    yield from ("## Use and misuse", "", *_use(task, spec), "")
    yield from ("## Licences and citations", "")
    yield from (f"* {line}" for line in [*spec.licences, *spec.citations] or ["none were named"])
    yield from ("", "## Made with", "", "```", str(spec.train.get("command", "not recorded")), "```")


def _what(spec: ProfilerSpec) -> str:
    layers = "|".join(label for label, _ in spec.head.layers)
    answers = (
        f"one of {', '.join(spec.head.labels)}" if spec.head.labels else f"a number in {spec.task['unit']}"
    )
    untrained = " **The backbone is untrained: the scores prove the chain and nothing about people.**"
    return (
        f"A {spec.head.architecture} head on `{layers}` of a frozen `{spec.backbone['name']}`"
        f" ({spec.backbone_training}); it answers {answers}."
        + (untrained if spec.backbone_training == "untrained" else "")
    )


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A row for each corpus it was scored on; 95 % intervals over speakers."""
    if not metrics:
        yield "It was not scored."
        return
    parts = {"own test speakers": metrics.get("test")}
    parts |= {f"held-out {name}": part for name, part in metrics.get("heldout", {}).items()}
    yield "Speakers it never heard; brackets are 95 % intervals over speakers."
    yield ""
    yield "| on | utterances | speakers | score |"
    yield "|---|---:|---:|---|"
    for on, part in parts.items():
        scored = decided(part)
        if scored:
            yield f"| {on} | {scored['n']} | {scored['speakers']} | {_score_line(scored['metrics'])} |"


def decided(part: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The scores of a part of ``metrics.json``: the masked decision where there are two."""
    for key in ("masked", "open"):
        if part and isinstance(part.get(key), Mapping):
            return _checked(part[key])
    return _checked(part)


def _checked(scored: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return scored if scored and {"n", "speakers", "metrics"} <= scored.keys() else None


def _score_line(metrics: Mapping[str, Any]) -> str:
    """A correlation is undefined where the truth does not vary, as on one speaker's age."""
    told = []
    for name in (name for name in _SCORES if name in metrics):
        value, low, high = (metrics[name][part] for part in ("value", "low", "high"))
        between = f" [{low:.3f}, {high:.3f}]" if low is not None else ""
        told.append(f"{name} undefined" if value is None else f"{name} {value:.3f}{between}")
    return ", ".join(told)


def _calibrated(section: Mapping[str, Any]) -> Iterator[str]:
    """What its probabilities and intervals were fitted on, and what they promise."""
    if not section:
        yield "Not calibrated: there was no test part with speaker ids. Its probabilities are the head's own."
        return
    fitted = section["fitted_on"]
    yield (
        f"Fitted on all {fitted['part']} speakers of {', '.join(fitted['corpora'])} ({fitted['protocol']}), "
        "who neither trained nor chose the head. Its promise is about new speakers in recordings like those."
    )
    yield ""
    if temperature := section["temperature"]:
        value = temperature["value"]
        yield (
            f"* {temperature['reason']}"
            if value is None
            else f"* temperature {value:.2f} of the probabilities"
        )
    for entry in section["conformal"]:
        yield f"* {entry['level']:.0%}: {_promised(entry)}"


def _promised(entry: Mapping[str, Any]) -> str:
    if entry["quantile"] is None:
        return str(entry["reason"])
    if entry["kind"] == "interval":
        return f"interval of ± {entry['quantile']:.1f} around the answer"
    return f"set of the labels with a probability of at least {max(0.0, 1 - entry['quantile']):.2f}"


def _data(spec: ProfilerSpec) -> Iterator[str]:
    for row in spec.train.get("data", []):
        speakers = f"{row['speakers']} speakers" if row.get("speakers") else "speakers not named"
        yield f"* {row['role']}: {row['corpus']}, {row['utterances']} utterances, {speakers}, {row['hours']:.1f} h"
    protocol = spec.metrics.get("protocol", {})
    if isinstance(protocol, Mapping) and protocol:
        yield f"* protocol: {', '.join(f'{key} {value}' for key, value in protocol.items() if _short(value))}"


def _short(value: object) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""


def misuse(task: str) -> str:
    """What answers on a task must not be used for."""
    return _MISUSE.get(task, "to decide about people")


def _use(task: str, spec: ProfilerSpec) -> Iterator[str]:
    yield "* For research on voices, and for statistics over many recordings whose scores above are good enough."
    yield f"* **Not** {misuse(task)}. Do not decide about people with it."
    yield "* On recordings unlike its training data (language, channel, age) expect the held-out scores or worse."
    if spec.backbone["name"] in BACKBONE_LICENCES:
        yield "* Its features come from ECAPA2 (CC-BY-NC-4.0): non-commercial use only."
