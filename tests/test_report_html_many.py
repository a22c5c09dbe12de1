"""The HTML report of a sweep, of a matrix, and of everything a run may leave beside its scores."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profiling.evaluation.result import Result
from profiling.provenance import read_json, write_json
from profiling.report.pages import write_report
from tests.test_report import LABELS, classified, result
from tests.test_report_html import Read


def predictions(seed: int = 0) -> pd.DataFrame:
    truth, scores, who = classified(180, 9, seed)
    shares = scores / scores.sum(1, keepdims=True)
    table = pd.DataFrame({f"p_{label}": shares[:, i] for i, label in enumerate(LABELS)})
    answered = [LABELS[i] for i in shares.argmax(1)]
    return table.assign(
        utt_id=[f"n/{i}" for i in range(180)], speaker_id=who, part="test", corpus="nemo", label=truth,
        predicted=answered, gender="female", age_years=30.0, duration_s=1.5,
    )  # fmt: skip


def run_at(folder: Path, **changed: object) -> Result:
    found = result(**changed)
    write_json(folder / "metrics.json", found)
    predictions().to_parquet(folder / "predictions.parquet", index=False)
    return found


def group(
    name: str, value: float | None, speakers: int, low: float | None = None, high: float | None = None
) -> dict[str, object]:
    note = None if low is not None else "small group: 2 speakers, 5 needed for an interval"
    return {
        "grouping": "sex", "group": name, "metric": "uar", "value": value, "low": low, "high": high, "reason": None,
        "n": 20, "speakers": speakers, "note": note,
    }  # fmt: skip


def studied(folder: Path) -> Path:
    """A run with everything that may stand beside its scores."""
    run_at(folder)
    gap = {
        "grouping": "sex", "metric": "uar", "groups": 2, "gap": 0.2, "best": "female", "worst": "male",
        "random_median": 0.1, "random_95": 0.3, "p_value": 0.4, "note": "not told apart",
    }  # fmt: skip
    groups = {"groups": [group("female", 0.7, 6, 0.6, 0.8), group("male", 0.5, 2)], "gaps": [gap]}
    write_json(folder / "groups.json", {"parts": {"test": groups}})
    bins = [{"low": 0.4, "high": 0.5, "n": 50, "confidence": 0.45, "accuracy": 0.4}]
    few = [{"low": 0.9, "high": 1.0, "n": 1, "confidence": 0.99, "accuracy": 0.0}]
    state = {"ece": 0.123, "nll": 1.0, "brier": 0.6, "reliability": bins + few}
    covered = {"value": 0.85, "low": 0.7, "high": 0.95, "reason": None, "speakers": 9}
    part = {
        "n": 180, "speakers": 9, "before": state, "after": None,
        "conformal": [{"level": 0.9, "coverage": covered, "mean_size": 1.7, "singletons": 0.4, "reason": None}],
        "risk_coverage": {"aurc": 0.3, "reason": None, "curve": [
            {"coverage": 0.5, "risk": 0.2}, {"coverage": 1.0, "risk": 0.4}]},
    }  # fmt: skip
    fitted = {"part": "test", "corpora": ["nemo"], "protocol": "loso"}
    temperature = {"value": None, "speakers": 4, "utterances": 9, "reason": "4 speakers, 5 needed"}
    section = {"temperature": temperature, "conformal": [], "fitted_on": fitted}
    write_json(folder / "calibration.json", {"calibration": section, "parts": {"test": part}})
    fact = {
        "part": "test", "ours": 0.4, "constant": 0.33, "system": "WavLM", "value": 0.7, "protocol": "sessions",
        "metric": "uar", "source": "a paper", "comparable": False, "because": "another corpus",
    }  # fmt: skip
    write_json(folder / "published.json", [fact])
    curves = "step,train_loss/a,train_loss/b,val_uar/a,val_uar/b\n1,2,3,0.3,0.4\n2,1,,0.5,\n3,0.5,,0.6,\n"
    (folder / "logs" / "csv").mkdir(parents=True)
    (folder / "logs" / "csv" / "metrics.csv").write_text(curves)
    rows = [
        {"steps": steps, "step": "clean" if steps == "clean" else "noise", "severity": severity, "corpus": "emodb",
         "decision": "masked", "metric": "uar", "value": value, "low": None, "high": None, "reason": "few",
         "n": 10, "speakers": 3, "lost": 0}
        for steps, severity, value in (("clean", None, 0.9), ("noise:20", 20.0, 0.8), ("noise:0", 0.0, 0.5))
    ]  # fmt: skip
    write_json(folder / "robustness.json", {"chains": [], "rows": rows})
    return folder


class TestStudies:
    @pytest.fixture
    def page(self, tmp_path: Path) -> Read:
        return Read(write_report([studied(tmp_path)], None))

    def test_groups_say_who_is_small_and_what_chance_gives(self, page: Read, tmp_path: Path) -> None:
        assert "female (6 spk): 0.700 [0.600, 0.800]; male (2 spk): 0.500." in page.text
        assert "small group: 2 speakers" in page.text
        gaps = next(csv.DictReader((tmp_path / "report_files" / "gaps_test.csv").open(encoding="utf-8")))
        assert gaps["beyond chance"] == "no"  # 0.2, where a model without bias reaches 0.3

    def test_calibration_says_what_was_not_fitted(self, page: Read) -> None:
        assert "No temperature: 4 speakers, 5 needed." in page.text
        assert "Expected calibration error (ECE): as trained 0.123." in page.text
        assert "0.85 [0.70, 0.95]" in page.text

    def test_published_numbers_say_whether_they_may_be_compared(self, page: Read) -> None:
        assert "None of these may be read as a comparison" in page.text
        assert "another corpus" in page.text

    def test_a_head_that_stopped_keeps_its_value_in_the_mean(self, page: Read) -> None:
        assert "Training loss from 2.500 to 1.750 over 3 epochs, 2 heads" in page.text
        assert "Validation UAR from 0.350 to 0.500" in page.text

    def test_degradation_is_drawn_by_severity(self, page: Read) -> None:
        assert "emodb: 0.500 at 0, 0.800 at 20" in page.text
        assert "emodb: UAR 0.900 clean, 0.500 at worst (noise:0)." in page.text
        assert (
            "clean: 0.900; noise:20: 0.800; noise:0: 0.500." in page.text
        )  # the words of the picture of all copies

    def test_the_surest_wrong_answers_come_first(self, page: Read, tmp_path: Path) -> None:
        table = list(csv.DictReader((tmp_path / "report_files" / "worst_test.csv").open(encoding="utf-8")))
        found = predictions()
        wrong = found[found["label"] != found["predicted"]]
        sure = np.sort(wrong[[f"p_{label}" for label in LABELS]].to_numpy().max(1))[::-1][:10]
        assert [float(row["with"]) for row in table] == pytest.approx(list(sure), abs=0.0051)
        assert all(row["reference"] != row["answered"] for row in table)
        assert f"Test: {len(wrong)} of 180 wrong" in page.text


def test_players_are_there_only_when_asked_for(tmp_path: Path) -> None:
    run_at(tmp_path)
    recording = tmp_path / "a b.wav"
    recording.touch()
    without = Read(write_report([tmp_path], None))
    assert "audio" not in without.tags
    worst = next(csv.DictReader((tmp_path / "report_files" / "worst_test.csv").open(encoding="utf-8")))[
        "utterance"
    ]
    rows = predictions()[["utt_id"]].assign(path="/absent.wav")
    rows.loc[rows["utt_id"] == worst, "path"] = str(recording)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    players = Read(write_report([tmp_path], None, audio=True))
    assert str(tmp_path) not in without.source
    found = [address for address in players.addresses if address.startswith("file:")]
    assert found == [recording.as_uri()]
    assert "not here" in players.text


def test_a_sweep_shows_winners_and_the_best_at_every_value(tmp_path: Path) -> None:
    run_at(tmp_path / "1", candidates=3)
    write_report([tmp_path / "1"], None)
    board = pd.DataFrame(
        {"task": "emotion", "head": ["mlp", "linear", "mlp"], "head.lr": ["0.1", "0.1", "9"], "score_name": "uar",
         "score": [0.7, 0.6, np.nan], "jobs": 1,
         "status": ["finished", "finished", "diverged"], "runs": ["1", "0", "2"]}
    )  # fmt: skip
    board.to_csv(tmp_path / "leaderboard.csv", index=False)
    winner = {
        "candidates": 3, "cell": {"task": "emotion"}, "jobs_averaged": 1, "runs": ["/elsewhere/1"], "score_name": "uar",
        "validation_score": 0.7,
    }  # fmt: skip
    write_json(
        tmp_path / "selection.json",
        {"by": ["task"], "candidates": 3, "winners": [winner], "without_winner": []},
    )
    page = Read(write_report([tmp_path], None))
    assert "3 candidates were ranked on validation speakers alone" in page.text
    assert "1/report.html" in page.links
    assert "mlp: 0.700; linear: 0.600." in page.text
    assert "diverged" in page.text
    assert "Untrained backbone" in page.text


def layer_sweep(folder: Path) -> Path:
    """Three layers on one corpus, one on another."""
    winners, rows = [], []
    for number, (layer, corpus, score) in enumerate(
        [("gfe_1", "x", 0.5), ("gfe_1|pool", "x", 0.7), ("pool", "x", 0.6), ("gfe_1", "y", 0.4)]
    ):
        run_at(folder / str(number))
        found = read_json(folder / str(number) / "metrics.json")
        for used in found["data"]:
            used["corpus"] = corpus if used["role"] == "train" else used["corpus"]
        write_json(folder / str(number) / "metrics.json", found)
        cell = {"task": "emotion", "corpus.train": f"[csv:/far/{corpus}.csv]", "features.layers": layer}
        winners.append(
            {
                "candidates": 1,
                "cell": cell,
                "runs": [f"/old/{number}"],
                "score_name": "uar",
                "validation_score": score,
            }
        )
        facts = {"score_name": "uar", "score": score, "jobs": 1, "status": "finished", "runs": number}
        rows.append({**cell, "experiment": "layer_study", **facts})
    pd.DataFrame(rows).to_csv(folder / "leaderboard.csv", index=False)
    by = ["task", "corpus.train", "features.layers"]
    chosen = {"by": by, "candidates": 4, "winners": winners, "without_winner": []}
    write_json(folder / "selection.json", chosen)
    return folder


def test_a_sweep_over_layers_and_corpora_is_a_table_in_colour(tmp_path: Path) -> None:
    """What validation prefers is framed, corpora go by their names, layers in the order they were asked for."""
    layer_sweep(tmp_path)
    page = Read(write_report([tmp_path], None))
    assert "Sweep: layer_study" in page.text and "nothing was chosen between them" in page.text
    table = list(csv.reader((tmp_path / "report_files" / "cross_emotion.csv").open(encoding="utf-8")))
    assert table[0] == ["features.layers", "x", "y"]
    assert [row[0] for row in table[1:]] == ["gfe_1", "pool", "gfe_1|pool"]
    assert table[2][2] == "none"
    svg = (tmp_path / "report_files" / "cross_emotion_picture.svg").read_text(encoding="utf-8")
    assert svg.count('class="self"') == 2  # one for each column
    assert "How to get this again" in page.text and "/far/" not in page.text.split("What was tried")[0]


def test_a_matrix_is_a_heat_map_with_its_diagonal_framed(tmp_path: Path) -> None:
    cells = [
        {"train": a, "test": b, "value": value, "low": value - 0.1, "high": value + 0.1, "constant": 0.5, "n": 10,
         "speakers": 5, "labels": 2, "not_scored": 0, "self": a == b}
        for a, b, value in (("x", "x", 0.9), ("x", "y", 0.4), ("y", "x", 0.7), ("y", "y", 0.8))
    ]  # fmt: skip
    write_json(tmp_path / "matrix.json", {"cells": cells, "comparisons": []})
    run_at(tmp_path / "runs" / "x")
    page = Read(write_report([tmp_path], None))
    assert "Mean UAR within a corpus 0.850, across corpora 0.550." in page.text
    svg = (tmp_path / "report_files" / "matrix.svg").read_text(encoding="utf-8")
    assert svg.count('class="self"') == 2
    assert svg.count('class="a"') == 3, "worse than a constant answer is as pale as an empty cell"
