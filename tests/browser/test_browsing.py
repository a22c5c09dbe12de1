"""The looking itself: each kind of fault is found on a page that has it, and none on one that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Visiting

pytestmark = pytest.mark.browser

_WELL = "<!doctype html><html lang=en><head><title>t</title></head><body><main><h1>Well</h1>{}</main></body></html>"


def written(folder: Path, body: str) -> Path:
    path = folder / "page.html"
    path.write_text(_WELL.format(body), encoding="utf-8")
    return path


def test_a_page_without_faults_has_none(tmp_path: Path, visit: Visiting) -> None:
    with visit(written(tmp_path, "<p>fine</p>")) as seen:
        assert seen.faults() == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<div style='width: 60rem'>wide</div>", "380 px: overflow"),
        ("<script>throw new Error('broken')</script>", "exception: broken"),
        ("<script>console.error('loud')</script>", "console error: loud"),
        ("<img alt=x src='data:image/png;base64,AAAA'>", "image: data:"),
        ("<img alt=x src='https://example.org/x.png'>", "asked for https://example.org/x.png"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "axe critical: image-alt"),
        ("<p style='color: #bbb; background: #fff'>pale</p>", "axe serious: color-contrast"),
    ],
)
def test_a_fault_is_found(tmp_path: Path, visit: Visiting, body: str, fault: str) -> None:
    with visit(written(tmp_path, body)) as seen:
        assert any(fault in found for found in seen.faults()), seen.faults()
