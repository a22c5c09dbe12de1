"""The acceptance of prediction on real speech: a folder of another corpus is answered as ``evaluate`` scores it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.trained import call

pytestmark = pytest.mark.data

#: Every so-manieth recording: 75 of nEMO to train on, 43 of EmoDB to answer on; about 25 s of one core.
_EVERY = {"nemo": 8, "emodb": 8}


def part(speech: Path, corpus: str, folder: Path) -> Path:
    """The manifest of every so-manieth recording of a corpus, beside a folder of links to them."""
    wav = folder / corpus / "wav"
    wav.mkdir(parents=True)
    with (speech / corpus / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:: _EVERY[corpus]]
    for row in rows:
        link = wav / Path(row["path"]).name
        link.symlink_to(speech / corpus / row["path"])
        row["path"] = str(link.relative_to(folder / corpus))
    with (folder / corpus / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / corpus / "manifest.csv"


def scored(result: Path) -> pd.DataFrame:
    """What ``evaluate`` wrote of each recording, by the name of its file."""
    table = pd.read_parquet(result / "predictions.parquet").query("part == 'heldout'")
    return table.set_index(table["utt_id"].str.rpartition("/")[2])


def test_a_folder_of_another_corpus_is_answered_as_evaluate_scores_it(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gender by the probe and age by a linear head, trained on nEMO with the mini network, on EmoDB."""
    paths = [f"paths.{name}={tmp_path / name}" for name in ("features", "runs", "cache")]
    monkeypatch.setenv("PROFILING_CACHE", str(tmp_path / "cache"))
    heads = {"gender": "probe", "age": "linear"}
    nemo, emodb = (part(speech, corpus, tmp_path) for corpus in _EVERY)
    for task, head in heads.items():
        said = call(
            "train", f"task={task}", f"head={head}", "backbone=native_mini", "features.layers=embedding",
            "split.kind=random", "trainer.max_epochs=5", f"corpus.train=[csv:{nemo}]", *paths,
            f"hydra.run.dir={tmp_path / task}",
        )  # fmt: skip
        assert said.code == 0, said.err
        said = call("evaluate", str(tmp_path / task), f"corpus.heldout=[csv:{emodb}]", *paths,
                    "--out", str(tmp_path / f"scored_{task}"))  # fmt: skip
        assert said.code == 0, said.err
    models = [word for task in heads for word in ("--model", str(tmp_path / task))]
    out = tmp_path / "answers.parquet"
    said = call("predict", *models, str(emodb.parent / "wav"), "--cache", "off", "--out", str(out))
    assert said.code == 0, said.err
    answers = pd.read_parquet(out)
    answers = answers.set_index(answers["path"].map(lambda path: Path(path).stem))
    assert len(answers) == 43
    assert not answers["error"].any()
    genders, ages = scored(tmp_path / "scored_gender"), scored(tmp_path / "scored_age")
    assert set(genders.index) == set(ages.index) == set(answers.index)
    genders, ages = genders.loc[answers.index], ages.loc[answers.index]
    for label in ("female", "male"):
        np.testing.assert_allclose(answers[f"gender_p_{label}"], genders[f"p_{label}"], rtol=0, atol=1e-5)
    assert list(answers["gender"]) == list(genders["predicted"])
    assert (genders["predicted"] == genders["label"]).mean() > 0.7, "these heads know something"
    np.testing.assert_allclose(answers["age"], ages["predicted"].astype(float), rtol=1e-5)
