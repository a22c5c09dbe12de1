"""The reports in a browser: light and dark, narrow and wide, without scripts, with the network cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling.provenance import write_json
from profiling.report.pages import write_report
from tests.browser.conftest import Visiting
from tests.test_report import ages, result
from tests.test_report_html_many import layer_sweep, studied

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of labels, one of ages, both beside each other, one with all studies, and a sweep's."""
    base = tmp_path_factory.mktemp("reports")
    found, predictions = ages()
    for name, one in (("labels", result()), ("ages", found)):
        write_json(base / name / "metrics.json", one)
    who = {"utt_id": [f"u{i}" for i in range(200)], "speaker_id": [f"s{i // 4}" for i in range(200)]}
    predictions.assign(**who).to_parquet(base / "ages" / "predictions.parquet", index=False)
    both = [base / "labels", base / "ages"]
    made = {folder.name: write_report([folder], None) for folder in both}
    made["studied"] = write_report([studied(base / "studied")], None)
    made["sweep"] = write_report([layer_sweep(base / "sweep")], None)
    return made | {"both": write_report(both, base / "both.html")}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["labels", "ages", "both", "studied", "sweep"])
def test_a_report_keeps_nobody_out(pages: dict[str, Path], visit: Visiting, name: str, dark: bool) -> None:
    with visit(pages[name], dark=dark) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.faults() == []


def test_dark_and_light_differ_in_pictures_too(pages: dict[str, Path], visit: Visiting) -> None:
    colours = []
    for dark in (False, True):
        with visit(pages["ages"], dark=dark) as seen:
            asked = "e => [getComputedStyle(document.body).backgroundColor, getComputedStyle(e).fill]"
            colours.append(seen.page.locator("svg text").first.evaluate(asked))
    assert colours[0][0] == "rgb(255, 255, 255)"
    assert colours[0][0] != colours[1][0]
    assert colours[0][1] != colours[1][1]


def test_everything_is_reached_by_keyboard(pages: dict[str, Path], visit: Visiting) -> None:
    with visit(pages["labels"]) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "To the content"
        seen.page.locator("summary").first.focus()
        seen.page.keyboard.press("Enter")
        assert seen.page.locator("details").first.evaluate("d => d.open")


def test_print_shows_what_is_folded_and_no_dark_paper(pages: dict[str, Path], visit: Visiting) -> None:
    with visit(pages["labels"], dark=True) as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert seen.page.locator("details svg").first.is_visible()
        assert not seen.page.locator("nav").is_visible()


def test_a_picture_alone_has_its_colours(pages: dict[str, Path], visit: Visiting) -> None:
    picture = pages["ages"].parent / "report_files" / "scatter_test.svg"
    with visit(picture, dark=True) as seen:
        assert seen.console == []
        fills = seen.page.locator("svg text").first.evaluate("e => getComputedStyle(e).fill")
        assert fills != "rgb(0, 0, 0)"
