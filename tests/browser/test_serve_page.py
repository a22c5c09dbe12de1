"""``profiling serve`` in a browser: upload, record, mistakes, narrow and dark, without a fault on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiling.predict.loading import default_bundles, load_profilers
from profiling.serve.limits import Limits
from tests.browser.browsing import Visit
from tests.browser.conftest import Visiting
from tests.recordings import speechlike, write
from tests.serving import Running, running
from tests.test_predict_command import odd, spoil

pytestmark = pytest.mark.browser
_PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(load_profilers(default_bundles()), Limits(max_mb=0.5, max_seconds=30)) as started:
        yield started


@pytest.fixture
def address(server: Running) -> str:
    return f"http://127.0.0.1:{server.port}/"


def answered(seen: Visit, name: str) -> None:
    seen.page.wait_for_selector("#cards article", timeout=_PATIENCE_MS)
    seen.page.wait_for_selector("#wave:visible", timeout=_PATIENCE_MS)
    assert seen.page.text_content("#answer-title") == name
    assert seen.page.get_by_role("status").text_content() == f"Answered on {name}."


@pytest.mark.parametrize("dark", [False, True])
def test_an_upload_is_answered(visit: Visiting, address: str, tmp_path: Path, dark: bool) -> None:
    voice = write(tmp_path / "Grüße <b>.wav", speechlike(4.0))
    with visit(address, dark=dark) as seen:
        assert seen.faults() == []
        seen.page.set_input_files("#file", voice)
        answered(seen, voice.name)
        titles = seen.page.locator("#cards h3").all_text_contents()
        assert titles == ["Age", "Gender"]
        assert re.match(r"-?\d+ years", seen.page.locator(".value").first.text_content() or "")
        shares = [
            int(re.sub(r"\D", "", one))
            for one in seen.page.locator("article:nth-child(2) .share").all_text_contents()
        ]
        assert 98 <= sum(shares) <= 102
        assert shares == sorted(shares, reverse=True)
        assert seen.page.locator(".lane").count() == 2
        seen.page.get_by_text("Timeline as a table").click()
        assert (
            seen.page.locator("#window-table tbody tr").count()
            == seen.page.locator(".lane").first.locator("span").count()
        )
        assert seen.page.evaluate("document.activeElement.tagName") != "BODY", (
            "focus is lost after the answer"
        )
        assert seen.faults() == []


def test_the_download_is_the_answer_of_the_endpoint(
    visit: Visiting, address: str, server: Running, tmp_path: Path
) -> None:
    voice = write(tmp_path / "call.wav", speechlike(2.0))
    with visit(address) as seen:
        seen.page.set_input_files("#file", voice)
        answered(seen, "call.wav")
        with seen.page.expect_download() as waiting:
            seen.page.get_by_text("Download JSON").click()
        saved = tmp_path / "saved.json"
        waiting.value.save_as(saved)
        assert waiting.value.suggested_filename == "call.profile.json"
    asked = server.ask("POST", "/api/predict?timeline=2&name=call.wav", voice.read_bytes())[2]
    assert json.loads(saved.read_text()) == asked


def test_a_recording_of_the_microphone(address: str, visit: Visiting, tmp_path: Path) -> None:
    with visit(address) as seen:
        button = seen.page.locator("#record")
        button.focus()
        seen.page.keyboard.press("Enter")
        seen.page.locator("#record-words", has_text=re.compile(r"Stop \(([2-9]|\d\d)")).wait_for(
            timeout=_PATIENCE_MS
        )
        assert seen.faults(widths=(380, 1280)) == []
        button.click()
        answered(seen, "recording.wav")
        facts = seen.page.text_content("#facts") or ""
        assert float(re.match(r"([\d.]+) s", facts)[1]) >= 2.0  # type: ignore[index]
        assert "mono" in facts
        assert button.inner_text() == "Record"
        assert seen.console == []


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("text.wav", b"path\n" * 900, "not audio"),
        ("empty.wav", b"", "0 bytes"),
        ("large.wav", bytes(600_000), "this server takes up to 0.5 MB"),
    ],
)
def test_a_mistake_is_said(
    visit: Visiting, address: str, tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with visit(address) as seen:
        seen.page.set_input_files("#file", tmp_path / name)
        alert = seen.page.get_by_role("alert")
        alert.wait_for(timeout=_PATIENCE_MS)
        assert reason in (alert.text_content() or "")
        assert not seen.page.locator("#answer").is_visible()
        seen.console = [line for line in seen.console if "status of 422" not in line]  # chromium's own line
        assert seen.faults(widths=(380,)) == []
        seen.page.set_input_files("#file", write(tmp_path / "good.wav", speechlike(1.0)))
        answered(seen, "good.wav")
        assert not alert.is_visible()


def test_every_bad_and_odd_recording(visit: Visiting, address: str, tmp_path: Path) -> None:
    """The list of the command line's tests, one after the other on one page."""
    folder = tmp_path / "in"
    wrong, fine = spoil(folder), odd(folder)
    said = "reason => (document.querySelector('[role=alert]')?.textContent ?? '').includes(reason)"
    with visit(address) as seen:
        for name, reason in wrong.items():
            seen.page.set_input_files("#file", folder / name)
            seen.page.wait_for_function(said, arg=reason, timeout=_PATIENCE_MS)
            assert not seen.page.locator("#answer").is_visible(), name
        for name in fine:
            if (folder / name).stat().st_size < 500_000:
                seen.page.set_input_files("#file", folder / name)
                seen.page.get_by_text(f"Answered on {name}.").wait_for(timeout=_PATIENCE_MS)
                assert seen.page.text_content("#answer-title") == name  # a browser may not draw aiff


def test_a_dropped_file_and_words_for_flags(visit: Visiting, address: str) -> None:
    drop = """() => {
        const samples = 6400, view = new DataView(new ArrayBuffer(44 + 2 * samples));
        const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
        text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
        view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, 8000, true);
        view.setUint32(28, 16000, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
        text(36, "data"); view.setUint32(40, 2 * samples, true);
        for (let i = 0; i < samples; i++) view.setInt16(44 + 2 * i, 9000 * Math.sin(i / 5), true);
        const moved = new DataTransfer();
        moved.items.add(new File([view], "phone.wav"));
        const dropped = new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true});
        document.getElementById("drop").dispatchEvent(dropped);
    }"""
    with visit(address) as seen:
        seen.page.evaluate(drop)
        answered(seen, "phone.wav")
        flags = seen.page.locator("#flags").inner_text()
        assert "Shorter than a second" in flags
        assert "Recorded below 16 kHz" in flags
        assert seen.faults(widths=(380,)) == []


def test_the_page_of_the_endpoint(visit: Visiting, address: str) -> None:
    with visit(f"{address}docs") as seen:
        seen.page.wait_for_selector("#routes section")
        assert "POST /api/predict" in seen.page.inner_text("#routes")
        assert "Retry-After" in seen.page.inner_text("#routes")
        assert seen.faults() == []
