"""What ``profiling cache`` does to stores: ls, verify, repair, compact, prune."""

from __future__ import annotations

import multiprocessing
import os
import time

import numpy as np
import pytest

from profiling.errors import StoreError
from profiling.features.maintenance import compact, ls, prune, remove_stores, repair, verify
from profiling.features.temporary import temporary_path
from tests.store_rows import DIMS, expected, feature_key, fill, open_store, row_keys, shard_paths

ALL = list(DIMS)


def kinds(store):
    return [(problem.kind, problem.path.name) for problem in verify(store.folder)]


def dead_temporary(folder):
    """A temporary file whose writer has ended."""
    child = multiprocessing.get_context("fork").Process(
        target=lambda: temporary_path(folder).write_bytes(b"half")
    )
    child.start()
    child.join()
    (path,) = folder.glob(".*.tmp")
    return path


class TestLs:
    def test_no_folder_and_no_store(self, tmp_path):
        assert ls(tmp_path / "absent") == []
        (tmp_path / "something").mkdir()
        assert ls(tmp_path) == []

    def test_counts_rows_by_layer_once(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(25), ["gfe_1", "pool"])
        fill(store, row_keys(30)[20:], ["pool"])
        open_store(tmp_path, dtype="float16")
        described = {info.dtype: info for info in ls(tmp_path)}
        assert described["float32"].rows == {"gfe_1": 25, "pool": 30}
        assert described["float32"].shards == 4
        assert described["float32"].num_bytes == sum(path.stat().st_size for path in store.folder.iterdir())
        assert (described["float32"].backbone, described["float32"].training) == ("stub", "unknown")
        assert described["float16"].rows == {}

    def test_shows_damage_and_goes_on(self, tmp_path):
        store, broken = open_store(tmp_path), open_store(tmp_path, precision="tf32")
        fill(store, row_keys(20))
        os.truncate(shard_paths(store)[0], 50)
        (broken.folder / "spec.json").write_text("{")
        described = {info.folder: info for info in ls(tmp_path)}
        assert described[store.folder].rows == dict.fromkeys(DIMS, 10)
        assert len(described[store.folder].problems) == 1
        assert "spec.json is damaged" in described[broken.folder].problems[0]


class TestVerifyAndRepair:
    def test_a_clean_store_has_no_problems(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(20))
        (store.folder / "quarantine.csv").write_text("utt_id\n")
        assert verify(store.folder) == []
        assert repair(store.folder) == []

    def test_names_each_kind_of_problem(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(40))
        truncated, flipped, intact, garbage = shard_paths(store)
        os.truncate(truncated, truncated.stat().st_size - 9)
        pool = expected(row_keys(40), "pool")
        data = flipped.read_bytes()
        offset = next(at for row in pool if (at := data.find(row.tobytes())) > 0)
        flipped.write_bytes(data[:offset] + bytes([data[offset] ^ 4]) + data[offset + 1 :])
        garbage.write_bytes(b"not arrow at all")
        (store.folder / "notes.txt").write_text("mine")
        temporary = dead_temporary(store.folder)
        found = {problem.path: problem for problem in verify(store.folder)}
        assert {path.name: problem.kind for path, problem in found.items()} == {
            truncated.name: "truncated",
            flipped.name: "altered",
            garbage.name: "unreadable",
            "notes.txt": "foreign",
            temporary.name: "temporary",
        }
        assert found[flipped].detail == "checksums do not fit: pool in 1 of 10 rows"
        assert "has ended" in found[temporary].detail
        moved = repair(store.folder)
        assert sorted(path.name for path in moved) == sorted([truncated.name, flipped.name, garbage.name])
        assert all(path.parent == store.folder / "damaged" and path.exists() for path in moved)
        assert shard_paths(store) == [intact]
        missing = open_store(tmp_path).missing(row_keys(40), ALL)
        assert len(missing) == 30
        fill(store, missing)  # as the next extraction does
        np.testing.assert_array_equal(store.read(row_keys(40), ["pool"])["pool"], pool)

    def test_an_edited_spec_is_a_problem_that_repair_leaves_alone(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(5))
        spec = store.folder / "spec.json"
        spec.write_text(spec.read_text().replace('"dtype": "float32"', '"dtype": "float16"'))
        assert kinds(store) == [("spec", "spec.json")]
        assert repair(store.folder) == []
        assert len(shard_paths(store)) == 1

    def test_a_renamed_shard_no_longer_fits_its_name(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(5))
        (path,) = shard_paths(store)
        renamed = path.rename(path.with_name("0" * 16 + "-00000000.arrow"))
        assert kinds(store) == [("altered", renamed.name)]

    def test_no_folder(self, tmp_path):
        with pytest.raises(StoreError, match="no such feature store"):
            verify(tmp_path / "absent")


class TestTemporaryFiles:
    def test_a_live_writer_is_left_alone_until_an_hour_has_passed(self, tmp_path):
        store = open_store(tmp_path)
        path = temporary_path(store.folder)
        path.write_bytes(b"being written")
        assert verify(store.folder) == []
        os.utime(path, (time.time() - 3700,) * 2)
        assert kinds(store) == [("temporary", path.name)]

    def test_a_clock_that_went_back_makes_nothing_stale(self, tmp_path):
        store = open_store(tmp_path)
        path = temporary_path(store.folder)
        path.write_bytes(b"being written")
        os.utime(path, (time.time() + 10 * 365 * 86400,) * 2)
        assert verify(store.folder) == []

    def test_a_pid_of_another_host_says_nothing(self, tmp_path):
        store = open_store(tmp_path)
        mine = dead_temporary(store.folder)
        _, _, pid, rest = mine.name.split(".", 3)
        mine.rename(store.folder / f".0000aaaa.{pid}.{rest}")
        assert verify(store.folder) == []

    def test_prune_removes_the_stale_ones_only_when_told(self, tmp_path):
        store = open_store(tmp_path)
        stale = dead_temporary(store.folder)
        live = temporary_path(store.folder)
        live.write_bytes(b"being written")
        assert prune(store).files == [stale]
        assert stale.exists()
        report = prune(store, dry_run=False)
        assert (report.num_bytes, report.applied) == (4, True)
        assert (stale.exists(), live.exists()) == (False, True)


class TestCompact:
    def test_merges_layers_and_small_shards_and_drops_repeats(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(50)
        fill(store, keys, ["gfe_1", "pool"], rows_per_shard=3)
        fill(store, keys[:40][::-1], ["embedding"], rows_per_shard=4)
        fill(store, keys[:10], ["pool", "attention"])
        done = compact(store)
        # rows with {gfe_1, pool}, with {.., embedding}, with {.., attention, embedding}
        assert (done.shards_before, done.shards_after, done.merged) == (17 + 10 + 1, 3, 28)
        assert len(shard_paths(store)) == 3
        assert done.bytes_after < done.bytes_before
        assert store.present(["gfe_1", "pool"]) == set(keys)
        assert store.present(["embedding"]) == set(keys[:40])
        assert store.present(["attention", "embedding"]) == set(keys[:10])
        np.testing.assert_array_equal(
            store.read(keys[:40], ["embedding"], verify="all")["embedding"], expected(keys[:40], "embedding")
        )
        np.testing.assert_array_equal(
            store.read(keys, ["pool"], verify="all")["pool"], expected(keys, "pool")
        )
        assert verify(store.folder) == []

    def test_a_second_time_finds_nothing_to_do(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(60)
        fill(store, keys, rows_per_shard=4)
        fill(store, row_keys(9, "other"), ["pool"], rows_per_shard=4)
        assert compact(store, shard_bytes=3000).merged == 18
        names = [path.name for path in shard_paths(store)]
        assert compact(store, shard_bytes=3000).merged == 0
        assert [path.name for path in shard_paths(store)] == names

    def test_keeps_what_was_noted_about_a_row(self, tmp_path):
        store, (key,) = open_store(tmp_path), row_keys(1)
        for layer in ("pool", "embedding"):
            with store.writer([layer], shard_bytes=1, commit_every_s=60) as writer:
                writer.add(key, {layer: expected([key], layer)[0]}, ["windowed", "upsampled"], 61.25)
        compact(store)
        (shard,) = store.refresh().shards
        assert list(shard.layers) == ["embedding", "pool"]
        assert store.flags([key]) == {key: ("upsampled", "windowed")}
        assert shard.durations_s.tolist() == [61.25]

    def test_an_empty_store(self, tmp_path):
        assert compact(open_store(tmp_path)).merged == 0


class TestPrune:
    def test_keeps_the_rows_of_the_manifests_and_says_first_what_would_go(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(30)
        fill(store, keys)
        untouched = [path for path in shard_paths(store) if path not in {shard_paths(store)[0]}]
        keep = [*keys[:13], *row_keys(3, "elsewhere")]
        planned = prune(store, keep)
        assert (planned.rows, planned.num_bytes, planned.applied) == (17, 17 * 4 * sum(DIMS.values()), False)
        assert len(shard_paths(store)) == len(untouched) + 1
        assert prune(store, keep, dry_run=False).rows == 17
        assert store.present(ALL) == set(keys[:13])
        np.testing.assert_array_equal(
            store.read(keys[:13], ["pool"], verify="all")["pool"], expected(keys[:13], "pool")
        )
        assert prune(store, keep).rows == 0

    def test_keeping_nothing_empties_the_store(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(12))
        assert prune(store, [], dry_run=False).rows == 12
        assert (shard_paths(store), store.count(ALL)) == ([], 0)

    def test_what_repair_set_aside_goes_only_by_name(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(12))
        os.truncate(shard_paths(store)[0], 100)
        repair(store.folder)
        assert prune(store, dry_run=False).files == []
        assert prune(store, damaged=True, dry_run=False).num_bytes == 100
        assert list((store.folder / "damaged").iterdir()) == []

    def test_whole_stores_by_name(self, tmp_path):
        store, other = open_store(tmp_path), open_store(tmp_path, precision="tf32")
        fill(store, row_keys(12))
        planned = remove_stores(tmp_path, [store.folder.name])
        assert (len(planned.files), store.folder.exists()) == (3, True)
        remove_stores(tmp_path, [store.folder.name], dry_run=False)
        assert [info.folder for info in ls(tmp_path)] == [other.folder]
        assert not store.folder.exists()

    def test_a_stranger_s_file_in_a_store_stays(self, tmp_path):
        store = open_store(tmp_path)
        (store.folder / "notes.txt").write_text("mine")
        remove_stores(tmp_path, [store.folder.name], dry_run=False)
        assert [path.name for path in store.folder.iterdir()] == ["notes.txt"]

    @pytest.mark.parametrize("name", ["stub-0000", "..", ""])
    def test_an_unknown_name_removes_nothing(self, tmp_path, name):
        store = open_store(tmp_path)
        with pytest.raises(StoreError, match="has no store"):
            remove_stores(tmp_path, [store.folder.name, name], dry_run=False)
        assert store.folder.name == feature_key().folder_name
        assert store.folder.exists()
