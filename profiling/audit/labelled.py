"""Labels: who has which, whether they contradict themselves, and what they go together with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pandas as pd

from profiling.audit.association import Association, associate
from profiling.audit.finding import ERROR, NOTE, WARNING, Finding
from profiling.audit.rows import ADULT_FROM_YEARS, NARROW_HZ, TRAIN, speakers

_WORTH_A_NOTE, _WORTH_A_WARNING = 0.1, 0.5  # Cramér's V beyond chance; Cohen 1988 calls 0.1 small, 0.5 large
_ONE_VOICE = 0.5  # of a corpus's rows by one speaker
_AGE_SPAN_YEARS = 10.0  # of one speaker
_BAND_YEARS, _BAND_SHARE = 10.0, 0.7  # this share of the adults within so few years
_BOTH_AGES = 0.1  # children and adults each at least this share of the speakers


def contradictions(rows: pd.DataFrame) -> list[Finding]:
    """A speaker of two genders, or whose age spans more years than a corpus is recorded in."""
    found = []
    for corpus, group in rows[rows["speaker_id"].notna()].groupby("corpus", sort=False):
        by_speaker = group.groupby("speaker_id")
        genders = by_speaker["gender"].nunique()
        two = tuple(str(name) for name in genders.index[genders > 1])
        if two:
            message = f"{len(two)} speakers have two genders in their rows"
            found.append(Finding("labels", ERROR, (str(corpus),), message, two, {}, "mend the labels"))
        span = by_speaker["age_years"].max() - by_speaker["age_years"].min()
        wide = tuple(str(name) for name in span.index[span > _AGE_SPAN_YEARS])
        if wide:
            message = f"{len(wide)} speakers age by more than {_AGE_SPAN_YEARS:g} years between their rows"
            found.append(
                Finding(
                    "labels", WARNING, (str(corpus),), message, wide, {}, "check the ages, or the speaker ids"
                )
            )
    return found


def missing(rows: pd.DataFrame) -> list[Finding]:
    """Speakers, or labels of some rows, that are not there."""
    found = []
    for (corpus, role), group in rows.groupby(["corpus", "role"], sort=False):
        without = int(group["speaker_id"].isna().sum())
        if without:
            severity = WARNING if role == TRAIN else NOTE
            message = f"{without} of {len(group)} rows have no speaker: they cannot be kept apart, nor give intervals"
            found.append(Finding("labels", severity, (str(corpus),), message, way_out="add a speaker column"))
        for column in ("emotion", "gender", "age_years"):
            absent = int(group[column].isna().sum())
            if 0 < absent < len(group):
                message = f"{absent} of {len(group)} rows have no {column}: they are left out of its task"
                found.append(Finding("labels", NOTE, (str(corpus),), message))
    return found


def dominance(rows: pd.DataFrame) -> list[Finding]:
    """One speaker who is most of a corpus."""
    found = []
    for corpus, group in rows.groupby("corpus", sort=False):
        share = group["speaker_id"].value_counts(normalize=True)
        if len(share) > 1 and share.iloc[0] > _ONE_VOICE:
            who = str(share.index[0])
            message = f"{100 * share.iloc[0]:.0f} % of the rows are of one speaker, {who}"
            found.append(Finding("labels", WARNING, (str(corpus),), message, (who,)))
    return found


def ages(rows: pd.DataFrame) -> list[Finding]:
    """An age that is mostly child or adult, or adults who are nearly all of one age."""
    found = []
    for corpus, group in speakers(rows).groupby("corpus", sort=False):
        aged = group[group["age_years"].notna()]
        if len(aged) < 2:
            continue
        children = float((aged["age_years"] < ADULT_FROM_YEARS).mean())
        if _BOTH_AGES <= children <= 1 - _BOTH_AGES:
            message = (
                f"{100 * children:.0f} % of {len(aged)} speakers are below {ADULT_FROM_YEARS:g}: age is largely "
                "child or adult, so read the skill over a constant by age band"
            )
            found.append(Finding("ages", NOTE, (str(corpus),), message, evidence={"children": children}))
        found += _narrow_ages(str(corpus), aged[aged["age_years"] >= ADULT_FROM_YEARS]["age_years"])
    return found


def _narrow_ages(corpus: str, adults: pd.Series) -> list[Finding]:
    if len(adults) < 2:
        return []
    shares = {low: float(adults.between(low, low + _BAND_YEARS, inclusive="left").mean()) for low in adults}
    low = max(shares, key=lambda age: shares[age])
    if shares[low] < _BAND_SHARE:
        return []
    message = (
        f"{100 * shares[low]:.0f} % of the {len(adults)} adult speakers are {low:g} to {low + _BAND_YEARS - 1:g}: "
        "a constant answer is hard to beat, and other ages are hardly learned"
    )
    return [Finding("ages", NOTE, (corpus,), message, evidence={"from_years": low, "share": shares[low]})]


def confounding(rows: pd.DataFrame) -> list[Finding]:
    """Labels that go with a speaker, a text, a gender, a recording condition or, pooled, a corpus."""
    found = []
    for corpus, what, other, association in associations(rows):
        severity = _severity(association, what, other)
        if severity is not None:
            found.append(
                Finding(
                    "confounding",
                    severity,
                    (corpus,),
                    f"{what} goes with {other}: Cramér's V {association.v:.2f}, by chance {association.chance:.2f} "
                    f"(99 % below {association.chance_99:.2f}; {association.rows} rows)",
                    evidence={"label": what, "with": other, **asdict(association)},
                    way_out=_WAYS_OUT[other],
                )
            )
    return found


_WAYS_OUT = {
    "speaker": "a head may learn who speaks; judge it on other speakers, and look at each class's speakers",
    "text": "a head may learn what is said; split.group=text, or judge it on other texts",
    "gender": "report by gender; balance the speakers",
    "recording condition": "a head may learn the microphone; judge it on a corpus recorded otherwise",
    "corpus": "a head may learn the corpus; judge it on a corpus that was not pooled",
}


def _severity(association: Association, what: str, other: str) -> str | None:
    beyond = association.v - association.chance
    if not association.beyond_chance or beyond < _WORTH_A_NOTE:
        return None
    return WARNING if beyond >= _WORTH_A_WARNING else NOTE


def associations(rows: pd.DataFrame) -> Iterator[tuple[str, str, str, Association]]:
    """(corpus, label, what it may go with, how strongly); pairs that cannot be told are left out."""
    rows = rows.assign(condition=_condition(rows))
    for corpus, group in rows.groupby("corpus", sort=False):
        yield from _pairs(str(corpus), group)
    pooled = rows[rows["role"] == TRAIN]
    if pooled["corpus"].nunique() > 1:
        yield from _pair("all training corpora", pooled, ("emotion", "emotion"), ("corpus", "corpus"))
        yield from _pair("all training corpora", pooled, ("gender", "gender"), ("corpus", "corpus"))


def _pairs(corpus: str, group: pd.DataFrame) -> Iterator[tuple[str, str, str, Association]]:
    columns = {
        "speaker": "speaker_id",
        "text": "text_id",
        "gender": "gender",
        "recording condition": "condition",
    }
    for other in columns.items():
        yield from _pair(corpus, group, ("emotion", "emotion"), other)
    for name in ("text", "recording condition"):
        yield from _pair(corpus, group, ("gender", "gender"), (name, columns[name]))


def _pair(
    corpus: str, group: pd.DataFrame, what: tuple[str, str], other: tuple[str, str]
) -> Iterator[tuple[str, str, str, Association]]:
    """Gender belongs to a speaker, so it is permuted over speakers."""
    unit = group["speaker_id"].fillna(group["utt_id"]) if what[0] == "gender" else None
    found = associate(list(group[what[1]]), list(group[other[1]]), None if unit is None else list(unit))
    if found is not None:
        yield corpus, what[0], other[0], found


def _condition(rows: pd.DataFrame) -> pd.Series:
    """File's rate, channels, and whether it reaches above 4 kHz; missing where nobody listened."""
    narrow = (rows["bandwidth_hz"] < NARROW_HZ).map({True: "narrow", False: "wide"})
    text = rows["sample_rate_hz"].astype(str) + "/" + rows["channels"].astype(str) + "/" + narrow
    return text.where(rows["sample_rate_hz"].notna(), None)
