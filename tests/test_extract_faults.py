"""Extraction under kills, Ctrl-C and full disks: what was committed stays, and is not computed again."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from profiling.config import RunConfig
from profiling.errors import StoreError
from profiling.features.compact import compact
from profiling.features.extract import Extraction
from profiling.features.prepare import InterruptedExtractionError, prepare_features
from profiling.features.prepare import Utterance as Asked
from profiling.features.verify import verify
from tests.stub_backbone import ALL, StubBackbone, extract, recordings, rows, settings

# A forked child starts in milliseconds; a fresh interpreter needs seconds on a busy machine.
PROCESSES = multiprocessing.get_context("fork")
COUNT = 150


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def often(folder: Path) -> RunConfig:
    """One utterance in a batch, and a commit every few milliseconds."""
    config = settings(folder)
    config.extract.batch_size, config.store.commit_every_s = 1, 0.02
    return config


def computed(log: Path) -> list[int]:
    """Which recordings went through the backbone, by their lengths."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def wait_for(child: BaseProcess, log: Path, count: int) -> None:
    """Until so many have gone through the backbone; by progress, as a busy machine makes any time too short."""
    deadline = time.monotonic() + 120
    while child.is_alive() and len(computed(log)) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def present(done: Extraction) -> set[int]:
    """Which recordings have rows, by their lengths."""
    return {1000 + i for i, key in enumerate(done.keys) if key and not done.store.missing([key], ALL)}


@pytest.mark.parametrize("seed", range(2))
def test_sigkill_and_resume(tmp_path: Path, seed: int) -> None:
    """Killed at random moments: same keys, same bits, nothing that was committed is computed again."""
    paths, config, moments = recordings(tmp_path / "a", COUNT), often(tmp_path), random.Random(seed)
    config.extract.streams = 1 + seed
    whole = extract(paths, often(tmp_path / "whole"))
    safe: set[int] = set()
    for attempt in range(4):
        log = tmp_path / f"{attempt}.log"
        backbone = StubBackbone(call_s=0.002, log=log)
        child = PROCESSES.Process(target=extract, args=(paths, config, backbone))
        child.start()
        wait_for(child, log, moments.randint(15, 35))  # 2 ms each: a commit at least
        time.sleep(moments.uniform(0, 0.02))
        child.kill()
        child.join()
        kept = {1000 + i for i, key in enumerate(whole.keys) if key in whole_store(whole, config)}
        assert safe <= kept, "a committed row was lost"
        assert not safe & set(computed(log)), "a committed row was computed again"
        safe = kept
    assert safe, "every child was killed before its first commit: the test shows nothing"
    last = StubBackbone(log=tmp_path / "last.log")
    done = extract(paths, config, last)
    assert done.keys == whole.keys
    assert sorted([*safe, *computed(tmp_path / "last.log")]) == [1000 + i for i in range(COUNT)]
    for layer in ALL:
        assert rows(done, layer).tobytes() == rows(whole, layer).tobytes()
    assert {problem.kind for problem in verify(done.store.folder)} <= {"temporary"}


def whole_store(like: Extraction, config: RunConfig) -> set[object]:
    """Keys that are committed in ``config``'s store, opened anew."""
    folder = Path(config.paths.features) / like.store.folder.name
    return set(type(like.store).load(folder).present(ALL)) if (folder / "spec.json").exists() else set()


def test_ctrl_c_commits_says_how_to_go_on_and_resumes(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 20), settings(tmp_path)
    config.extract.batch_size = 1  # and commit_every_s is a minute: only Ctrl-C can have committed
    backbone = StubBackbone(before=lambda call: signal.raise_signal(signal.SIGINT) if call == 8 else None)
    asked = [Asked(path.stem, path) for path in paths]
    with pytest.raises(InterruptedExtractionError, match=r"7 of 20 .*the same command goes on") as caught:
        prepare_features(asked, ALL, config, backbone, lambda line: None)
    assert caught.value.exit_code == 130
    again = StubBackbone()
    done = extract(paths, config, again)
    assert (done.cached, done.computed) == (7, 13)
    assert [length for (length,) in again.batches] == list(range(1007, 1020))
    np.testing.assert_array_equal(rows(done), rows(extract(paths, settings(tmp_path / "whole"))))


def test_ctrl_c_inside_a_commit_counts_the_row_that_became_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, config = recordings(tmp_path / "a", 9), settings(tmp_path)
    config.extract.batch_size, config.store.shard_bytes = 1, 1
    extract([], config)  # spec.json is written before
    fsync, calls = os.fsync, []

    def pressed_at_the_third_shard(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 5:  # a file and its folder for each shard
            signal.raise_signal(signal.SIGINT)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", pressed_at_the_third_shard)
    done = extract(paths, config)
    assert (done.interrupted, done.computed) == (True, 3)
    assert present(done) == {1000, 1001, 1002}


def test_ctrl_c_while_waiting_for_a_decoder_leaves_no_thread_behind(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 10), settings(tmp_path)
    config.extract.batch_size = 1
    backbone = StubBackbone(before=lambda call: signal.raise_signal(signal.SIGINT) if call == 1 else None)
    done = extract(paths, config, backbone)
    assert (done.interrupted, done.computed, done.keys) == (True, 0, [None] * 10)
    import threading

    assert [t.name for t in threading.enumerate() if t.name.startswith("decode")] == []


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, config = recordings(tmp_path / "a", 12), settings(tmp_path)
    config.extract.batch_size, config.store.shard_bytes = 1, 4 * 12 * 3  # three rows a shard
    fsync, calls = os.fsync, []

    def full_at_the_third_shard(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:  # a file and its folder for each shard
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    extract([], config)  # spec.json is written before the disk is full
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_at_the_third_shard)
        with pytest.raises(StoreError, match="No space left on device; make room and run again"):
            extract(paths, config)
    backbone = StubBackbone()
    done = extract(paths, config, backbone)
    assert (done.cached, done.computed) == (6, 6)
    assert len(backbone.batches) == 6
    assert verify(done.store.folder) == []


def test_a_crash_of_the_backbone_keeps_what_was_complete(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 6), settings(tmp_path)
    config.extract.batch_size = 1

    def out_of_memory(call: int) -> None:
        if call == 5:
            raise RuntimeError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        extract(paths, config, StubBackbone(before=out_of_memory))
    done = extract(paths, config)
    assert (done.cached, done.computed) == (4, 2)


def test_hashes_are_remembered_as_soon_as_their_rows_are_safe(tmp_path: Path) -> None:
    """After a kill, recordings whose rows were committed are not even opened again."""
    paths, config = recordings(tmp_path / "a", 40), often(tmp_path)
    log = tmp_path / "log"
    child = PROCESSES.Process(target=extract, args=(paths, config, StubBackbone(call_s=0.01, log=log)))
    child.start()
    wait_for(child, log, 20)
    child.kill()
    child.join()
    from profiling.features.extract import plan_extraction, set_up

    setup = set_up(StubBackbone(), ALL, config)
    plan = plan_extraction(setup, [Asked(path.stem, path) for path in paths])
    known = sum(key is not None for key in plan.keys)
    stored = setup.store.count(ALL)
    assert stored >= 10
    assert stored - known <= 8, "at most the last commit's rows have no remembered hash"


@pytest.mark.slow
def test_fifty_sigkills_at_random_points(tmp_path: Path) -> None:
    """Sixty files at a millisecond each: stores killed again and again end as one that never was, bit for bit."""
    paths, moments, kills, stores = recordings(tmp_path / "a", 60), random.Random(7), 0, 0
    whole = extract(paths, often(tmp_path / "whole"))
    while kills < 50:
        stores += 1
        config = often(tmp_path / f"store{stores}")
        safe: set[object] = set()
        for _ in range(10):
            child = PROCESSES.Process(target=extract, args=(paths, config, StubBackbone(call_s=0.001)))
            child.start()
            child.join(moments.uniform(0.01, 0.25))
            killed = child.is_alive()
            child.kill()
            child.join()
            kills += killed
            kept = whole_store(whole, config)
            assert safe <= kept, "a committed row was lost"
            safe = kept
            if not killed:
                break
        done = extract(paths, config)
        assert done.keys == whole.keys
        for layer in ALL:
            assert rows(done, layer).tobytes() == rows(whole, layer).tobytes()
        assert {problem.kind for problem in verify(done.store.folder)} <= {"temporary"}


def truncate(shard: Path) -> None:
    os.truncate(shard, shard.stat().st_size - 100)


def flip_a_byte(shard: Path) -> None:
    """Of a feature: only its row's checksum can tell."""
    data = bytearray(shard.read_bytes())
    values = pa.ipc.open_file(shard).get_batch(0).column("layer:gfe_1").values.to_numpy().tobytes()
    data[data.index(values) + 5] ^= 1
    shard.write_bytes(data)


def edit_spec(shard: Path) -> None:
    file = shard.parent / "spec.json"
    file.write_text(file.read_text().replace("soxr_hq", "soxr_vhq"))


def spoil_spec(shard: Path) -> None:
    (shard.parent / "spec.json").write_text('{"key": {')


@pytest.mark.parametrize(
    ("damage", "kind", "recomputed"),
    [
        (truncate, "truncated", 3),
        (flip_a_byte, "altered", 3),
        (edit_spec, "spec", 0),
        (spoil_spec, "spec", 0),
    ],
)
def test_verify_finds_reading_refuses_and_extraction_repairs(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    kind: str,
    recomputed: int,
) -> None:
    paths, config = recordings(tmp_path / "a", 12), settings(tmp_path)
    config.extract.batch_size, config.store.shard_bytes = 1, 4 * 12 * 3  # three rows a shard
    before = extract(paths, config)
    expected, keys = rows(before).copy(), [key for key in before.keys if key]
    folder = before.store.folder
    (folder / ".00000000.1.00.tmp").write_bytes(b"left over")
    os.utime(folder / ".00000000.1.00.tmp", (0, 0))
    damage(sorted(folder.glob("*.arrow"))[1])
    assert {problem.kind for problem in verify(folder)} == {kind, "temporary"}
    with pytest.raises(StoreError, match=r"damaged|edited"):
        type(before.store).load(folder).read(keys, ALL)
    done = extract(paths, config)
    assert (done.cached, done.computed) == (12 - recomputed, recomputed)
    np.testing.assert_array_equal(rows(done), expected)
    assert {problem.kind for problem in verify(folder)} == {"temporary"}
    assert len(list((folder / "damaged").iterdir())) == 1
    assert "set aside" in caplog.text or "written anew" in caplog.text


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back at every look: rows, order, resuming, remembered hashes and maintenance are as ever."""
    paths = recordings(tmp_path / "a", 12)
    whole = extract(paths, settings(tmp_path / "whole"))
    start_ns, looks = time.time_ns(), count()
    monkeypatch.setattr(time, "time_ns", lambda: start_ns - next(looks) * 3_600_000_000_000)
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9)
    config = settings(tmp_path)
    config.store.shard_bytes = 4 * 12 * 3  # three rows a shard
    assert extract(paths[:7], config).computed == 7
    done = extract(paths, config)
    assert next(looks) > 10, "nobody looked at the clock: the test shows nothing"
    assert (done.cached, done.computed) == (7, 5)
    assert done.keys == whole.keys
    for layer in ALL:
        assert rows(done, layer).tobytes() == rows(whole, layer).tobytes()
    compact(done.store)
    assert verify(done.store.folder) == []
    again = StubBackbone()
    assert extract(paths, config, again).cached == 12
    assert again.batches == []
