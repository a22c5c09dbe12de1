"""Who speaks and how, for the generated corpus: voice parameters by sex, age and emotion.

Directions come from the literature named beside each number. Where a study gives only a direction, the size
is ours, chosen so that people overlap: these voices prove that a chain works and say nothing about people.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

GENDERS = ("female", "male")
EMOTIONS = ("angry", "happy", "neutral", "sad")
AGES_YEARS = (20, 80)

#: Mean speaking F0 by age. Men: Shipp and Hollien 1972 (120 Hz in the 20s, 107 in the 40s, 146 in the 80s).
#: Women: falls with age (Nishio and Niimi 2008; Stathopoulos, Huber and Sussman 2011).
_F0_HZ = {
    "male": ((25, 120.0), (45, 107.0), (65, 122.0), (85, 146.0)),
    "female": ((25, 215.0), (45, 205.0), (65, 190.0), (85, 180.0)),
}
_F0_SD_SEMITONES = 2.0  # between speakers of a sex
_TRACT_SD = 0.045  # of the formants of speakers of a sex: longer and shorter vocal tracts
_FORMANT_SD = 0.02  # of each formant by itself
#: Formants fall a little with age: the vocal tract lengthens (Linville and Rens 2001).
_FORMANT_FALL = 0.05  # from 20 to 80 years
#: Glottal tilt at 3 kHz: the female source falls more steeply and is breathier (Klatt and Klatt 1990).
_TILT_DB = {"female": 11.0, "male": 7.0}
_BREATH_DB = {"female": -21.0, "male": -24.0}  # aspiration below voicing


@dataclass(frozen=True)
class Speaker:
    """One generated person.

    Attributes:
        speaker: id.
        gender: ``female`` or ``male``.
        age_years: 20 to 80.
        f0_hz: habitual pitch.
        formant_scale: (4,) factors on F1 to F4 of the sex's mean.
        syllables_per_s: habitual rate.
        jitter: standard deviation of a glottal cycle's length, relative.
        shimmer: standard deviation of a glottal cycle's amplitude, relative.
        tilt_db: of the glottal source at 3 kHz, downwards.
        breath_db: aspiration noise relative to voicing.
        level_dbfs: of neutral speech.
        noise_dbfs: of the room.
        expressiveness: factor on what an emotion changes.
    """

    speaker: str
    gender: str
    age_years: int
    f0_hz: float
    formant_scale: Vector
    syllables_per_s: float
    jitter: float
    shimmer: float
    tilt_db: float
    breath_db: float
    level_dbfs: float
    noise_dbfs: float
    expressiveness: float


@dataclass(frozen=True)
class Expression:
    """What an emotion changes, in units that add: semitones, dB, and natural logarithms of factors.

    Attributes:
        f0_semitones: mean pitch.
        log_range: pitch range.
        slope_semitones: rise of the pitch from the first to the last syllable.
        log_rate: syllables per second.
        level_db: loudness.
        tilt_db: spectral tilt of the source (negative: more energy in high frequencies).
        breath_db: aspiration.
        log_jitter: irregularity.
        log_f1: first formant (loud speech opens the jaw).
        log_formants: all formants (smiling shortens the tract, Tartter 1980).
    """

    f0_semitones: float = 0.0
    log_range: float = 0.0
    slope_semitones: float = 0.0
    log_rate: float = 0.0
    level_db: float = 0.0
    tilt_db: float = 0.0
    breath_db: float = 0.0
    log_jitter: float = 0.0
    log_f1: float = 0.0
    log_formants: float = 0.0


#: Directions: Banse and Scherer 1996, table 6; Juslin and Laukka 2003, table 7.
EXPRESSIONS = {
    "angry": Expression(4.0, 0.45, -1.0, 0.10, 7.0, -5.0, -3.0, 0.25, 0.08, 0.0),
    "happy": Expression(4.0, 0.55, 2.5, 0.08, 4.0, -2.5, 0.0, 0.0, 0.02, 0.03),
    "neutral": Expression(),
    "sad": Expression(-1.0, -0.50, -1.5, -0.20, -5.0, 4.0, 3.0, 0.15, -0.03, 0.0),
}
#: Standard deviations between utterances of one speaker in one emotion.
_UTTERANCE_SD = Expression(1.0, 0.20, 1.5, 0.08, 1.5, 1.5, 1.5, 0.15, 0.02, 0.01)
_NEUTRAL_RANGE_SEMITONES = 2.2  # standard deviation of F0 in reading: 2 to 3 (Traunmueller and Eriksson 1995)


@dataclass(frozen=True)
class Delivery:
    """How one utterance is spoken: what the synthesiser needs, in physical units.

    Attributes:
        f0_hz: mean pitch.
        range_semitones: standard deviation of the pitch.
        slope_semitones: rise of the pitch over the utterance.
        syllables_per_s: rate.
        jitter: relative standard deviation of cycle lengths.
        shimmer: relative standard deviation of cycle amplitudes.
        tilt_db: of the source at 3 kHz, downwards, at least 0.
        breath_db: aspiration relative to voicing.
        level_dbfs: root mean square while speaking.
        noise_dbfs: of the room.
        formant_scale: (4,) factors on F1 to F4 of the sex's mean.
        gender: whose mean.
    """

    f0_hz: float
    range_semitones: float
    slope_semitones: float
    syllables_per_s: float
    jitter: float
    shimmer: float
    tilt_db: float
    breath_db: float
    level_dbfs: float
    noise_dbfs: float
    formant_scale: Vector
    gender: str

    def at_rate(self, syllables_per_s: float) -> Delivery:
        """The same, faster or slower."""
        return replace(self, syllables_per_s=syllables_per_s)


def draw_speaker(speaker: str, gender: str, age_years: int, rng: np.random.Generator) -> Speaker:
    """Draws a person of this sex and age; every trait varies around its mean."""
    aged = (age_years - AGES_YEARS[0]) / (AGES_YEARS[1] - AGES_YEARS[0])  # 0 at 20, 1 at 80
    knots_years, knots_hz = zip(*_F0_HZ[gender], strict=True)
    mean_f0_hz = float(np.interp(age_years, knots_years, knots_hz))
    tract = rng.normal(-_FORMANT_FALL * aged, _TRACT_SD)
    return Speaker(
        speaker=speaker,
        gender=gender,
        age_years=age_years,
        f0_hz=mean_f0_hz * 2 ** (rng.normal(0, _F0_SD_SEMITONES) / 12),
        formant_scale=np.exp(tract + rng.normal(0, _FORMANT_SD, 4)),
        # The oldest read 50 % longer, mostly in pauses (Shipp and Hollien 1972)
        syllables_per_s=4.6 * np.exp(-0.25 * aged + rng.normal(0, 0.10)),
        # Irregularity and noise grow with age, unevenly (Linville 1996; Stathopoulos et al. 2011)
        jitter=0.006 * np.exp(0.9 * aged + rng.normal(0, 0.30)),
        shimmer=0.030 * np.exp(0.8 * aged + rng.normal(0, 0.30)),
        tilt_db=_TILT_DB[gender] + rng.normal(0, 2.5),
        breath_db=_BREATH_DB[gender] + 8.0 * aged + rng.normal(0, 2.5),
        level_dbfs=rng.normal(-27.0, 2.5),
        noise_dbfs=rng.normal(-68.0, 3.0),
        expressiveness=float(np.exp(rng.normal(-0.1, 0.35))),
    )


def draw_delivery(person: Speaker, emotion: str, rng: np.random.Generator) -> Delivery:
    """Draws how this person says one utterance in this emotion."""
    change = _draw_change(EXPRESSIONS[emotion], person.expressiveness, rng)
    formants = person.formant_scale * np.exp(change.log_formants)
    formants[0] *= np.exp(change.log_f1)
    return Delivery(
        f0_hz=person.f0_hz * 2 ** (change.f0_semitones / 12),
        range_semitones=_NEUTRAL_RANGE_SEMITONES * np.exp(change.log_range),
        slope_semitones=change.slope_semitones - 2.0,  # pitch declines in a statement
        syllables_per_s=person.syllables_per_s * np.exp(change.log_rate),
        jitter=person.jitter * np.exp(change.log_jitter),
        shimmer=person.shimmer * np.exp(change.log_jitter),
        tilt_db=max(0.0, person.tilt_db + change.tilt_db),
        breath_db=person.breath_db + change.breath_db,
        level_dbfs=person.level_dbfs + change.level_db,
        noise_dbfs=person.noise_dbfs,
        formant_scale=formants,
        gender=person.gender,
    )


def _draw_change(mean: Expression, strength: float, rng: np.random.Generator) -> Expression:
    names = [field.name for field in fields(Expression)]
    drawn = strength * np.exp(rng.normal(0, 0.2))
    noise = rng.standard_normal(len(names))
    changes = {
        name: drawn * getattr(mean, name) + draw * getattr(_UTTERANCE_SD, name)
        for name, draw in zip(names, noise, strict=True)
    }
    return Expression(**changes)
