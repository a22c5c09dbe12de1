"""What extraction says: the cost before, the progress meanwhile, the summary after."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from profiling.features import cost, progress
from profiling.features.cost import audio_seconds, cost_line, seconds_per_second
from profiling.features.decode import Utterance
from profiling.features.plan import Plan
from profiling.features.progress import ExtractionProgress, human_duration
from tests.recordings import tone
from tests.stub_backbone import ALL, StubBackbone, recording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (20_160, "5.6 h"),
        (36_000, "10 h"),
    ],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_the_cost_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of issue A: 5.6 h of audio on a CPU at 12.2 s per 3.6 s."""
    plan = Plan(
        [Utterance(str(i), Path("x")) for i in range(3)], [None] * 3, [0, 2], {0: 160.0, 1: 9e9, 2: 2e4}
    )
    monkeypatch.setattr(cost, "seconds_per_second", lambda backbone, layers: 3.4)
    assert cost_line(plan, StubBackbone(), ALL) == "5.6 h of audio, CPU, stub: about 19 h"


def test_unknown_durations_come_from_a_sample_of_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [recording(tmp_path / f"{i}.wav", tone(0.5 + (i % 2))) for i in range(8)]
    asked = [Utterance(str(i), file) for i, file in enumerate([*files, tmp_path / "missing.wav"])]
    plan = Plan(asked, [None] * 9, list(range(9)), {0: 100.0})
    assert audio_seconds(plan) == pytest.approx(100 + 8 * (4 * 1.5 + 3 * 0.5) / 7)
    monkeypatch.setattr(cost, "_HEADERS", 2)
    assert audio_seconds(plan) == pytest.approx(100 + 8 * 1.5), "every fourth: two files of 1.5 s"
    assert audio_seconds(Plan(asked[8:], [None], [0], {})) == 0


@pytest.mark.parametrize(("batching", "batch"), [("single", 1), ("equal", 8), ("masked", 8)])
def test_the_measured_speed_is_that_of_a_batch(batching: str, batch: int) -> None:
    backbone = StubBackbone(batching=batching, call_s=0.05)  # type: ignore[arg-type]
    speed = seconds_per_second(backbone, ALL)
    assert 0.05 / batch <= speed < 0.3 / batch
    assert backbone.batches == [[16_000] * batch] * 2, "the quicker of two passes"


def test_a_plain_line_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with ExtractionProgress(100, stream=stream) as shown:
        for _ in range(50):
            now[0] += 2.0
            shown.update(36.0)
        shown.update(0.0, failed=True)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "16/100 utterances, 0.16 h of audio, 18.0 x real time, 0 failed, 3 min left"
    assert (shown.done, shown.failed, shown.audio_s) == (51, 1, 1800.0)


def test_a_terminal_gets_a_bar_and_silence_is_silent() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with ExtractionProgress(2, stream=(terminal := Terminal())) as shown:
        shown.update(3600.0)
        shown.update(0.0, failed=True)
    assert "2/2" in terminal.getvalue()
    assert "1.00 h of audio" in terminal.getvalue()
    assert "1 failed" in terminal.getvalue()
    with ExtractionProgress(1, shown=False, stream=(silent := Terminal())) as shown:
        shown.update(1.0)
    assert silent.getvalue() == ""
