"""Batches computed side by side: the same rows in the same order, no more at once than asked, nothing lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from profiling.backbones.build import build_backbone
from profiling.backbones.calibration import untrained
from profiling.backbones.export import export_torchscript
from profiling.backbones.native import mini_config
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.protocol import Features, Waveform
from profiling.config import BackboneConfig
from profiling.features import streams
from profiling.features.batching import Piece
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up
from profiling.features.streams import compute_batches, stream_count
from tests.recordings import speechlike
from tests.stub_backbone import ALL, StubBackbone, extract, recording, recordings, rows, settings


class Slow(StubBackbone):
    """The first waveform of every four takes longest, so that results would come in another order.

    Attributes:
        most: calls at once.
        places: the stream of each call, where a test gave it one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most, self._now, self._lock = 0, 0, threading.Lock()
        self.places: list[object] = []

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.places.append(getattr(_HERE, "stream", None))
        time.sleep(0.02 if len(waveforms[0]) % 4 == 0 else 0.001)
        found = super().extract(waveforms, layers)
        with self._lock:
            self._now -= 1
        return found


_HERE = threading.local()


def batches(count: int) -> list[list[Piece]]:
    """Batches of one waveform each, which tell by their lengths which they are."""
    return [[Piece(i, 0, np.full(1000 + i, 0.1, np.float32))] for i in range(count)]


def test_results_keep_their_order_and_no_more_run_at_once_than_asked() -> None:
    backbone = Slow()
    asked, taken = batches(16), 0
    handed_out: list[int] = []

    def giving() -> Iterator[list[Piece]]:
        for number, batch in enumerate(asked):
            handed_out.append(number + 1 - taken)
            yield batch

    for batch, features in compute_batches(backbone, ALL, giving(), streams=3):
        assert batch is asked[taken]
        alone = StubBackbone().extract([batch[0].waveform], ALL)
        assert features["pool"].tobytes() == alone["pool"].tobytes()
        taken += 1
    assert taken == 16
    assert backbone.most == 3
    assert max(handed_out) <= 2 * 3, "samples on their way are bounded, however many wait"


def test_none_asks_for_one_batch_to_be_finished() -> None:
    first, second = batches(2)
    done = compute_batches(StubBackbone(), ALL, iter([first, None, second, None, None]), streams=4)
    assert [batch for batch, _ in done] == [first, second]


def test_each_stream_has_a_place_of_its_own_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    busy: set[int] = set()

    def place(device: str) -> streams.Place:
        number = len(made)
        made.append(number)

        @contextmanager
        def stream() -> Iterator[None]:
            assert number not in busy, "two batches in one stream at once"
            busy.add(number)
            _HERE.stream = number
            yield
            busy.discard(number)

        return stream

    monkeypatch.setattr(streams, "_place", place)
    backbone = Slow()
    assert len(list(compute_batches(backbone, ALL, batches(12), streams=2))) == 12
    assert made == [0, 1]
    assert set(backbone.places) == {0, 1}
    assert not busy


def test_an_error_of_the_backbone_arrives_and_stops_the_others() -> None:
    def fail(call: int) -> None:
        if call == 3:
            raise RuntimeError("CUDA out of memory")

    backbone = StubBackbone(before=fail, call_s=0.005)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(compute_batches(backbone, ALL, batches(30), streams=2))
    assert len(backbone.batches) < 10


def test_streams_leave_pytorchs_threads_as_they_were() -> None:
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(4)
    try:
        backbone = StubBackbone(before=lambda call: seen.append(torch.get_num_threads()))
        list(compute_batches(backbone, ALL, batches(6), streams=2))
        assert (set(seen), torch.get_num_threads()) == ({2}, 4)
        assert stream_count(0, backbone) == 4
        torch.set_num_threads(64)
        assert stream_count(0, backbone) == streams.MOST_ON_CPU, "each needs memory of its own"
        assert stream_count(7, backbone) == 7
    finally:
        torch.set_num_threads(before)


def test_cuda_gets_streams_only_where_recordings_are_computed_alone() -> None:
    backbone = StubBackbone()
    backbone.device = "cuda"
    assert stream_count(0, backbone) == 1
    backbone.batching = "single"
    assert 2 <= stream_count(0, backbone) <= 4


@pytest.mark.parametrize("batching", ["single", "equal", "masked"])
def test_the_store_is_the_one_of_a_single_stream(tmp_path: Path, batching: str) -> None:
    paths = [*recordings(tmp_path / "a", 30), recording(tmp_path / "a" / "long.wav", speechlike(2.0, seed=9))]
    found = []
    for count in (1, 3):
        config = settings(tmp_path / str(count))
        config.extract.streams, config.extract.batch_size = count, 4
        config.audio.max_duration_s = 0.5
        found.append(extract(paths, config, StubBackbone(batching=batching)))  # type: ignore[arg-type]
    assert found[0].keys == found[1].keys
    for layer in ALL:
        assert rows(found[0], layer).tobytes() == rows(found[1], layer).tobytes()


@pytest.mark.timeout(60)
def test_a_budget_smaller_than_what_the_streams_hold_is_no_deadlock(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.extract.streams, config.extract.batch_size, config.extract.seconds_in_flight = 4, 1, 0.1
    done = extract(recordings(tmp_path / "a", 20), config, StubBackbone(call_s=0.002))
    assert done.computed == 20


def test_ctrl_c_keeps_what_the_streams_have_computed(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.extract.streams, config.extract.batch_size = 2, 1
    backbone = StubBackbone(
        call_s=0.01, before=lambda call: signal.raise_signal(signal.SIGINT) if call == 8 else None
    )
    done = extract(recordings(tmp_path / "a", 40), config, backbone)
    assert done.interrupted
    computed = len(backbone.batches)
    assert 8 <= computed < 20, "nothing new is begun"
    assert done.computed == computed == set_up(StubBackbone(), ALL, config).store.count(ALL)


@pytest.mark.data
def test_real_speech_through_the_mini_network_is_within_design_4(tmp_path: Path, speech: Path) -> None:
    paths = sorted((speech / "emodb" / "wav").glob("*"))[:24]
    backbone = build_backbone(BackboneConfig(name="native_mini", device="cpu"), tmp_path)
    found = []
    for count in (1, 2):
        config = settings(tmp_path / str(count))
        config.extract.streams, config.extract.batch_size = count, 4
        setup = set_up(backbone, list(backbone.layers), config)
        found.append(run_extraction(setup, plan_extraction(setup, [Utterance(p.stem, p) for p in paths])))
    assert found[0].keys == found[1].keys
    for layer, bound in TOLERANCE.items():
        assert relative_l2(rows(found[1], layer), rows(found[0], layer)) <= bound


@pytest.mark.gpu
def test_streams_on_cuda_compute_what_one_does(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    export_torchscript(untrained(mini_config()), file)
    backbone = build_backbone(BackboneConfig(path=str(file), device="cuda", engine="torchscript"), tmp_path)
    assert stream_count(0, backbone) == streams.CUDA_STREAMS
    signals = [speechlike(0.5 + i / 10, seed=i).astype(np.float32) for i in range(12)]
    asked = [[Piece(i, 0, signal)] for i, signal in enumerate(signals)]
    alone = list(compute_batches(backbone, ["embedding"], asked, streams=1))
    together = list(compute_batches(backbone, ["embedding"], asked, streams=3))
    for (first, one), (second, many) in zip(alone, together, strict=True):
        assert first is second
        assert relative_l2(many["embedding"], one["embedding"]) <= TOLERANCE["embedding"]
