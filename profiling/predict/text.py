"""A profile for reading: a few lines a recording, with what an interval or a set of labels means."""

from __future__ import annotations

from collections.abc import Iterator

from profiling.predict.answer import Answer, Profile, names_of
from profiling.predict.calibrated import LEVEL


def to_text(profile: Profile) -> str:
    """What the heads say of a recording, each on a line.

    >>> print(to_text(Profile("a.wav", (Answer("gender", "female", {"male": 0.2, "female": 0.8}),), duration_s=1.9)))
    a.wav, 1.9 s
      gender: female 80 %, male 20 %
    """
    return "\n".join(_lines(profile))


def _lines(profile: Profile) -> Iterator[str]:
    channel = "" if profile.channel == "mix" else f", channel {profile.channel}"
    if profile.error is not None:
        yield f"{profile.path}{channel}: no answer: {profile.error}"
        return
    yield f"{profile.path}{channel}, {profile.duration_s:.1f} s"
    for name, one in zip(names_of(profile.answers), profile.answers, strict=True):
        yield f"  {name}: {_said(one)}{_how_sure(one)}{_flagged(one.flags)}"
    if profile.flags:
        yield f"  flags: {', '.join(profile.flags)}"
    if profile.vad:
        yield from _timeline(profile)


def _timeline(profile: Profile) -> Iterator[str]:
    together = "; ".join(map(_said, profile.speech)) or "none found"
    yield f"  speech, {profile.speech_s:.1f} s by {profile.vad}: {together}"
    for one in profile.timeline:
        yield f"    {one.start_s:.1f} to {one.end_s:.1f} s: {'; '.join(map(_said, one.answers))}"


def _said(one: Answer) -> str:
    if one.value is not None:
        return f"{one.value:.1f} {one.unit}".rstrip()
    ordered = sorted(one.probabilities.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{label} {share:.0%}".replace("%", " %") for label, share in ordered)


def _how_sure(one: Answer) -> str:
    """Over new speakers like those of training; elsewhere the share is smaller."""
    of_whom = f"({100 * LEVEL:.0f} % of new speakers like those of training)"
    if one.interval is not None:
        return f"; between {one.interval.low:.1f} and {one.interval.high:.1f} {of_whom}"
    return f"; not ruled out: {', '.join(one.label_set)} {of_whom}" if one.label_set else ""


def _flagged(flags: tuple[str, ...]) -> str:
    return f" ({', '.join(flags)})" if flags else ""
