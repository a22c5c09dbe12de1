"""A profile as JSON (nested, one object) and as table rows (flat; one more per window where there is a timeline)."""

from __future__ import annotations

from typing import Any

from profiling.predict.answer import Answer, Profile, Segment, names_of

Row = dict[str, Any]

#: Digits behind the point: answers of two machines agree to about this, the rest would be noise.
_DIGITS = 6


def to_json(profile: Profile) -> Row:
    """One JSON object; fields that say nothing are left out.

    Each head's answer stands under its task, or ``task@bundle`` where several answer on one task.
    """
    row: Row = {"path": profile.path, "channel": profile.channel, "error": profile.error}
    row |= {"duration_s": profile.duration_s, "sample_rate_hz": profile.sample_rate_hz}
    row |= {"channels": profile.channels, "flags": list(profile.flags), "snr_db": profile.snr_db}
    row |= _said(profile.answers, brief=False)
    if profile.vad:
        row |= {"vad": profile.vad, "speech_s": profile.speech_s}
        row |= {"speech": _said(profile.speech, brief=True)}
        row |= {"timeline": [_segment(segment) for segment in profile.timeline]}
    row |= {"audio_sha256": profile.audio_sha256}
    kept = {key: _rounded(value) for key, value in row.items() if value not in (None, "")}
    return kept if profile.error is None else {k: v for k, v in kept.items() if v != []}


def _said(answers: tuple[Answer, ...], *, brief: bool) -> Row:
    return {name: one.to_json(brief=brief) for name, one in zip(names_of(answers), answers, strict=True)}


def _segment(segment: Segment) -> Row:
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        **_said(segment.answers, brief=True),
    }


def to_table(profile: Profile) -> list[Row]:
    """Flat rows: ``part`` is ``whole``, ``speech`` (all windows together) or ``window``."""
    shared = {"path": profile.path, "channel": profile.channel}
    whole: Row = {
        **shared,
        "part": "whole",
        "start_s": None if profile.error else 0.0,
        "end_s": profile.duration_s,
        **_columns(profile.answers),
        "flags": "|".join((*profile.flags, *_flags(profile.answers))),
        "snr_db": profile.snr_db,
        "sample_rate_hz": profile.sample_rate_hz,
        "channels": profile.channels,
        "vad": profile.vad,
        "profilers": _joined(profile.answers, "profiler"),
        "backbones": _joined(profile.answers, "backbone"),
        "audio_sha256": profile.audio_sha256,
        "error": profile.error or "",
    }
    parts = [whole]
    if profile.speech:
        first, last = profile.timeline[0].start_s, profile.timeline[-1].end_s
        parts.append(_part(shared, "speech", first, last, profile.speech))
    parts += [_part(shared, "window", one.start_s, one.end_s, one.answers) for one in profile.timeline]
    return [{column: _rounded(value) for column, value in part.items()} for part in parts]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def _part(shared: Row, part: str, start_s: float, end_s: float, answers: tuple[Answer, ...]) -> Row:
    span = {"part": part, "start_s": start_s, "end_s": end_s}
    return {**shared, **span, **_columns(answers), "flags": "|".join(_flags(answers))}


def _columns(answers: tuple[Answer, ...]) -> Row:
    """``gender, gender_p_female, ..., age, age_low, age_high, age_coverage``."""
    columns: Row = {}
    for name, one in zip(names_of(answers), answers, strict=True):
        if one.value is None:
            columns[name] = one.label
            columns[f"{name}_set"] = "|".join(one.label_set)
            columns |= {f"{name}_p_{label}": share for label, share in one.probabilities.items()}
            continue
        interval = one.interval
        columns[name] = one.value
        columns |= {
            f"{name}_low": interval.low if interval else None,
            f"{name}_high": interval.high if interval else None,
            f"{name}_coverage": interval.coverage if interval else None,
        }
    return columns


def _flags(answers: tuple[Answer, ...]) -> list[str]:
    return [
        f"{name}:{flag}" for name, one in zip(names_of(answers), answers, strict=True) for flag in one.flags
    ]


def _joined(answers: tuple[Answer, ...], field: str) -> str:
    return "|".join(
        f"{name}={getattr(one, field)}" for name, one in zip(names_of(answers), answers, strict=True)
    )
