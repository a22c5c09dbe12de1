"""The report: the answer first, what must be said, pictures that show the numbers; the terminal's lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from profiling.errors import BundleError
from profiling.evaluation.figures import confusion_figure, recall_figure, save, scatter_figure
from profiling.evaluation.report import render_markdown, write_report
from profiling.evaluation.result import Result, parts
from profiling.evaluation.scoring import score_classification, score_heldout, score_regression
from profiling.evaluation.sections import Code, Paragraph, Picture, Section, Table, sections
from profiling.evaluation.summary import summary_lines, value_text, verdict

LABELS = ["anger", "happiness", "neutral"]
EMPTY = pd.DataFrame({"part": [], "corpus": []})


def classified(rows: int, speakers: int, seed: int = 0, skill: float = 0.5) -> tuple[Any, ...]:
    random = np.random.default_rng(seed)
    truth = [LABELS[i % 3] for i in range(rows)]
    scores = random.random((rows, 3))
    scores[np.arange(rows), np.arange(rows) % 3] += skill
    return truth, scores, [f"c/{i // 3 % speakers}" for i in range(rows)]


def result(**changed: Any) -> Result:
    truth, scores, who = classified(180, 9)
    few = classified(60, 3, seed=1)
    held = classified(120, 10, seed=2, skill=0.0)
    corpus = ["boredom"] * 12 + held[0][12:]
    found: Any = {
        "task": {"name": "emotion", "kind": "classification", "labels": LABELS, "unit": ""},
        "backbone": {
            "name": "native_mini",
            "training": "untrained",
            "weights_sha256": "ab" * 32,
            "licence": None,
        },
        "layers": ["gfe_1", "pool"],
        "head": {"name": "linear"},
        "candidates": 1,
        "split": {
            "kind": "loso",
            "speaker_independent": True,
            "counts": {
                "train": {"utterances": 300, "speakers": 12},
                "test": {"utterances": 180, "speakers": 1},
            },
        },
        "heldout_decision": "masked",
        "scores": {
            "validation": score_classification(few[0], few[1], LABELS, few[2], truth),
            "test": score_classification(truth, scores, LABELS, who, truth),
            "heldout": {
                "emodb": score_heldout(corpus, held[1], LABELS, held[2], truth) | {"times_scored": 2}
            },
        },
        "data": [
            {
                "corpus": "nemo",
                "role": "train",
                "utterances": 480,
                "speakers": 13,
                "hours": 0.4,
                "licence": "CC BY-NC-SA 4.0",
                "citation": "A | B,\n2024",
            },
            {
                "corpus": "emodb",
                "role": "heldout",
                "utterances": 120,
                "speakers": None,
                "hours": None,
                "licence": None,
                "citation": None,
            },
        ],
        "command": "python train.py task=emotion",
        "environment": {"python": "3.11", "platform": "Linux", "packages": {"numpy": "2.0", "absent": None}},
    }
    return found | changed


def ages() -> tuple[Result, pd.DataFrame]:
    random = np.random.default_rng(0)
    y = np.repeat(random.uniform(6, 60, 25).round(), 4)
    p = 10 + 0.7 * y + random.normal(0, 3, 100)
    score = score_regression(y, p, [f"s{i // 4}" for i in range(100)], y)
    held = {"masked": score, "open": score, "shared_labels": [], "not_scored": {}}
    heldout = {"my corpus/é": held | {"asked": 100, "scored": 100, "times_scored": 1}}
    task = {"name": "age", "kind": "regression", "labels": None, "unit": "years"}
    rows = pd.DataFrame({"part": "test", "corpus": "so", "target": y, "predicted": p})
    predictions = pd.concat([rows, rows.assign(part="heldout", corpus="my corpus/é")])
    return result(task=task, scores={"test": score, "heldout": heldout}), predictions


def test_the_answer_comes_first_and_says_what_it_proves(tmp_path: Path) -> None:
    path = write_report(tmp_path / "run", result(), EMPTY)
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line]
    assert lines[0] == "# Emotion: the answer"
    assert lines[1] == "**untrained backbone: these numbers prove the chain, nothing about people**"
    answer = text.split("\n## ")[0]
    assert (
        "trained to tell emotion (anger, happiness, neutral) on 300 utterances of 12 speakers from nemo"
        in answer
    )
    assert "Scored 108 of 120 utterances" in answer
    assert "not scored, as the head does not know them: boredom 12" in answer
    assert "this corpus was scored 2 times by this run" in answer
    assert "too few speakers: 3, at least 5 needed" in answer
    test = result()["scores"]["test"]
    assert value_text("uar", test["metrics"]["uar"]) in answer
    assert re.search(
        r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]; a constant answer has 0\.333: better than a", answer
    )
    assert "python train.py task=emotion" in text
    assert "| numpy | 2.0 |" in text
    assert "absent" not in text


def test_every_picture_is_there_is_an_image_and_is_linked(tmp_path: Path) -> None:
    text = write_report(tmp_path, result(), EMPTY).read_text(encoding="utf-8")
    linked = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    keys = ("validation", "test", "heldout_emodb_masked", "heldout_emodb_open")
    assert sorted(linked) == sorted(f"{key}_{kind}.png" for key in keys for kind in ("confusion", "recall"))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(linked)
    for name in linked:
        image = matplotlib.image.imread(tmp_path / name)
        assert min(image.shape[:2]) > 200
        assert image[..., :3].std() > 0.02


def test_ecapa2_is_cited_only_where_its_features_are_used() -> None:
    untrained = render_markdown(sections(result(), {}))
    assert "2401.08342" not in untrained
    assert "CC-BY-NC-4.0" not in untrained
    backbone = {
        "name": "ecapa2",
        "training": "released",
        "weights_sha256": "9b" * 32,
        "licence": "CC-BY-NC-4.0",
    }
    released = render_markdown(sections(result(backbone=backbone), {}))
    for said in ("CC-BY-NC-4.0", "Thienpondt", "Demuynck", "ASRU 2023", "arXiv 2401.08342", "9b" * 32):
        assert said in released
    assert "untrained" not in released


def test_a_protocol_that_leaks_is_said_in_bold() -> None:
    leaking: Any = dict(result()["split"]) | {"speaker_independent": False}
    found = result(split=leaking)
    text = render_markdown(sections(found, {}))
    assert "**speaker_independent: false. Speakers are in training and scoring**" in text
    assert any("speaker_independent: FALSE" in line for line in summary_lines(found))


def text_of(found: Result) -> str:
    return render_markdown(sections(found, {}))


def test_pooled_protocols_say_which_heads_were_tested() -> None:
    text = text_of(result())
    assert (
        "one for each speaker (loso): every one of the 1 speakers was tested by a head that had never" in text
    )
    counts = result()["split"]["counts"]
    single = result(split={"kind": "official", "speaker_independent": True, "counts": counts})
    assert "pooled over other heads" not in text_of(single)


def test_rows_left_out_are_counted() -> None:
    manifest = {"dropped": {"child (below 16 years)": 2440}, "quarantined": 3, "used": 2557, "asked": 2560}
    found = result(environment={**result()["environment"], "manifests": {"train": manifest}})
    assert "Left out of train: child (below 16 years) 2440, quarantined 3." in text_of(found)
    assert "Left out" not in text_of(result())


def test_ages_get_a_scatter_bands_and_safe_file_names(tmp_path: Path) -> None:
    found, predictions = ages()
    text = write_report(tmp_path, found, predictions).read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            "report.md",
            "test_scatter.png",
            *(path.name for path in tmp_path.glob("heldout_my-corpus-*_scatter.png")),
        ]
    )
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert "| under 16 |" in text
    assert "Held-out my corpus/é" in text
    assert "masked" not in text.split("## Data")[0].lower()
    with pytest.raises(
        BundleError, match="predictions have 99 rows for held-out my corpus/é, its score has 100"
    ):
        write_report(tmp_path, found, predictions[:-1])


def test_a_result_without_a_section_names_it(tmp_path: Path) -> None:
    found: Any = result()
    del found["split"]
    with pytest.raises(BundleError, match="no section split"):
        write_report(tmp_path, found, EMPTY)
    assert not list(tmp_path.iterdir())


def test_the_result_survives_json() -> None:
    found = result()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert summary_lines(again) == summary_lines(found)


def test_lines_for_the_terminal_hold_every_number() -> None:
    found = result()
    lines = summary_lines(found)
    assert lines[0] == "emotion from gfe_1|pool of native_mini, head linear"
    assert lines[1].startswith("untrained backbone")
    assert lines[2] == "split: loso, speaker_independent: true"
    starts = ("validation", "test", "held-out emodb, masked", "held-out emodb, open")
    for line, start in zip(lines[3:], starts, strict=True):
        assert line.startswith(start)
    test = found["scores"]["test"]
    for metric, name in (("uar", "UAR"), ("wa", "WA"), ("macro_f1", "macro-F1")):
        shown = (
            f"{name} {value_text(metric, test['metrics'][metric])} (constant {test['constant'][metric]:.3f})"
        )
        assert shown in lines[4]
    assert lines[3].endswith("no interval: too few speakers: 3, at least 5 needed (UAR, WA, macro-F1)")
    age_lines = summary_lines(ages()[0])
    assert re.search(r"MAE \d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\] years \(constant \d+\.\d\d\)", age_lines[-1])
    assert all(name in age_lines[-1] for name in ("RMSE", "CCC", "Pearson", "skill"))


def test_the_asked_decision_is_first() -> None:
    keys = [part.key for part in parts(result(heldout_decision="open"))]
    assert keys == ["validation", "test", "heldout_emodb_open", "heldout_emodb_masked"]
    mini = result(
        backbone={"name": "native_mini", "training": "mini", "weights_sha256": None, "licence": None}
    )
    assert summary_lines(mini)[1].startswith("mini backbone")


def test_verdicts_follow_the_interval() -> None:
    def score(low: float | None, high: float | None) -> Any:
        value = {"value": 0.5, "low": low, "high": high, "reason": None}
        return {"metrics": {"uar": value}, "constant": {"uar": 0.4}}

    assert verdict(score(0.41, 0.6)) == "better than a constant answer"
    assert verdict(score(0.2, 0.39)) == "worse than a constant answer"
    assert verdict(score(0.3, 0.6)) == "not told apart from a constant answer by these speakers"
    assert "no interval" in verdict(score(None, None))


def test_markdown_keeps_cells_and_code_whole() -> None:
    blocks = [
        Paragraph("loud", strong=True),
        Table(("a", "b"), [("1 | 2", "two\nlines")]),
        Picture("x.png", "what it shows"),
        Code("python train.py"),
    ]
    assert render_markdown([Section("T", blocks)]) == (
        "# T\n\n**loud**\n\n| a | b |\n|---|---|\n| 1 \\| 2 | two lines |\n\n"
        "![what it shows](x.png)\n\n```\npython train.py\n```\n"
    )


def test_a_confusion_picture_shows_reference_in_rows_and_its_counts() -> None:
    figure = confusion_figure({"labels": ["f", "m", "x"], "matrix": [[3, 1, 0], [0, 0, 0], [0, 5, 5]]}, "t")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "answered"
    assert axes.get_ylabel() == "reference"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["f", "x"]  # m is in no reference
    shown = {tuple(np.round(text.get_position()).astype(int)): [] for text in axes.texts}
    for text in axes.texts:
        shown[tuple(np.round(text.get_position()).astype(int))].append(text.get_text())
    assert shown[1, 0] == ["25 %", "1"]  # column m, row f
    assert shown[1, 1] == ["50 %", "5"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25, 0], [0, 0.5, 0.5]])


def test_pictures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    recall = {"f": {"value": 0.7, "low": None, "high": None, "n": 3}}
    first = save(recall_figure(recall, 0.5, "t"), tmp_path / "a.png").read_bytes()
    assert first == save(recall_figure(recall, 0.5, "t"), tmp_path / "b.png").read_bytes()
    everyone_30 = scatter_figure([30.0, 30.0], [30.0, 30.0], 30.0, "years", "t")
    low, high = everyone_30.axes[0].get_xlim()
    assert low < 30 < high
