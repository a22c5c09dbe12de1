"""The HTML report: the answer first, nothing fetched, nothing made up, everything escaped, files beside it."""

from __future__ import annotations

import csv
import re
import shutil
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profiling.errors import BundleError, ConfigError
from profiling.page.blocks import Table
from profiling.page.drawing import Scale, round_step
from profiling.page.render import table_csv
from profiling.provenance import read_json, write_json
from profiling.report.forest import ForestRow, forest
from profiling.report.heatmap import HeatCell, heatmap
from profiling.report.pages import write_html, write_report
from tests.command_line import CommandLine
from tests.test_report import ages, result

_SVG = "{http://www.w3.org/2000/svg}"


class Read(HTMLParser):
    """Addresses, ids and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" and "href" in given else []
        self.addresses += [
            given[key] or "" for key in ("src", "href", "data", "poster") if key in given and tag != "a"
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def labels_run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    found = result()
    write_json(folder / "metrics.json", found)
    return folder


@pytest.fixture
def ages_run(tmp_path: Path) -> Path:
    folder = tmp_path / "ages"
    folder.mkdir()
    found, predictions = ages()
    write_json(folder / "metrics.json", found)
    who = [f"s{i // 4}" for i in range(100)] * 2
    predictions = predictions.assign(utt_id=[f"u<{i}>" for i in range(200)], speaker_id=who, gender="female")
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    return folder


def test_the_answer_comes_first_and_names_what_it_proves(labels_run: Path) -> None:
    page = Read(write_report([labels_run], None))
    place = 0
    for said in (
        "Emotion from the voice",
        "Untrained backbone: these numbers prove",
        "trained to tell emotion",
        "On speakers it never heard",
        "On emodb, a corpus it never heard (masked)",
        "Every part and metric",
        "Where it is right and wrong",
        "How to get this again",
    ):
        place = page.text.index(said, place)
    assert "python train.py task=emotion" in page.text


def test_what_the_backbone_has_to_say_stands_beside_the_numbers(labels_run: Path) -> None:
    found, said = result(), "backbone.engine=native was asked for and refused: the probe differs by 0.3"
    found["backbone"]["notice"] = said
    write_json(labels_run / "metrics.json", found)
    one = write_report([labels_run], None)
    several = write_report([labels_run, labels_run], labels_run / "both.html")
    for path, first in ((one, "On speakers it never heard"), (several, "Runs for emotion")):
        source = path.read_text(encoding="utf-8")
        assert said in source[source.index("<h1") : source.index(first)]


def test_tasks_of_one_head_name_one_another(labels_run: Path, ages_run: Path, tmp_path: Path) -> None:
    multi = tmp_path / "multi"
    for source, name, other in ((labels_run, "emotion", "age"), (ages_run, "age", "emotion")):
        shutil.copytree(source, multi / name)
        found = read_json(multi / name / "metrics.json") | {"together": [other]}
        write_json(multi / name / "metrics.json", found)
        (multi / name / "config.yaml").write_text("{}", encoding="utf-8")
    write_json(multi / "multi.json", {"tasks": {name: {"folder": name} for name in ("emotion", "age")}})
    page = Read(write_report([multi / "age"], None))
    assert "Trained together with emotion" in page.text and page.text.count("Trained together") == 1
    assert "../emotion/report.html" in page.links
    write_report([multi / "emotion"], None)
    whole = Read(write_report([multi], None))
    assert "Age and emotion from one head" in whole.text
    assert {"emotion/report.html", "age/report.html"} <= set(whole.links)
    shutil.rmtree(multi / "emotion")  # a run that was moved: no way that leads nowhere
    assert "../emotion/report.html" not in Read(write_report([multi / "age"], None)).links


def test_nothing_is_fetched_and_no_script_runs(labels_run: Path, ages_run: Path) -> None:
    for folder in (labels_run, ages_run):
        page = Read(write_report([folder], None))
        assert page.addresses == ["data:,"]
        assert "script" not in page.tags
        assert "url(" not in page.source
        assert "@import" not in page.source
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page.source)


def test_ids_are_unique_and_anchors_lead_somewhere(labels_run: Path, ages_run: Path) -> None:
    for folder in (labels_run, ages_run):
        page = Read(write_report([folder], None))
        assert len(page.ids) == len(set(page.ids))
        assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
        beside = [link for link in page.links if not link.startswith("#")]
        assert beside
        assert all((folder / link).is_file() for link in beside)


def test_every_picture_has_words_and_its_own_file(ages_run: Path) -> None:
    page = Read(write_report([ages_run], None))
    files = sorted((ages_run / "report_files").glob("*.svg"))
    assert len(files) == page.source.count('role="img"')
    for file in files:
        root = ElementTree.parse(file).getroot()
        assert (root.findtext(f"{_SVG}title") or "").strip()
        assert len(root.findtext(f"{_SVG}desc") or "") > 20
        assert "prefers-color-scheme: dark" in (root.findtext(f"{_SVG}style") or "")


def test_text_is_escaped_and_tables_are_whole(ages_run: Path) -> None:
    page = Read(write_report([ages_run], None))
    assert "u<" not in page.source
    rows = list(csv.reader((ages_run / "report_files" / "worst_test.csv").open(encoding="utf-8")))
    predictions = pd.read_parquet(ages_run / "predictions.parquet").query("part == 'test'")
    off = (predictions["predicted"] - predictions["target"]).abs()
    assert rows[1][0] == predictions["utt_id"][off.idxmax()]
    assert [abs(float(row[3])) for row in rows[1:]] == pytest.approx(
        sorted(off, reverse=True)[:10], abs=0.051
    )


def test_parts_without_data_are_left_out(labels_run: Path) -> None:
    page = Read(write_report([labels_run], None))
    for absent in (
        "By group",
        "How far its confidence",
        "How it was trained",
        "The worst errors",
        "Beside published",
    ):
        assert absent not in page.text


def test_a_head_that_mixes_layers_shows_its_weights(tmp_path: Path) -> None:
    mixed = result(head={"name": "layer_mix", "layer_weights": {"gfe_1": 0.7, "pool": 0.3}})
    page = Read(write_html(tmp_path, mixed))
    assert "Weights of the layers" in page.text
    assert "gfe_1: 0.700; pool: 0.300" in page.text


def test_the_scatter_draws_every_point_and_the_band_of_the_interval(ages_run: Path) -> None:
    conformal = [{"level": 0.9, "kind": "interval", "quantile": 6.0, "reason": None}]
    fitted = {"part": "test", "corpora": ["so"], "protocol": "random"}
    section = {"temperature": None, "conformal": conformal, "fitted_on": fitted}
    write_json(ages_run / "calibration.json", {"calibration": section, "parts": {}})
    write_report([ages_run], None)
    root = ElementTree.parse(ages_run / "report_files" / "scatter_test.svg").getroot()
    assert sum(e.get("class") == "faint" for e in root.iter(f"{_SVG}circle")) == 100
    assert [e.get("class") for e in root.iter(f"{_SVG}polygon")] == ["band"]
    predictions = pd.read_parquet(ages_run / "predictions.parquet").query("part == 'test'")
    inside = float(((predictions["predicted"] - predictions["target"]).abs() <= 6.0).mean())
    assert (
        f"± 6.0 years; {inside:.0%} of these utterances lie in it, which it was fitted on"
        in Read(ages_run / "report.html").text
    )


def test_several_runs_stand_side_by_side(labels_run: Path, ages_run: Path, tmp_path: Path) -> None:
    write_report([labels_run], None)
    page = Read(write_report([labels_run, ages_run], tmp_path / "all.html"))
    assert "2 runs beside each other" in page.text
    assert "run/report.html" in page.links
    assert page.text.index("Runs for emotion") < page.text.index("Runs for age")


def test_mistakes_are_named(labels_run: Path, ages_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = CommandLine(labels_run, capsys)
    with pytest.raises(ConfigError, match="--out"):
        write_report([labels_run, ages_run], None)
    with pytest.raises(BundleError, match=r"metrics\.json"):
        write_report([labels_run.parent], None)
    assert command("report", str(labels_run / "absent")).error.startswith("profiling: ")
    said = command("report", str(labels_run))
    assert (said.code, said.out.strip()) == (0, str(labels_run / "report.html"))


class TestDrawing:
    def test_a_forest_row_lies_where_its_numbers_are(self) -> None:
        drawing = forest([ForestRow("a", 0.5, 0.25, 0.75, "0.5", 0.1)], "t", "x", limits=(0.0, 1.0))
        root = ElementTree.fromstring(drawing.svg("n"))
        dot = next(e for e in root.iter(f"{_SVG}circle"))
        bar = next(e for e in root.iter(f"{_SVG}line") if e.get("class") == "a")
        mark = next(e for e in root.iter(f"{_SVG}line") if e.get("class") == "mark")
        places = [float(e) for e in (bar.get("x1"), dot.get("cx"), bar.get("x2"), mark.get("x1")) if e]
        left = places[1] - 150
        assert places == pytest.approx([left + 75, left + 150, left + 225, left + 30], abs=0.2)

    def test_colour_of_a_cell_grows_with_its_share(self) -> None:
        cells = [[HeatCell(0.0, "0"), HeatCell(0.5, "50"), HeatCell(1.0, "100")]]
        root = ElementTree.fromstring(heatmap(cells, (["r"], ["a", "b", "c"]), ("x", "y"), "t", "d").svg("n"))
        faint = [float(e.get("fill-opacity", 0)) for e in root.iter(f"{_SVG}rect") if e.get("class") == "a"]
        assert len(faint) == 2
        assert faint[1] == pytest.approx(2 * faint[0])

    @pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 18.9), (0.001, 0.0013), (6.0, 43.0)])
    def test_ticks_are_round_and_inside(self, low: float, high: float) -> None:
        ticks = np.array(Scale(low, high, 0, 100).ticks())
        assert 3 <= len(ticks) <= 8
        assert ticks.min() >= low - 1e-9 and ticks.max() <= high + 1e-9
        step = np.diff(ticks)
        assert step == pytest.approx(np.full(len(step), step[0]))
        assert round_step(step[0]) == pytest.approx(step[0])


def test_a_table_survives_commas_and_quotes() -> None:
    text = table_csv(Table("c", ("a", "b"), [('1,"2"', "x\ny")]))
    assert list(csv.reader(text.splitlines(keepends=True))) == [["a", "b"], ['1,"2"', "x\ny"]]
