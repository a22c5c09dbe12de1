"""``extract.engine=ray``: the store of the local engine, also when an actor is killed. Needs ``profiling[ray]``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from profiling.config import RunConfig
from profiling.features import distributed
from profiling.features.distributed import RayFailedError, run_on_ray
from profiling.features.extract import Extraction, plan_extraction, run_extraction, set_up
from profiling.features.verify import verify
from tests.stub_backbone import ALL, StubBackbone, extract, recordings, rows, settings
from tests.test_extract_processes import asked_of, build

ray = pytest.importorskip("ray", reason="profiling[ray] is not installed")
pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _a_ray_of_our_own() -> Iterator[None]:
    yield
    ray.shutdown()


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = settings(tmp_path)
    config.extract.processes, config.extract.batch_size = 2, 1
    return config


def extract_on_ray(paths: list[Path], config: RunConfig, builder: object = build) -> Extraction:
    setup = set_up(StubBackbone(), ALL, config)
    return run_extraction(setup, plan_extraction(setup, asked_of(paths)), partial(run_on_ray, build=builder))


def build_broken(config: RunConfig) -> StubBackbone:
    raise RuntimeError("no weights here")


def test_two_actors_give_the_store_of_one_process(tmp_path: Path, config: RunConfig) -> None:
    paths = recordings(tmp_path / "a", 30)
    bad = tmp_path / "a" / "bad.wav"
    bad.write_bytes(b"no audio")
    done = extract_on_ray([*paths, bad], config)
    alone = extract(paths, settings(tmp_path / "alone"))
    assert (done.computed, [entry.utt_id for entry in done.quarantined]) == (30, ["bad"])
    assert done.keys == [*alone.keys, None]
    keys = [key for key in done.keys if key]
    for layer in ALL:
        assert done.store.read(keys, [layer], verify="all")[layer].tobytes() == rows(alone, layer).tobytes()
    again = extract(paths, config, backbone := StubBackbone())
    assert (again.cached, backbone.batches) == (30, []), "the driver remembers what the actors have read"
    assert verify(done.store.folder) == []


def test_a_killed_actor_loses_nothing(tmp_path: Path, config: RunConfig) -> None:
    paths = recordings(tmp_path / "a", 30)
    (tmp_path / "die").touch()
    done = extract_on_ray(paths, config)
    assert not (tmp_path / "die").exists(), "nobody was killed: the test shows nothing"
    assert done.cached + done.computed == 30
    assert rows(done).tobytes() == rows(extract(paths, settings(tmp_path / "alone"))).tobytes()


def test_rows_that_do_not_come_are_asked_for_three_times(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def nothing(ray: object, recipe: object, plan: object, todo: list[int], *rest: object) -> str:
        rounds.append(list(todo))
        return "actors died"

    monkeypatch.setattr(distributed, "_round", nothing)
    with pytest.raises(
        RayFailedError, match=r"4 of 4 utterances have no rows after 3 rounds \(actors died\)"
    ):
        extract_on_ray(recordings(tmp_path / "a", 4), config)
    assert rounds == [[0, 1, 2, 3]] * 3


def test_a_worker_that_cannot_start_is_said(tmp_path: Path, config: RunConfig) -> None:
    with pytest.raises(RayFailedError, match="no weights here"):
        extract_on_ray(recordings(tmp_path / "a", 4), config, build_broken)
