"""A result in words: the numbers with their intervals, and the lines the command line prints."""

from __future__ import annotations

from profiling.evaluation.result import Part, Result, Score, Value, parts, remark

#: Metric -> how it is written.
NAMES = {
    "uar": "UAR",
    "wa": "WA",
    "macro_f1": "macro-F1",
    "mae": "MAE",
    "rmse": "RMSE",
    "ccc": "CCC",
    "pearson": "Pearson",
    "skill": "skill",
}
_UNIT_METRICS = ("mae", "rmse")


def decimals(metric: str) -> int:
    """Digits shown: a hundredth of a year, a thousandth of a share."""
    return 2 if metric in _UNIT_METRICS else 3


def value_text(metric: str, value: Value) -> str:
    """The value with its interval; without one, the value alone (:func:`no_interval_text` has the reasons).

    >>> found = Value(value=0.5, low=0.4, high=0.61, method="", speakers=9, level=0.95, reason=None)
    >>> value_text("uar", found), value_text("mae", found)
    ('0.500 [0.400, 0.610]', '0.50 [0.40, 0.61]')
    """
    digits = decimals(metric)
    if value["value"] is None:
        return "undefined"
    if value["low"] is None or value["high"] is None:
        return f"{value['value']:.{digits}f}"
    return f"{value['value']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def no_interval_text(score: Score) -> str | None:
    """Which metrics have no interval and why, ``"no interval: <reason> (UAR, WA)"``; None if all have one."""
    reasons: dict[str, list[str]] = {}
    for metric, value in score["metrics"].items():
        if value["reason"]:
            reasons.setdefault(value["reason"], []).append(NAMES[metric])
    if not reasons:
        return None
    return "no interval: " + "; ".join(f"{reason} ({', '.join(names)})" for reason, names in reasons.items())


def number_text(metric: str, value: float | None) -> str:
    """A number without an interval, such as the constant predictor's."""
    return "undefined" if value is None else f"{value:.{decimals(metric)}f}"


def verdict(score: Score) -> str:
    """Whether the speakers can tell the head from a predictor that never listens.

    Compares UAR with the constant's, or the skill with 0.
    """
    if "skill" in score["metrics"]:
        value, constant = score["metrics"]["skill"], 0.0
    else:
        value, constant = score["metrics"]["uar"], score["constant"]["uar"]
    if value["low"] is None or value["high"] is None or constant is None:
        return "whether that is more than chance cannot be said, as there is no interval"
    if value["low"] > constant:
        return "better than a constant answer"
    if value["high"] < constant:
        return "worse than a constant answer"
    return "not told apart from a constant answer by these speakers"


def summary_lines(result: Result) -> list[str]:
    """The lines a training or evaluation ends with: one each for validation, test and held-out."""
    task, backbone = result["task"], result["backbone"]
    layers = "|".join(result["layers"])
    lines = [f"{task['name']} from {layers} of {backbone['name']}, head {result['head']['name']}"]
    said = remark(result)
    if said:
        lines.append(said)
    protocol = (
        "true" if result["split"]["speaker_independent"] else "FALSE: speakers are in training and scoring"
    )
    lines.append(f"split: {result['split']['kind']}, speaker_independent: {protocol}")
    shown = list(parts(result))
    width = max((len(part.title) for part in shown), default=0)
    lines += [f"{part.title:<{width}}  {_score_text(part, task['unit'])}" for part in shown]
    return lines


def _score_text(part: Part, unit: str) -> str:
    score = part.score
    cells = []
    for metric, value in score["metrics"].items():
        shown = f"{NAMES[metric]} {value_text(metric, value)}"
        if unit and metric in _UNIT_METRICS:
            shown += f" {unit}"
        if metric in score["constant"]:
            shown += f" (constant {number_text(metric, score['constant'][metric])})"
        cells.append(shown)
    why = no_interval_text(score)
    return "  ".join([f"n={score['n']}", *cells, *([why] if why else [])])
