"""An audformat database: a file-wise and a segmented table, speakers in a table of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.miniatures.facts import Facts, Odd, copy, record, remove


def build(folder: Path) -> Path:
    """One file to train on, two segments to test on."""
    audformat = pytest.importorskip("audformat")
    record(folder, "a.wav", "b.wav")
    db = audformat.Database("mini", languages=["de"])
    db.schemes["emotion"] = audformat.Scheme(labels=["anger", "sadness"])
    db["speakers"] = audformat.MiscTable(pd.Index(["s1", "s2"], name="speaker", dtype="string"))
    for name, values in (("age", [30, 40]), ("gender", ["male", "female"])):
        db["speakers"][name] = audformat.Column()
        db["speakers"][name].set(values)
    db.schemes["speaker"] = audformat.Scheme("str", labels="speakers")
    whole = audformat.filewise_index(["a.wav"])
    parts = audformat.segmented_index(["b.wav", "b.wav"], ["0s", "0.1s"], ["0.1s", pd.NaT])
    for split, index, speaker in (("train", whole, "s1"), ("test", parts, "s2")):
        db.splits[split] = audformat.Split(split)
        table = db[f"emotion.{split}"] = audformat.Table(index, split_id=split)
        for name, value in (("emotion", "anger"), ("speaker", speaker)):
            table[name] = audformat.Column(scheme_id=name)
            table[name].set([value] * len(index))
    db.save(str(folder), storage_format="csv")
    return folder


FACTS = Facts(
    rows=3,
    row={
        "utt_id": "mini/b#1600--1",
        "speaker_id": "mini/s2",
        "split": "test",
        "gender": "female",
        "age_years": 40.0,
        "emotion": "angry",
    },
    odd={
        "stray": Odd(copy("a.wav", "c.wav")),
        "no recording": Odd(remove("b.wav"), "the sample rate of b.wav is needed"),
        "no database": Odd(remove("db.yaml"), "no db.yaml there"),
    },
)
