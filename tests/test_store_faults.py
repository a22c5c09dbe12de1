"""The feature store under kills, races, full disks and damage."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import resource
import subprocess
import threading
import time

import numpy as np
import pytest

from profiling.errors import StoreError
from profiling.features.compact import compact
from profiling.features.shard import DamagedShardError
from profiling.features.verify import verify
from tests.store_rows import DIMS, expected, features, fill, open_store, row_keys, shard_paths

ALL = list(DIMS)

# Forked children start in milliseconds; a fresh interpreter needs seconds on a busy machine.
PROCESSES = multiprocessing.get_context("fork")


def write_missing(root, count, rows_per_shard):
    """What extraction does after a restart."""
    store = open_store(root)
    fill(store, store.missing(row_keys(count), ALL), rows_per_shard=rows_per_shard)


def start_writer(*arguments):
    writer = PROCESSES.Process(target=write_missing, args=arguments)
    writer.start()
    return writer


def check_rows(root, keys):
    if keys:
        for layer, values in open_store(root).read(keys, ALL, verify="all").items():
            np.testing.assert_array_equal(values, expected(keys, layer))


def flip(path, offset, mask=1):
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def offset_of(path, values):
    """Where a row's stored values are in the file."""
    return path.read_bytes().index(values.tobytes())


class TestKill:
    @pytest.mark.parametrize("seed", range(3))
    def test_sigkill_and_resume_gives_the_same_rows(self, tmp_path, seed):
        generator, keys, done = random.Random(seed), row_keys(400), set()
        for _ in range(3):
            writer = start_writer(tmp_path, 400, 3)
            time.sleep(generator.uniform(0.05, 0.3))
            writer.kill()
            writer.join()
            before, done = done, open_store(tmp_path).present(ALL)
            assert before <= done <= set(keys)
            check_rows(tmp_path, sorted(done))
        write_missing(tmp_path, 400, 50)
        assert open_store(tmp_path).present(ALL) == set(keys)
        check_rows(tmp_path, keys)
        assert {problem.kind for problem in verify(open_store(tmp_path).folder)} <= {"temporary"}

    def test_four_writers_at_once(self, tmp_path):
        writers = [start_writer(tmp_path, 60, 4) for _ in range(4)]
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0] * 4
        assert open_store(tmp_path).present(ALL) == set(row_keys(60))
        check_rows(tmp_path, row_keys(60))
        assert verify(open_store(tmp_path).folder) == []


class TestDiskFull:
    def check_nothing_is_left_behind(self, store, committed):
        assert open_store(store.folder.parent).present(ALL) == set(committed)
        assert [path.name for path in store.folder.iterdir() if path.name.startswith(".")] == []
        assert verify(store.folder) == []

    def test_a_small_tmpfs(self, tmp_path):
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)],
            capture_output=True,
            text=True,
        )
        if mounted.returncode:
            pytest.skip(f"no tmpfs here ({mounted.stderr.strip()}); test_a_file_size_limit stands in")
        try:
            store, keys = open_store(tmp_path), row_keys(2000)
            with pytest.raises(StoreError, match="No space left on device; make room and run again"):
                fill(store, keys, rows_per_shard=100)
            committed = store.present(ALL)
            assert 100 <= len(committed) < 2000
            self.check_nothing_is_left_behind(store, committed)
        finally:
            subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)

    def test_a_file_size_limit(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(500)
        fill(store, keys[:5])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
        try:
            with pytest.raises(StoreError, match=r"cannot write 400 rows to .*File too large"):
                fill(store, keys, rows_per_shard=400)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.check_nothing_is_left_behind(store, keys[:5])

    def test_fsync_reports_the_full_disk(self, tmp_path, monkeypatch):
        store, keys = open_store(tmp_path), row_keys(5)

        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="No space left on device"):
                fill(store, keys)
        self.check_nothing_is_left_behind(store, [])

    def test_compact_without_room_leaves_the_store_as_it_was(self, tmp_path, monkeypatch):
        store, keys = open_store(tmp_path), row_keys(40)
        fill(store, keys, rows_per_shard=5)
        before, calls = shard_paths(store), []

        def full_at_the_second_shard(descriptor):
            calls.append(descriptor)
            if len(calls) == 3:  # after the first shard's file and its folder
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full_at_the_second_shard)
        with pytest.raises(StoreError, match="No space left on device"):
            compact(store, shard_bytes=3000)
        assert shard_paths(store) == before


class TestDamage:
    @pytest.fixture
    def store(self, tmp_path):
        store = open_store(tmp_path)
        fill(store, row_keys(30))
        return store

    @pytest.mark.parametrize("kept", [0, 5, 200, -1])
    def test_a_truncated_shard_is_named(self, store, kept):
        path = shard_paths(store)[1]
        os.truncate(path, kept if kept >= 0 else path.stat().st_size - 1)
        with pytest.raises(DamagedShardError, match=rf"{path.name}.*damaged.*profiling cache verify"):
            open_store(store.folder.parent).read(row_keys(30), ["pool"])

    def test_a_flipped_bit_of_a_feature_is_named(self, store):
        key = row_keys(30)[17]
        path = next(
            p for p in shard_paths(store) if features(key, ["pool"])["pool"].tobytes() in p.read_bytes()
        )
        flip(path, offset_of(path, features(key, ["pool"])["pool"]) + 5)
        for verify_rows in ("sample", "all"):
            with pytest.raises(
                DamagedShardError, match=f"{path.name}.*1 of 10 rows of pool checked are altered"
            ):
                open_store(store.folder.parent).read(row_keys(30), ["pool"], verify=verify_rows)
        open_store(store.folder.parent).read(row_keys(30), ["gfe_1"], verify="all")
        open_store(store.folder.parent).read(row_keys(30), ["pool"], verify="none")

    @pytest.mark.parametrize(("row", "in_the_sample"), [(599, True), (1, False)])
    def test_the_sample_is_spread_over_the_rows_asked(self, tmp_path, row, in_the_sample):
        store, keys = open_store(tmp_path), row_keys(600)
        fill(store, keys, ["pool"], rows_per_shard=600)
        (path,) = shard_paths(store)
        flip(path, offset_of(path, features(keys[row], ["pool"])["pool"]))
        with pytest.raises(DamagedShardError):
            store.read(keys, ["pool"], verify="all")
        if in_the_sample:
            with pytest.raises(DamagedShardError):
                store.read(keys, ["pool"])
        else:
            assert store.read(keys, ["pool"])["pool"].shape == (600, 12)

    def test_compact_does_not_launder_a_flipped_bit(self, store):
        path = shard_paths(store)[0]
        before = shard_paths(store)
        flip(path, path.read_bytes().index(b"ARROW1", 10) // 2)
        with pytest.raises(StoreError):
            compact(open_store(store.folder.parent))
        assert shard_paths(store) == before

    def test_every_flipped_byte_is_found_by_verify(self, store):
        path = shard_paths(store)[0]
        whole, generator = path.read_bytes(), random.Random(0)
        for offset in [0, len(whole) - 1, *generator.sample(range(len(whole)), 60)]:
            flip(path, offset, 1 << generator.randrange(8))
            (problem,) = verify(store.folder)
            assert problem.path == path
            assert problem.damaged_shard
            path.write_bytes(whole)

    def test_a_temporary_file_is_ignored_by_readers(self, store):
        (store.folder / ".deadbeef.1.00.tmp").write_bytes(shard_paths(store)[0].read_bytes()[:100])
        assert open_store(store.folder.parent).count(ALL) == 30


class TestRaces:
    def test_readers_live_through_compaction(self, tmp_path):
        keys = row_keys(200)
        fill(open_store(tmp_path), keys, ["gfe_1", "pool"], rows_per_shard=3)
        fill(open_store(tmp_path), keys, ["embedding"], rows_per_shard=3)
        view = open_store(tmp_path).view(keys, ["pool", "embedding"])
        errors, stop = [], threading.Event()

        def read_again_and_again():
            try:
                while not stop.is_set():
                    found = open_store(tmp_path).read(keys, ["embedding", "pool"], verify="none")
                    np.testing.assert_array_equal(found["pool"], expected(keys, "pool"))
            except BaseException as error:  # noqa: BLE001 - shown by the assertion
                errors.append(error)

        readers = [threading.Thread(target=read_again_and_again) for _ in range(2)]
        for reader in readers:
            reader.start()
        for size in (800, 2000, 10**6):
            compact(open_store(tmp_path), shard_bytes=size)
        stop.set()
        for reader in readers:
            reader.join()
        assert errors == []
        np.testing.assert_array_equal(view.load()[:, :12], expected(keys, "pool"))  # its shards are gone

    def test_a_reader_between_listing_and_opening_tries_again(self, tmp_path, monkeypatch):
        keys = row_keys(30)
        fill(open_store(tmp_path), keys)
        opened = []

        def merged_meanwhile(path, spec):
            opened.append(path)
            if len(opened) == 2:
                monkeypatch.undo()
                compact(open_store(tmp_path))
            return original(path, spec)

        from profiling.features import catalog

        original = catalog.open_shard
        monkeypatch.setattr(catalog, "open_shard", merged_meanwhile)
        assert open_store(tmp_path).present(ALL) == set(keys)
        assert len(opened) == 2

    def test_a_listing_that_misses_both_sides_of_a_merge_is_not_believed(self, tmp_path, monkeypatch):
        from profiling.features import catalog

        listings = iter([set(), {"new.arrow"}, {"new.arrow"}])
        monkeypatch.setattr(catalog, "_list_once", lambda folder: next(listings))
        assert catalog.list_shards(tmp_path) == {"new.arrow"}

    def test_rows_committed_while_compacting_stay(self, tmp_path, monkeypatch):
        store, keys = open_store(tmp_path), row_keys(40)
        fill(store, keys[:30])
        from profiling.features import rewrite

        original = rewrite.write_shard

        def with_a_writer_beside(*arguments):
            monkeypatch.undo()
            fill(open_store(tmp_path), keys[20:])
            return original(*arguments)

        monkeypatch.setattr(rewrite, "write_shard", with_a_writer_beside)
        compact(store)
        assert open_store(tmp_path).present(ALL) == set(keys)
        assert verify(store.folder) == []
