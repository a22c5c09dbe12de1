"""Vocabularies and strict maps."""

from __future__ import annotations

import pytest

from profiling.errors import LabelError
from profiling.labels import (
    EMOTION_ALIASES,
    EMOTION_SCHEMES,
    EMOTIONS,
    GENDER_ALIASES,
    GENDERS,
    map_labels,
    parse_ages,
    strict_map,
)

GENDER = strict_map(GENDERS, GENDER_ALIASES)
EMOTION = strict_map(EMOTIONS, EMOTION_ALIASES)


@pytest.mark.parametrize(
    ("written", "word"),
    [("f", "female"), ("F", "female"), ("Female", "female"), ("w", "female"), ("weiblich", "female"),
     ("M", "male"), ("Männlich", "male"), ("child", "child"), (" m ", "male")],
)  # fmt: skip
def test_common_spellings_of_gender(written: str, word: str) -> None:
    assert map_labels([written], GENDER, what="gender").values == [word]


@pytest.mark.parametrize(
    ("written", "word"), [("anger", "angry"), ("Happiness", "happy"), ("JOY", "happy"), ("neu", "neutral")]
)
def test_common_spellings_of_emotion(written: str, word: str) -> None:
    assert map_labels([written], EMOTION, what="emotion").values == [word]


def test_missing_stays_missing_and_is_not_dropped() -> None:
    mapped = map_labels([None, "", "NA", "nan", "female"], GENDER, what="gender")
    assert mapped.values == [None, None, None, None, "female"]
    assert mapped.keep == [True] * 5


def test_every_unknown_label_is_counted_with_the_way_out() -> None:
    with pytest.raises(LabelError) as failure:
        map_labels(["unknown", "m", "unknown", "xxx"], GENDER, what="gender of mycorpus")
    message = str(failure.value)
    assert "gender of mycorpus" in message
    assert "'unknown' (2 rows), 'xxx' (1 rows)" in message
    assert "corpus.drop_labels=[unknown,xxx]" in message
    assert "labels: {gender: {unknown:" in message
    assert "female" in message


def test_dropping_is_explicit_counted_and_by_either_name() -> None:
    mapped = map_labels(["xxx", "anger", "sad", "xxx"], EMOTION, what="emotion", drop=["xxx", "angry"])
    assert mapped.keep == [False, False, True, False]
    assert mapped.values == [None, None, "sad", None]
    assert mapped.dropped == {"xxx": 2, "anger": 1}


def test_a_corpus_own_word_wins_over_an_alias_and_is_exact() -> None:
    own = strict_map(EMOTIONS, EMOTION_ALIASES, {"A": "fearful", "anger": "annoyed", "oth": None})
    assert map_labels(["A", "anger", "oth"], own, what="emotion").values == ["fearful", "annoyed", None]
    with pytest.raises(LabelError, match=r"'a' \(1 rows\)"):
        map_labels(["a"], own, what="emotion")


def test_a_map_out_of_the_vocabulary_is_refused() -> None:
    with pytest.raises(LabelError, match="A: furious"):
        strict_map(EMOTIONS, EMOTION_ALIASES, {"A": "furious"})


def test_aliases_are_lower_case_and_lead_into_the_vocabulary() -> None:
    for aliases, vocabulary in ((GENDER_ALIASES, GENDERS), (EMOTION_ALIASES, EMOTIONS)):
        assert set(aliases.values()) <= set(vocabulary)
        assert not set(aliases) & set(vocabulary)
        assert all(key == key.casefold() for key in aliases)


def test_schemes_say_something_about_every_word() -> None:
    for scheme in EMOTION_SCHEMES.values():
        assert set(scheme) == set(EMOTIONS)
    assert {w for w in EMOTION_SCHEMES["superb4"].values() if w} == {"angry", "happy", "neutral", "sad"}
    assert EMOTION_SCHEMES["superb4"]["excited"] == "happy"
    assert EMOTION_SCHEMES["ekman6"]["neutral"] is None
    assert len({w for w in EMOTION_SCHEMES["ekman6"].values() if w}) == 6


def test_ages_are_years() -> None:
    assert parse_ages(["31", " 6.5", None, "", "twenties"], {"twenties": 25}) == [31.0, 6.5, None, None, 25.0]


@pytest.mark.parametrize("wrong", ["0", "-3", "120", "inf", "old", "1985"])
def test_what_is_no_age_is_refused(wrong: str) -> None:
    with pytest.raises(LabelError, match="between 0 and 120") as failure:
        parse_ages([wrong, "30", wrong])
    assert f"'{wrong}' (2 rows)" in str(failure.value)
