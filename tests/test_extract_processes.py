"""Several processes and several parts fill one store: nothing is lost, nothing differs, merging is copying."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from profiling.config import RunConfig
from profiling.errors import ConfigError, StoreError
from profiling.features.blocks import BlockWorker, cut_blocks, recipe_of
from profiling.features.compact import compact
from profiling.features.decode import Utterance
from profiling.features.extract import Extraction, plan_extraction, run_extraction, set_up
from profiling.features.maintenance import prune
from profiling.features.plan import part_of
from profiling.features.processes import WorkerLostError, _share_threads, run_in_processes
from profiling.features.store import FeatureStore
from profiling.features.verify import verify
from tests.command_line import CommandLine, manifest
from tests.recordings import speechlike
from tests.stub_backbone import ALL, StubBackbone, extract, recording, recordings, rows, settings

PROCESSES = multiprocessing.get_context("fork")


def build(config: RunConfig) -> StubBackbone:
    """In a child: what a call does is said by files beside the store."""
    folder = Path(config.paths.cache).parent
    return StubBackbone(call_s=0.001, before=partial(_misbehave, folder), log=folder / "log")


def _misbehave(folder: Path, call: int) -> None:
    if (folder / "die").exists():
        (folder / "die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / "slow").exists():
        time.sleep(0.2)


def build_other(config: RunConfig) -> StubBackbone:
    backbone = StubBackbone()
    backbone.precision = "tf32"
    return backbone


def extract_in_processes(asked: list[Utterance], config: RunConfig, builder: object = build) -> Extraction:
    setup = set_up(StubBackbone(), ALL, config)
    return run_extraction(setup, plan_extraction(setup, asked), partial(run_in_processes, build=builder))


def asked_of(paths: list[Path]) -> list[Utterance]:
    return [Utterance(path.stem, path) for path in paths]


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = settings(tmp_path)
    config.extract.processes, config.extract.batch_size = 2, 1
    return config


def test_two_processes_give_the_store_of_one(tmp_path: Path, config: RunConfig) -> None:
    paths = recordings(tmp_path / "a", 24)
    (paths[5].parent / "bad.wav").write_bytes(b"no audio")
    spans = [Utterance(f"part{s}", paths[3], s, s + 500) for s in (0, 500)]
    copy = recording(tmp_path / "a" / "copy.wav", speechlike(1000 / 16_000, seed=0))
    asked = [*asked_of([*paths, copy, paths[5].parent / "bad.wav"]), *spans]
    done = extract_in_processes(asked, config)
    alone = extract(asked, settings(tmp_path / "alone"))
    assert done.keys == alone.keys
    assert done.durations_s == alone.durations_s
    assert [entry.utt_id for entry in done.quarantined] == ["bad"]
    assert done.cached + done.computed + done.shared + 1 == len(asked)
    good = [i for i, key in enumerate(done.keys) if key]
    for layer in ALL:
        found, expected = (
            run.store.read([run.keys[i] for i in good], [layer], verify="all")[layer] for run in (done, alone)
        )
        assert found.tobytes() == expected.tobytes()
    again = extract(asked, config, backbone := StubBackbone())
    assert (again.cached, backbone.batches) == (len(asked) - 1, [])
    assert verify(done.store.folder) == []


def test_a_killed_process_is_said_and_the_rest_is_kept(tmp_path: Path, config: RunConfig) -> None:
    asked = asked_of(recordings(tmp_path / "a", 40))
    (tmp_path / "die").touch()
    with pytest.raises(WorkerLostError, match=r"fewer extract\.processes; rows that were committed are kept"):
        extract_in_processes(asked, config)
    done = extract_in_processes(asked, config)
    assert done.keys == extract(asked, settings(tmp_path / "alone")).keys
    assert done.cached + done.computed == 40


def test_ctrl_c_commits_in_every_process(tmp_path: Path, config: RunConfig) -> None:
    asked = asked_of(recordings(tmp_path / "a", 60))
    (tmp_path / "slow").touch()
    code = PROCESSES.Process(target=_interrupted, args=(asked, config, tmp_path / "said"))
    code.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "log").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(code.pid, signal.SIGINT)
    code.join(60)
    assert (tmp_path / "said").read_text() == "interrupted"
    (tmp_path / "slow").unlink()
    kept = set_up(StubBackbone(), ALL, config).store.count(ALL)
    assert 2 <= kept < 60, "what was computed is committed, a minute's wait or not"
    assert extract_in_processes(asked, config).cached == kept


def _interrupted(asked: list[Utterance], config: RunConfig, said: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done = extract_in_processes(asked, config)
    said.write_text("interrupted" if done.interrupted else "finished")


def test_a_child_whose_script_has_imported_torch_still_takes_its_part_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        _share_threads(3)
        assert torch.get_num_threads() == before, "the user has said it"
        monkeypatch.delenv("OMP_NUM_THREADS")
        _share_threads(3)
        assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (3, "3")
    finally:
        torch.set_num_threads(before)


def test_a_worker_with_other_weights_is_refused(tmp_path: Path, config: RunConfig) -> None:
    setup = set_up(StubBackbone(), ALL, config)
    with pytest.raises(StoreError, match="a worker has another feature key"):
        BlockWorker(recipe_of(setup, build_other))


def test_blocks_hold_whole_files_and_everything_once(tmp_path: Path, config: RunConfig) -> None:
    paths = recordings(tmp_path / "a", 30)
    asked = [Utterance(f"{p.stem}-{s}", p, s, s + 400) for s in (0, 400) for p in paths]
    plan = plan_extraction(set_up(StubBackbone(), ALL, config), asked)
    blocks = cut_blocks(plan, plan.todo, 2)
    assert sorted(i for block in blocks for i in block) == list(range(60))
    files = [{asked[i].path for i in block} for block in blocks]
    assert sum(map(len, files)) == 30
    assert 7 <= len(blocks) <= 9


def test_stores_merge_by_copying_folders_together(tmp_path: Path) -> None:
    """Two machines without a common file system: each has computed a part, and some of it twice."""
    asked = asked_of(recordings(tmp_path / "a", 30))
    first = extract(part_of(asked, "1/2"), settings(tmp_path / "one"))
    second = extract(part_of(asked, "2/2") + asked[:10], settings(tmp_path / "two"))
    assert first.store.folder.name == second.store.folder.name
    shutil.copytree(second.store.folder, first.store.folder, dirs_exist_ok=True)
    merged = FeatureStore.load(first.store.folder)
    alone = extract(asked, settings(tmp_path / "alone"))
    assert merged.present(ALL) == alone.store.present(ALL)
    assert verify(merged.folder) == []
    keys = [key for key in alone.keys if key]
    for layer in ALL:
        assert merged.read(keys, [layer], verify="all")[layer].tobytes() == rows(alone, layer).tobytes()
    compact(merged)
    assert (merged.count(ALL), len(merged.refresh().shards)) == (30, 1)


@pytest.mark.parametrize("act", ["compact", "prune"])
def test_maintenance_beside_live_writers_and_readers(tmp_path: Path, act: str) -> None:
    """Two processes extract while this one compacts or prunes, over and over, and reads."""
    asked = asked_of(recordings(tmp_path / "a", 60))
    config = settings(tmp_path)
    config.extract.batch_size, config.store.commit_every_s = 1, 0.02
    store = extract(asked[:10], config).store
    early = [key for key in extract(asked[:10], config).keys if key]
    stranger = extract([recording(tmp_path / "b.wav", speechlike(seed=99))], config).keys[0]
    alone = extract(asked, settings(tmp_path / "alone"))
    wanted = [key for key in alone.keys if key]
    backbone = StubBackbone(call_s=0.01)
    writers = [
        PROCESSES.Process(target=extract, args=(asked[start:], config, backbone)) for start in (10, 20)
    ]
    for writer in writers:
        writer.start()
    times = 0
    while any(writer.is_alive() for writer in writers):
        opened = FeatureStore.load(store.folder)
        if act == "compact":
            compact(opened)
        else:
            prune(opened, wanted, dry_run=False)
        assert len(FeatureStore.load(store.folder).read(early, ALL, verify="all")["pool"]) == 10
        times += 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert times > 3
    done = extract(asked, config, last := StubBackbone())
    assert (done.cached, last.batches) == (60, [])
    assert rows(done).tobytes() == rows(alone).tobytes()
    assert (stranger in done.store.present(ALL)) == (act == "compact")
    assert verify(store.folder) == []


def test_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = CommandLine(tmp_path, capsys)
    for number in range(6):
        recording(tmp_path / "corpus" / f"{number}.wav", speechlike(seed=number))
    table = manifest(tmp_path / "corpus", [f"{number}.wav" for number in range(6)])
    said = command.extract(table, "extract.processes=2")
    assert said.code == 0
    assert "0/6 from cache, 6 computed" in said.err
    assert "6/6 from cache" in command.extract(table).err
    assert "extract.processes=0: must be above 0" in command.extract(table, "extract.processes=0").error
    assert "did you mean ray" in command.extract(table, "extract.engine=rai").error
    assert "store.verify=some" in command.extract(table, "store.verify=some").error


def test_without_ray_the_error_names_the_extra(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    recording(tmp_path / "corpus" / "a.wav", speechlike())
    said = CommandLine(tmp_path, capsys).extract(
        manifest(tmp_path / "corpus", ["a.wav"]), "extract.engine=ray"
    )
    assert (said.code, "pip install 'profiling[ray]'" in said.error) == (2, True)
    assert ConfigError.exit_code == 2
