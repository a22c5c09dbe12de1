"""Decode-ahead: the order, the budget of audio in memory, and no deadlock whatever the lengths."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from profiling.audio import Audio
from profiling.config import AudioConfig
from profiling.errors import AudioError
from profiling.features import decode
from profiling.features.decode import DecodeAhead, Decoded, Utterance
from tests.recordings import tone
from tests.stub_backbone import StubBackbone, extract, recording, rows, settings

LIMIT_S = 4.0


class Memory:
    """Stands in for decoding: how many seconds of audio exist between its start and its release."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = list(seconds)
        self.alive: dict[int, float] = {}
        self.excess: list[list[float]] = []
        self._lock = threading.Lock()

    def hear(self, path: Path, rules: AudioConfig, start: int, end: int) -> Audio:
        number = int(path.stem)
        with self._lock:
            self.alive[number] = self.seconds[number]
            if len(self.alive) > 1 and sum(self.alive.values()) > LIMIT_S + 1e-9:
                self.excess.append(list(self.alive.values()))
        if self.seconds[number] < 0:
            raise AudioError("decode", "bad")
        samples = np.zeros(round(self.seconds[number] * 16_000), np.float32)
        return Audio(samples, "ab" * 32, len(samples), 16_000, 1)

    def free(self, number: int) -> None:
        with self._lock:
            del self.alive[number]

    def utterances(self) -> list[Utterance]:
        return [Utterance(str(i), Path(f"{i}.wav")) for i in range(len(self.seconds))]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("known", [True, False], ids=["remembered", "from headers"])
@pytest.mark.parametrize(
    "seconds",
    [[1.0] * 40, [0.25, 9.0, 0.5, 9.0, 9.0, 0.25], [3.9, 0.2] * 8, [50.0]],
    ids=["short", "longer than the budget", "one and a bit", "one"],
)
def test_the_budget_is_kept_in_order_and_without_deadlock(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float], known: bool
) -> None:
    memory = Memory(seconds)
    monkeypatch.setattr(decode, "Recording", lambda path: path)
    monkeypatch.setattr(decode, "hear_span", memory.hear)
    monkeypatch.setattr(
        decode, "probe_duration", lambda path: (int(seconds[int(path.stem)] * 16_000), 16_000)
    )
    ahead = DecodeAhead(
        memory.utterances(),
        range(len(seconds)),
        dict(enumerate(seconds)) if known else {},
        workers=3,
        limit_s=LIMIT_S,
        rules=AudioConfig(),
    )
    order: list[int] = []
    held: list[Decoded] = []
    for decoded in ahead:
        if decoded is not None:
            held.append(decoded)
            order.append(decoded.index)
            continue
        assert held, "asked to release while nothing is held: a deadlock"
        for item in held:
            memory.free(item.index)
            ahead.release(item.audio.duration_s)
        held.clear()
    assert order == list(range(len(seconds)))
    assert memory.excess == []


def test_decoding_runs_ahead_of_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    count, most = 90, 2 * decode.AHEAD_EACH
    memory = Memory([0.1] * count)
    monkeypatch.setattr(decode, "Recording", lambda path: path)
    monkeypatch.setattr(decode, "hear_span", memory.hear)
    ahead = DecodeAhead(
        memory.utterances(),
        range(count),
        dict.fromkeys(range(count), 0.1),
        workers=2,
        limit_s=99.0,
        rules=AudioConfig(),
    )
    waiting = iter(ahead)
    next(waiting)
    for _ in range(200):
        if len(memory.alive) >= most:
            break
        threading.Event().wait(0.01)
    assert len(memory.alive) == most < count, "so many for each worker, no more"
    waiting.close()


def test_failures_cost_no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory([-1.0] * 50)
    monkeypatch.setattr(decode, "Recording", lambda path: path)
    monkeypatch.setattr(decode, "hear_span", memory.hear)
    ahead = DecodeAhead(
        memory.utterances(),
        range(50),
        dict.fromkeys(range(50), 3.0),
        workers=2,
        limit_s=LIMIT_S,
        rules=AudioConfig(),
    )
    found = list(ahead)
    assert len(found) == 50
    assert all(item is not None and item.audio is None and item.error is not None for item in found)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("batching", ["single", "equal", "masked"])
def test_extraction_with_a_budget_smaller_than_its_files(tmp_path: Path, batching: str) -> None:
    config = settings(tmp_path)
    config.extract.seconds_in_flight = 0.5
    config.audio.max_duration_s = 0.3
    seconds = [0.1, 2.0, 0.2, 1.0, 0.1, 0.1]
    paths = [recording(tmp_path / f"{i}.wav", tone(s, hz=200 + 50 * i)) for i, s in enumerate(seconds)]
    backbone = StubBackbone(batching=batching)  # type: ignore[arg-type]
    done = extract(paths, config, backbone)
    assert done.computed == len(paths)
    assert done.audio_s == pytest.approx(sum(seconds))
    assert max(map(max, backbone.batches)) <= 0.3 * 16_000
    assert np.isfinite(rows(done)).all()


@pytest.mark.timeout(60)
def test_copies_and_refused_recordings_give_their_budget_back(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.extract.seconds_in_flight = 0.05
    first = recording(tmp_path / "first.wav", tone(0.03))
    copies = [tmp_path / f"copy{i}.wav" for i in range(20)]
    for path in copies:
        path.write_bytes(first.read_bytes())
    short = [recording(tmp_path / f"short{i}.wav", tone(0.02, hz=300 + i)) for i in range(20)]
    done = extract([first, *copies, *short], config)
    assert (done.computed, done.shared, len(done.quarantined)) == (1, 20, 20)
