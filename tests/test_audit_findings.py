"""What an audit finds in tables whose faults were planted, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association as scipy_association

from profiling.audit.association import associate, cramers_v
from profiling.audit.duplicates import duplicates
from profiling.audit.enough import enough_speakers
from profiling.audit.finding import Finding
from profiling.audit.labelled import ages, confounding, contradictions, dominance, missing
from profiling.audit.listening import Heard
from profiling.audit.overlap import namesakes, shared_speakers, shared_texts
from profiling.audit.recorded import conditions, unusable
from profiling.audit.rows import pool, with_measures
from profiling.audit.signal import Measures
from profiling.audit.voices import adults, pitch_against_gender
from profiling.corpora.manifest import conform

EMOTIONS = ("angry", "happy", "neutral", "sad")


def manifest(corpus: str, speakers: int, each: int = 8, **columns: Sequence[Any]) -> pd.DataFrame:
    """Every speaker says every text in every emotion as far as ``each`` reaches; columns may be given."""
    rows = [(s, i) for s in range(speakers) for i in range(each)]
    table = {
        "utt_id": [f"{corpus}/{s}_{i}" for s, i in rows],
        "path": [f"/{corpus}/{s}/{i}.wav" for s, i in rows],
        "speaker_id": [f"{corpus}/{s}" for s, _ in rows],
        "corpus": [corpus] * len(rows),
        "gender": [("female", "male")[s % 2] for s, _ in rows],
        "age_years": [20.0 + 3 * s for s, _ in rows],
        "emotion": [EMOTIONS[i % 4] for _, i in rows],
        "text_id": [f"t{i // 4}" for _, i in rows],
    }
    return conform(pd.DataFrame({**table, **columns}))


def heard(rows: pd.DataFrame, **changed: Sequence[Any]) -> pd.DataFrame:
    """The rows with plain measures, every recording its own content; given measures replace them."""
    plain = {
        "duration_s": 2.0, "sample_rate_hz": 16_000, "channels": 1, "peak_dbfs": -3.0, "level_dbfs": -25.0,
        "clipped_share": 0.0, "silence_share": 0.2, "edge_silence_s": 0.1, "bandwidth_hz": 7500.0,
        "voiced_frames": 60, "f0_hz": 150.0, "f0_low_hz": 140.0, "f0_high_hz": 160.0,
    }  # fmt: skip
    measures = []
    for row in range(len(rows)):
        own = {name: values[row] for name, values in changed.items() if name != "bytes"}
        measures.append(Measures(**{"decoded_sha256": f"d{row}", **plain, **own}))
    sha256 = list(changed.get("bytes", [f"b{row}" for row in range(len(rows))]))
    return with_measures(rows, Heard(sha256, measures))


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_balanced_tables_without_faults_say_nothing() -> None:
    rows = heard(pool(manifest("a", 24), manifest("b", 24)))
    for check in (
        duplicates,
        shared_speakers,
        contradictions,
        confounding,
        missing,
        dominance,
        conditions,
        unusable,
    ):
        assert check(rows) == [], check.__name__
    assert enough_speakers(rows) == []


def test_a_copy_in_train_and_heldout_is_an_error_and_names_both() -> None:
    rows = pool(manifest("a", 3), manifest("b", 3))
    contents = [f"d{i}" for i in range(len(rows))]
    contents[30] = contents[5]
    found = only(duplicates(heard(rows, decoded_sha256=contents)))
    assert (found.severity, found.evidence["kind"]) == ("error", "across parts")
    assert set(found.subjects) == {"a/0_5", "b/0_6"}
    assert "0 with the same bytes, 1 re-encoded" in found.message


@pytest.mark.parametrize(
    ("changed", "kind", "severity"),
    [
        ({}, "within a part", "warning"),
        ({"emotion": "sad"}, "other labels", "error"),
        ({"age_years": 60.0}, "other labels", "error"),
        ({"speaker_id": "a/2"}, "two speakers", "error"),
        ({"split": "test"}, "across parts", "error"),
    ],
)
def test_copies_within_a_corpus_by_what_differs(changed: dict[str, Any], kind: str, severity: str) -> None:
    table = manifest("a", 3).assign(split="train")
    copy = table.iloc[[0]].assign(utt_id="a/copy", path="/a/copy.wav", **changed)
    rows = pool(pd.concat([table, copy], ignore_index=True), None)
    contents = [f"d{i}" for i in range(len(table))] + ["d0"]
    found = only(duplicates(heard(rows, decoded_sha256=contents, bytes=contents)))
    assert (found.evidence["kind"], found.severity) == (kind, severity)
    assert "1 with the same bytes" in found.message


def test_spans_of_one_file_are_no_copies_unless_they_are_the_same_span() -> None:
    table = manifest("a", 1, 3).assign(
        path="/a/long.wav", start_sample=[0, 100, 100], end_sample=[100, 200, 200]
    )
    silent = with_measures(pool(table, None), Heard(["b"] * 3, [None] * 3))
    assert set(only(duplicates(silent)).subjects) == {"a/0_1", "a/0_2"}


def test_a_speaker_in_two_splits_and_one_in_train_and_heldout_are_errors() -> None:
    table = manifest("a", 4, 4).assign(split=["train"] * 10 + ["test"] * 6)
    found = only(shared_speakers(heard(pool(table, None))))
    assert (found.severity, found.subjects) == ("error", ("a/2",))
    both = shared_speakers(heard(pool(manifest("a", 3), manifest("a", 2))))
    assert only(both).subjects == ("a/0", "a/1")


def test_namesakes_are_judged_by_folder_gender_and_age() -> None:
    train, heldout = manifest("a", 2), manifest("b", 2)
    assert only(namesakes(pool(train, heldout))).severity == "warning"
    assert only(namesakes(pool(train, heldout.assign(path=train["path"])))).severity == "error"
    assert only(namesakes(pool(train, heldout.assign(age_years=80.0)))).severity == "note"
    renamed = heldout.assign(speaker_id=heldout["speaker_id"] + "x")
    assert namesakes(pool(train, renamed)) == []


def test_texts_of_the_test_part_that_are_in_train_are_counted() -> None:
    table = manifest("a", 4).assign(split=["train"] * 16 + ["test"] * 16)
    found = only(shared_texts(pool(table, None)))
    assert (found.severity, found.evidence["share"]) == ("warning", 1.0)
    apart = table.assign(text_id=np.where(table["split"] == "test", "new", table["text_id"]))
    assert shared_texts(pool(apart, None)) == []
    assert only(shared_texts(pool(manifest("a", 4), None))).severity == "note"


def test_cramers_v_is_scipys() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 4, 300), random.integers(0, 3, 300)
    b[:150] = a[:150] % 3
    table = pd.crosstab(a, b).to_numpy()
    assert cramers_v(a, b) == pytest.approx(scipy_association(table, method="cramer"), rel=1e-12)


def test_chance_is_what_many_categories_and_few_rows_give() -> None:
    random = np.random.default_rng(1)
    first, second = random.integers(0, 5, 60), random.integers(0, 20, 60)
    found = associate(first.tolist(), second.tolist())
    assert found is not None
    assert found.chance > 0.4, "20 speakers with 3 rows each: a large V by chance alone"
    assert not found.beyond_chance
    assert associate([1, 1], [1, 2]) is None


def test_a_label_of_the_speaker_is_permuted_over_speakers() -> None:
    """4 speakers, each with a text of their own: over rows that is striking, over speakers chance."""
    speaker = np.repeat(np.arange(4), 30)
    gender, text = speaker % 2, speaker
    by_row = associate(gender.tolist(), text.tolist())
    by_speaker = associate(gender.tolist(), text.tolist(), speaker.tolist())
    assert by_row is not None
    assert by_speaker is not None
    assert by_row.beyond_chance
    assert not by_speaker.beyond_chance
    assert by_speaker.units == 4


def test_emotion_told_by_the_text_is_a_warning_and_by_the_microphone_too() -> None:
    table = manifest("a", 8, 16)
    table["text_id"] = table["emotion"] + "-text"
    found = {f.evidence["with"]: f for f in confounding(heard(pool(table, None)))}
    assert set(found) == {"text"}
    assert (found["text"].severity, found["text"].evidence["v"]) == ("warning", 1.0)
    rates = [8_000 if e == "sad" else 16_000 for e in table["emotion"]]
    other = {f.evidence["with"] for f in confounding(heard(pool(table, None), sample_rate_hz=rates))}
    assert other == {"text", "recording condition"}


def test_contradictions_missing_values_and_dominance() -> None:
    table = manifest("a", 3).assign(gender=["female", "male"] * 12)
    assert only(contradictions(pool(table, None))).subjects == ("a/0", "a/1", "a/2")
    gaps = manifest("a", 3)
    gaps.loc[:3, "emotion"], gaps.loc[5:6, "speaker_id"] = None, None
    said = {f.message.split(" have ")[1].split(":")[0] for f in missing(pool(gaps, None))}
    assert said == {"no emotion", "no speaker"}
    lonely = manifest("a", 5).iloc[:10].assign(speaker_id=["a/0"] * 8 + ["a/1", "a/2"])
    assert only(dominance(pool(lonely, None))).subjects == ("a/0",)


def test_few_speakers_and_rare_classes_are_said() -> None:
    heldout = enough_speakers(pool(None, manifest("b", 4)))
    assert (heldout[0].severity, heldout[0].evidence["speakers"]) == ("warning", 4)
    rare = manifest("a", 25).assign(split="train")
    rare["emotion"] = np.where((rare["speaker_id"] == "a/3") & (rare["emotion"] == "sad"), "sad", "neutral")
    assert {"sad": 1}.items() <= only(enough_speakers(pool(rare, None))).evidence.items()


def test_child_or_adult_and_one_age_are_noted() -> None:
    table = manifest("a", 10, 2)
    table["age_years"] = np.repeat([8.0, 9, 10, 21, 21, 22, 22, 23, 23, 24], 2)
    said = " ".join(f.message for f in ages(heard(pool(table, None))))
    assert "30 % of 10 speakers are below 16" in said
    assert "100 % of the 7 adult speakers are 21 to 30" in said


def test_faulty_recordings_are_counted_with_their_share() -> None:
    rows = pool(manifest("a", 5), None)
    clipped = [0.01 if i < 8 else 0.0 for i in range(40)]
    narrow = [3900.0 if i == 3 else 7500.0 for i in range(40)]
    found = {
        f.evidence["share"]: f for f in conditions(heard(rows, clipped_share=clipped, bandwidth_hz=narrow))
    }
    assert found[0.2].severity == "warning"
    assert "clipped" in found[0.2].message
    assert found[1 / 40].subjects == ("a/0_3",)
    assert "telephone band" in found[1 / 40].message


def voices(children: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """20 women at 210 Hz, 20 men at 120 Hz, each 2 semitones apart; the sixth man has a woman's pitch."""
    table = manifest("a", 40, 4).assign(age_years=10.0 if children else 30.0)
    spread = np.random.default_rng(0).normal(0, 2, 40)
    base = np.where(np.arange(40) % 2 == 0, 210.0, 120.0)
    base[11] = 215.0
    spread[11] = 0.0
    return table, np.repeat(base * 2 ** (spread / 12), 4)


def test_a_man_with_a_womans_pitch_is_found_and_nobody_else() -> None:
    table, pitch = voices(children=False)
    rows = heard(pool(table, None), f0_hz=pitch)
    (found,) = [f for f in pitch_against_gender(rows) if f.severity == "warning"]
    assert found.subjects == ("a/11",)
    assert not found.evidence["reference"]["male"]["published"]
    people = adults(rows).set_index("speaker_id")
    assert people.loc["a/11", "ratio"] > 100


def test_childrens_pitch_says_nothing() -> None:
    table, pitch = voices(children=True)
    (found,) = pitch_against_gender(heard(pool(table, None), f0_hz=pitch))
    assert found.severity == "note"
    assert "40 children" in found.message


def test_with_few_adults_published_averages_are_the_reference_and_it_says_so() -> None:
    table = manifest("a", 4, 4).assign(age_years=30.0)
    pitch = np.repeat([205.0, 120.0, 105.0, 115.0], 4)
    found = pitch_against_gender(heard(pool(table, None), f0_hz=pitch))
    assert [f.subjects for f in found if f.severity == "warning"] == [("a/2",)]
    assert "published averages" in found[0].message


def test_recordings_that_cannot_be_used_are_errors_above_one_percent(tmp_path: Path) -> None:
    rows = pool(manifest("a", 5), None)
    broken = with_measures(rows, Heard([None] * 40, [None] * 40, failed={3: "open: no such file"}))
    found = only(unusable(broken))
    assert (found.severity, found.subjects) == ("error", ("a/0_3",))
