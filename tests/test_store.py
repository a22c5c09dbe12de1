"""The feature store: keys, writing, joining by key, views."""

from __future__ import annotations

import hashlib
import resource
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from profiling.errors import StoreError
from profiling.features.index import RowIndex
from profiling.features.key import pack_keys, unpack_keys
from profiling.features.store import FeatureStore, RowKey
from tests.store_rows import DIMS, expected, feature_key, features, fill, open_store, row_keys, shard_paths

ALL = list(DIMS)


def refused(pattern):
    return pytest.raises(StoreError, match=pattern)


class TestFeatureKey:
    def test_every_field_changes_the_folder(self):
        backbone = {"name": "stub", "weights_sha256": "2f" * 32}
        variants = [
            feature_key(),
            feature_key(backbone=backbone),
            feature_key(front_end={**feature_key().front_end, "max_duration_s": 20.0}),
            feature_key(precision="fp16"),
            feature_key(dtype="float16"),
            feature_key(schema_version=2),
        ]
        assert len({key.folder_name for key in variants}) == len(variants)

    def test_is_the_sha256_of_sorted_compact_json(self):
        key = feature_key(backbone={"name": "b"}, front_end={"x": 30.0, "a": None})
        text = (
            '{"backbone":{"name":"b"},"dtype":"float32","front_end":{"a":null,"x":30},'
            '"precision":"fp32","schema_version":1}'
        )
        assert key.sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert key.folder_name == f"b-{key.sha256[:16]}"

    def test_order_and_whole_floats_do_not_matter(self):
        front_end = dict(reversed(list(feature_key().front_end.items())))
        assert feature_key(front_end={**front_end, "max_duration_s": 30}).sha256 == feature_key().sha256

    def test_refuses_a_type_it_cannot_store(self):
        with refused("store.dtype=float8.*float16"):
            feature_key(dtype="float8")

    def test_refuses_a_name_that_is_a_path(self):
        with refused("backbone name '../x'"):
            feature_key(backbone={"name": "../x"})


class TestRowKeys:
    def test_pack_and_unpack(self):
        keys = [RowKey("00" * 32), RowKey("ff" * 32, 5, 2**40), *row_keys(3)]
        assert unpack_keys(pack_keys(keys)) == keys
        assert pack_keys([]).shape == (0, 6)

    @pytest.mark.parametrize(
        "key",
        [RowKey("ab"), RowKey("AB" * 32), RowKey("g" * 64), RowKey("ab" * 32, 5, 5), RowKey("ab" * 32, -1)],
    )
    def test_refuses_what_is_no_key(self, key):
        with refused("row key: "):
            pack_keys([key])

    def test_index_tells_hash_collisions_apart(self, monkeypatch):
        monkeypatch.setattr("profiling.features.index.key_hashes", lambda words: words[:, 0] % np.uint64(3))
        words = pack_keys(row_keys(50))
        index = RowIndex(np.concatenate([words, words[:7]]))
        assert index.find(words).tolist() == list(range(50))
        assert index.find(pack_keys(row_keys(5, "other"))).tolist() == [-1] * 5
        assert index.first_rows().tolist() == list(range(50))


class TestRoundTrip:
    def test_reads_what_was_written_by_key_in_any_order(self, tmp_path):
        keys = row_keys(35)
        fill(open_store(tmp_path), keys)
        asked = [keys[i] for i in np.random.default_rng(0).permutation(35)] + keys[:2]
        found = open_store(tmp_path).read(asked, ["pool", "gfe_1"], verify="all")
        assert list(found) == ["pool", "gfe_1"]
        for layer, values in found.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, expected(asked, layer))

    def test_shard_is_a_plain_arrow_file_with_one_column_per_layer(self, tmp_path):
        store, key = open_store(tmp_path), row_keys(1)[0]
        with store.writer(["embedding", "pool"], shard_bytes=1, commit_every_s=60) as writer:
            writer.add(key, features(key, ["pool", "embedding"]), ["windowed", "upsampled"], 31.5)
        (path,) = shard_paths(store)
        table = pa.ipc.open_file(path).read_all()
        (row,) = table.to_pylist()
        assert (row["audio_sha256"].hex(), row["start_sample"], row["end_sample"]) == key
        assert (row["duration_s"], row["flags"]) == (31.5, "upsampled|windowed")
        assert table.schema.field("layer:pool").type == pa.list_(pa.float32(), 12)
        np.testing.assert_array_equal(row["layer:embedding"], features(key, ["embedding"])["embedding"])
        stored = features(key, ["pool"])["pool"].tobytes()
        key_bytes = (
            bytes.fromhex(key[0]) + (0).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True)
        )
        assert row["checksum"][1] == zlib.crc32(b"pool" + key_bytes + stored)
        assert path.name[:16] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]

    def test_a_layer_added_later_is_joined_by_key(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(25)
        fill(store, keys, ["gfe_1", "pool"])
        fill(store, keys[:20][::-1], ["embedding"], rows_per_shard=7)
        assert store.present(["gfe_1", "pool"]) == set(keys)
        assert store.present(["embedding", "gfe_1"]) == set(keys[:20])
        assert store.missing(keys, ["pool", "embedding"]) == keys[20:]
        assert store.count(["gfe_1"]) == 25
        assert store.count(["gfe_1", "embedding"]) == 20
        found = store.read(keys[:20], ["embedding", "pool"])
        np.testing.assert_array_equal(found["embedding"], expected(keys[:20], "embedding"))
        np.testing.assert_array_equal(found["pool"], expected(keys[:20], "pool"))

    def test_duplicates_are_harmless_and_read_the_same_everywhere(self, tmp_path):
        store, (key,) = open_store(tmp_path), row_keys(1)
        for value in (1.0, 2.0, 3.0):
            with store.writer(["embedding"], shard_bytes=1, commit_every_s=60) as writer:
                writer.add(key, {"embedding": np.full(4, value, np.float32)})
        first = pa.ipc.open_file(shard_paths(store)[0]).read_all().to_pylist()[0]["layer:embedding"]
        assert store.count(["embedding"]) == 1
        for _ in range(2):
            assert open_store(tmp_path).read([key, key], ["embedding"])["embedding"].tolist() == [
                first,
                first,
            ]

    def test_missing_names_each_row_once_in_the_order_asked(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(6)
        fill(store, keys[2:4])
        assert store.missing([keys[5], keys[2], keys[0], keys[5]], ALL) == [keys[5], keys[0]]
        with refused(r"lacks 2 of 3 rows with layers pool: .*profiling extract"):
            store.read([keys[2], keys[0], keys[1]], ["pool"])

    def test_an_empty_store_and_an_empty_request(self, tmp_path):
        store = open_store(tmp_path)
        assert store.present(ALL) == set()
        assert store.missing(row_keys(2), ALL) == row_keys(2)
        assert store.read([], ["pool"])["pool"].shape == (0, 12)
        assert store.view([], ["pool", "embedding"]).load().shape == (0, 16)

    def test_one_changed_byte_of_audio_is_one_other_row(self, tmp_path):
        audio = [bytes([i]) * 100 for i in range(10)]
        keys = [RowKey(hashlib.sha256(data).hexdigest()) for data in audio]
        store = open_store(tmp_path)
        fill(store, keys)
        audio[4] = audio[4][:-1] + b"\x00"
        again = [RowKey(hashlib.sha256(data).hexdigest()) for data in audio]
        assert store.missing(again, ALL) == [again[4]]

    def test_spans_of_one_file_are_different_rows(self, tmp_path):
        digest = "ab" * 32
        keys = [RowKey(digest), RowKey(digest, 0, 16000), RowKey(digest, 16000, 32000), RowKey(digest, 16000)]
        store = open_store(tmp_path)
        fill(store, keys[:3])
        assert store.missing(keys, ALL) == [keys[3]]
        np.testing.assert_array_equal(store.read(keys[:3], ["pool"])["pool"], expected(keys[:3], "pool"))

    def test_flags_by_key(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(3)
        with store.writer(["pool"], shard_bytes=10**9, commit_every_s=60) as writer:
            writer.add(keys[0], features(keys[0], ["pool"]), ["windowed", "upsampled"])
            writer.add(keys[1], features(keys[1], ["pool"]))
        assert store.flags(keys[:2]) == {keys[0]: ("upsampled", "windowed"), keys[1]: ()}
        with refused("lacks 1 of 3 rows"):
            store.flags(keys)


class TestView:
    def test_take_puts_layers_side_by_side_in_the_order_asked(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(30)
        fill(store, keys, ["gfe_1", "pool"])
        fill(store, keys[::-1], ["embedding"], rows_per_shard=4)
        view = store.view(keys, ["embedding", "gfe_1"])
        batch = view.take([29, 0, 7, 7])
        assert batch.shape == (4, 12)
        assert view.slices == {"embedding": slice(0, 4), "gfe_1": slice(4, 12)}
        picked = [keys[29], keys[0], keys[7], keys[7]]
        np.testing.assert_array_equal(batch[:, :4], expected(picked, "embedding"))
        np.testing.assert_array_equal(batch[:, 4:], expected(picked, "gfe_1"))
        batch[:] = 0  # a batch is the caller's own
        np.testing.assert_array_equal(view.load()[:, 4:], expected(keys, "gfe_1"))

    def test_take_accepts_a_mask_and_refuses_what_is_outside(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(5)
        fill(store, keys)
        view = store.view(keys, ["pool"])
        np.testing.assert_array_equal(
            view.take(np.array([True, False, False, True, False])), expected([keys[0], keys[3]], "pool")
        )
        with pytest.raises(IndexError):
            view.take([5])
        assert view.take([]).shape == (0, 12)

    def test_halves_come_back_as_float32_or_as_stored(self, tmp_path):
        store, keys = open_store(tmp_path, dtype="float16"), row_keys(12)
        fill(store, keys)
        halves = expected(keys, "pool").astype(np.float16)
        as_float = store.view(keys, ["pool"]).load()
        assert as_float.dtype == np.float32
        np.testing.assert_array_equal(as_float, halves.astype(np.float32))
        as_stored = store.view(keys, ["pool"], as_stored=True).load()
        assert as_stored.dtype == np.float16
        np.testing.assert_array_equal(as_stored, halves)


class TestWriter:
    def test_commits_by_size_and_by_age_of_the_oldest_row(self, tmp_path):
        store, keys, now = open_store(tmp_path), row_keys(12), [1000.0]
        row_bytes = 12 * 4
        writer = store.writer(["pool"], shard_bytes=5 * row_bytes, commit_every_s=60, clock=lambda: now[0])
        for key in keys[:4]:
            writer.add(key, features(key, ["pool"]))
        assert shard_paths(store) == []
        writer.add(keys[4], features(keys[4], ["pool"]))
        assert len(shard_paths(store)) == 1
        now[0] += 3600  # idle: no row waits, so the next one starts the minute
        writer.add(keys[5], features(keys[5], ["pool"]))
        now[0] += 59
        writer.commit_if_due()
        assert writer.committed == 5
        now[0] += 1
        writer.commit_if_due()
        assert writer.committed == 6
        assert store.present(["pool"]) == set(keys[:6])

    def test_ctrl_c_commits_what_is_complete(self, tmp_path):
        store, keys = open_store(tmp_path), row_keys(3)
        with (
            pytest.raises(KeyboardInterrupt),
            store.writer(ALL, shard_bytes=10**9, commit_every_s=60) as writer,
        ):
            for key in keys:
                writer.add(key, features(key, ALL))
            raise KeyboardInterrupt
        assert store.present(ALL) == set(keys)

    def test_ctrl_c_during_a_commit_loses_nothing(self, tmp_path, monkeypatch):
        store, keys, calls = open_store(tmp_path), row_keys(3), []

        def interrupted_once(temporary, path):
            calls.append(path)
            if len(calls) == 1:
                raise KeyboardInterrupt
            temporary.replace(path)

        monkeypatch.setattr("profiling.features.commit.publish", interrupted_once)
        with (
            pytest.raises(KeyboardInterrupt),
            store.writer(ALL, shard_bytes=10**9, commit_every_s=60) as writer,
        ):
            for key in keys:
                writer.add(key, features(key, ALL))
            writer.commit()
        assert open_store(tmp_path).present(ALL) == set(keys)
        assert len(list(store.folder.iterdir())) == 2  # spec.json and one shard

    @pytest.mark.parametrize(
        ("layer", "values", "message"),
        [
            ("pool", np.zeros(11, np.float32), r"layer pool: shape \(11,\), expected \(12,\)"),
            ("pool", np.zeros((1, 12), np.float32), r"shape \(1, 12\)"),
            ("pool", np.array([np.nan, np.inf] + [0] * 10, np.float32), "2 values are not finite"),
            ("gfe_1", np.zeros(8, np.float32), "brings layers gfe_1, this writer stores pool"),
        ],
    )
    def test_refuses_a_row_that_does_not_fit(self, tmp_path, layer, values, message):
        store, (good, bad) = open_store(tmp_path), row_keys(2)
        with store.writer(["pool"], shard_bytes=10**9, commit_every_s=60) as writer:
            writer.add(good, features(good, ["pool"]))
            with refused(message):
                writer.add(bad, {layer: values})
        assert store.present(["pool"]) == {good}

    def test_float16_overflow_is_an_error_and_its_largest_number_is_not(self, tmp_path):
        store, (key,) = open_store(tmp_path, dtype="float16"), row_keys(1)
        with store.writer(["embedding"], shard_bytes=1, commit_every_s=60) as writer:
            with refused(r"layer embedding: 70000 does not fit float16.*store.dtype=float32"):
                writer.add(key, {"embedding": np.array([0, 1, -70000, 2], np.float32)})
            writer.add(key, {"embedding": np.array([0, 1, -65504, 2], np.float32)})
        assert store.read([key], ["embedding"])["embedding"][0, 2] == -65504.0

    def test_unknown_layer_is_refused_with_the_valid_ones(self, tmp_path):
        with refused("no layer 'gfe_9'; did you mean gfe_2, gfe_1"):
            open_store(tmp_path).writer(["gfe_9"], shard_bytes=1, commit_every_s=1)


class TestOpening:
    def test_absent_store_is_not_made_unasked(self, tmp_path):
        with refused("run `profiling extract`"):
            FeatureStore.open(tmp_path, feature_key(), DIMS, create=False)
        assert list(tmp_path.iterdir()) == []

    def test_another_dim_is_refused(self, tmp_path):
        open_store(tmp_path)
        with refused("layer pool has dim 12, asked 13"):
            FeatureStore.open(tmp_path, feature_key(), {**DIMS, "pool": 13}, create=True)

    def test_an_edited_spec_names_the_field(self, tmp_path):
        spec = open_store(tmp_path).folder / "spec.json"
        spec.write_text(spec.read_text().replace('"precision": "fp32"', '"precision": "tf32"'))
        with refused("was edited.*precision: 'tf32' instead of 'fp32'"):
            open_store(tmp_path)
        with refused("was edited"):
            FeatureStore.load(spec.parent)

    def test_a_folder_of_another_key_names_the_field(self, tmp_path):
        other = open_store(tmp_path, front_end={**feature_key().front_end, "max_duration_s": 20.0})
        other.folder.rename(tmp_path / feature_key().folder_name)
        with refused("another feature key: front_end.max_duration_s: 20 instead of 30;"):
            open_store(tmp_path)

    def test_a_shard_of_another_store_is_refused(self, tmp_path):
        store, other = open_store(tmp_path), open_store(tmp_path, precision="tf32")
        fill(other, row_keys(3))
        path = shard_paths(other)[0]
        path.rename(store.folder / path.name)
        with refused("belongs to feature key"):
            store.count(ALL)

    def test_load_needs_no_key(self, tmp_path):
        fill(open_store(tmp_path), row_keys(3))
        store = FeatureStore.load(tmp_path / feature_key().folder_name)
        assert store.key == feature_key()
        assert store.count(ALL) == 3

    def test_more_shards_than_open_files(self, tmp_path):
        keys = row_keys(60)
        fill(open_store(tmp_path), keys, rows_per_shard=1)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 10, limit[1]))
        try:
            found = open_store(tmp_path).read(keys, ["pool"])["pool"]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        np.testing.assert_array_equal(found, expected(keys, "pool"))
