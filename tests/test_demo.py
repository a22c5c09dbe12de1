"""The demo, shortened: every step of it, and an end that says where the report is."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling import demo
from profiling.cli import main


def test_the_demo_ends_with_a_report_and_a_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROFILING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "_TRAIN", (10, 4, 1))
    monkeypatch.setattr(demo, "_HELDOUT", (5, 4, 2))
    folder = tmp_path / "demo"
    assert main(["demo", "--folder", str(folder)]) == 0
    out, err = capsys.readouterr()
    report = folder / "report.md"
    assert out.splitlines()[-1] == f"report: {report}"
    assert "60 computed" in err
    assert err.count("backbone native_mini on") == 1
    assert err.count("held-out strangers") == 5, "masked and open for classes, one score for age"
    assert "UAR" in err
    assert "skill" in err
    text = report.read_text()
    assert "They say nothing about people" in text
    for task in demo.TASKS:
        assert f"## {task.capitalize()}" in text
        assert f"  {task}: " in out
    pictures = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) >= 5
    assert all((folder / picture).stat().st_size > 5000 for picture in pictures)
