"""Does the pitch of an adult's voice fit the gender label? A likelihood ratio for every speaker.

Speakers' median F0 on a semitone scale is close to normal within a gender; medians and robust scales are taken
from the corpora at hand, so mislabelled speakers do not move them. Children are left out: before the voice
breaks, pitch says nothing of gender.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profiling.audit.finding import NOTE, WARNING, Finding
from profiling.audit.rows import speakers

GENDERS = ("female", "male")
MIN_RATIO = 10.0  # the other gender this many times likelier: "strong" evidence, Jeffreys 1961, appendix B
MIN_ADULTS = 8  # of a gender; with fewer their own median is no reference
MIN_VOICED_FRAMES = 100  # 2 s of voice
_SEMITONES = 12.0
_SMALLEST_SD = 2.0  # semitones: no gender's speakers are closer together in a corpus of any size
_MAD_TO_SD = 1.4826  # of a normal distribution
#: Where a corpus has too few adults: mean speaking F0 and its spread over speakers, Traunmüller and Eriksson 1995
#: (The frequency range of the voice fundamental, table of European languages): about 120 and 207 Hz.
_PUBLISHED_HZ = {"female": 207.0, "male": 119.0}
_PUBLISHED_SD = 3.0


@dataclass(frozen=True)
class Reference:
    """How high voices of a gender are: median in Hz, spread over speakers in semitones, and from how many."""

    median_hz: float
    sd_semitones: float
    adults: int
    published: bool


def references(people: pd.DataFrame) -> dict[str, Reference]:
    """Gender -> reference, from the adults at hand or, with fewer than eight of a gender, as published."""
    found = {}
    for gender in GENDERS:
        pitch = _semitones(people["f0_hz"][people["gender"] == gender].to_numpy(dtype=float))
        if len(pitch) < MIN_ADULTS:
            found[gender] = Reference(_PUBLISHED_HZ[gender], _PUBLISHED_SD, len(pitch), published=True)
            continue
        middle = float(np.median(pitch))
        spread = max(_MAD_TO_SD * float(np.median(np.abs(pitch - middle))), _SMALLEST_SD)
        found[gender] = Reference(float(2 ** (middle / _SEMITONES)), spread, len(pitch), published=False)
    return found


def adults(rows: pd.DataFrame) -> pd.DataFrame:
    """Adult speakers with a gender and enough voice, with ``ratio``: how many times likelier the other gender is."""
    everyone = speakers(rows)
    chosen = everyone["gender"].isin(GENDERS) & ~everyone["child"].astype(bool)
    people = everyone[chosen & (everyone["voiced_frames"] >= MIN_VOICED_FRAMES)].reset_index(drop=True)
    reference = references(people)
    pitch = _semitones(people["f0_hz"].to_numpy(dtype=float))
    likelihood = {gender: _log_likelihood(pitch, reference[gender]) for gender in GENDERS}
    labelled_female = (people["gender"] == "female").to_numpy()
    towards_male = likelihood["male"] - likelihood["female"]
    return people.assign(ratio=np.exp(np.where(labelled_female, towards_male, -towards_male).clip(-700, 700)))


def pitch_against_gender(rows: pd.DataFrame) -> list[Finding]:
    """Adults whose pitch is at least ten times likelier for the other gender, the most striking first."""
    people = adults(rows)
    found = _unheard(rows, people)
    reference = references(people)
    for corpus, group in people[people["ratio"] >= MIN_RATIO].groupby("corpus", sort=False):
        listed = group.sort_values("ratio", ascending=False)
        said = ", ".join(
            f"{row.speaker_id} ({row.gender}, {row.f0_hz:.0f} Hz)" for row in list(listed.itertuples())[:10]
        )
        found.append(
            Finding(
                "pitch",
                WARNING,
                (str(corpus),),
                f"{len(listed)} adult speakers have a pitch that speaks against their gender label: {said}",
                tuple(listed["speaker_id"]),
                {
                    "speakers": [_evidence(row) for row in listed.itertuples()],
                    "reference": {gender: vars(found_) for gender, found_ in reference.items()},
                },
                "listen to them; a label is wrong, two speakers were swapped, or the voice is just unusual",
            )
        )
    return found


def _unheard(rows: pd.DataFrame, people: pd.DataFrame) -> list[Finding]:
    """Says of how many speakers nothing can be said."""
    everyone = speakers(rows)
    if not everyone["voiced_frames"].any() or not everyone["gender"].notna().any():
        return []
    children = int(everyone["child"].astype(bool).sum())
    unaged = int((everyone["age_years"].isna() & everyone["gender"].isin(GENDERS)).sum())
    parts = [f"{children} children apart, whose pitch says nothing of gender"] if children else []
    parts += [f"{unaged} speakers without an age taken for adults"] if unaged else []
    if any(found.published for found in references(people).values()):
        parts.append(f"fewer than {MIN_ADULTS} adults of a gender, so published averages are the reference")
    if not parts:
        return []
    message = f"pitch compared with gender for {len(people)} adult speakers; {'; '.join(parts)}"
    return [Finding("pitch", NOTE, tuple(sorted(set(everyone["corpus"]))), message)]


def _evidence(row: object) -> dict[str, object]:
    names = ("speaker_id", "gender", "age_years", "f0_hz", "voiced_frames", "ratio")
    found = {name: getattr(row, name) for name in names}
    return {name: None if value != value else value for name, value in found.items()}


def _semitones(f0_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    semitones: NDArray[np.float64] = _SEMITONES * np.log2(f0_hz)
    return semitones


def _log_likelihood(pitch: NDArray[np.float64], reference: Reference) -> NDArray[np.float64]:
    distance = (pitch - _SEMITONES * np.log2(reference.median_hz)) / reference.sd_semitones
    found: NDArray[np.float64] = -0.5 * np.square(distance) - np.log(reference.sd_semitones)
    return found
