"""Nothing is computed twice, and nothing stale is taken for current: content decides."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from profiling.audio import hash_file
from profiling.audio import recording as audio_recording
from profiling.errors import ConfigError, StoreError
from profiling.features import quarantine
from profiling.features.decode import Utterance
from profiling.features.extract import Extraction
from profiling.features.plan import part_of
from profiling.features.prepare import summary
from profiling.features.quarantine import Quarantined, read_quarantine, update_quarantine
from profiling.features.verify import verify
from tests.recordings import speechlike
from tests.stub_backbone import (
    ALL,
    StubBackbone,
    aged,
    extract,
    recording,
    recordings,
    rows,
    settings,
    vector,
)


def counts(done: Extraction) -> tuple[int, int, int, int]:
    return done.cached, done.computed, done.shared, len(done.quarantined)


def overwrite(path: Path, data: bytes) -> None:
    """Other bytes; size and times stay, as after silent damage."""
    before = path.stat()
    assert len(data) == before.st_size
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_features_are_those_of_the_backbone(tmp_path: Path) -> None:
    paths = [recording(tmp_path / f"{i}.wav", speechlike(0.2, seed=i)) for i in range(5)]
    done = extract(paths, settings(tmp_path))
    for layer in ALL:
        expected = np.stack([vector(sf.read(path, dtype="float32")[0], layer) for path in paths])
        np.testing.assert_array_equal(rows(done, layer), expected)
    assert done.durations_s == dict.fromkeys(range(5), 0.2)
    assert verify(done.store.folder) == []


def test_the_second_run_computes_nothing(tmp_path: Path) -> None:
    paths, config, backbone = recordings(tmp_path / "a", 7), settings(tmp_path), StubBackbone()
    first = extract(paths, config, backbone)
    calls = len(backbone.batches)
    second = extract(paths, config, backbone)
    assert (counts(first), counts(second)) == ((0, 7, 0, 0), (7, 0, 0, 0))
    assert len(backbone.batches) == calls
    assert second.keys == first.keys
    assert second.durations_s == first.durations_s
    assert summary(second, backbone)[0] == "7/7 from cache"


def test_the_second_run_reads_no_audio_and_verifying_does(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 6), settings(tmp_path)
    first = extract(paths, config)
    for path in paths[:3]:
        overwrite(path, bytes(path.stat().st_size))
    again = extract(paths, config)
    assert counts(again) == (6, 0, 0, 0)
    np.testing.assert_array_equal(rows(again), rows(first))
    config.extract.verify_audio = True
    verified = extract(paths, config)
    assert counts(verified) == (3, 0, 0, 3)
    assert [key is None for key in verified.keys] == [True] * 3 + [False] * 3
    config.extract.verify_audio = False
    assert counts(extract(paths, config)) == (3, 0, 0, 3), "what was found out is not forgotten"


def test_verifying_finds_other_audio_of_the_same_size(tmp_path: Path) -> None:
    config = settings(tmp_path)
    (path,) = recordings(tmp_path / "a", 1)
    before = extract([path], config)
    other = recording(tmp_path / "other.wav", speechlike(1000 / 16_000, seed=77))
    overwrite(path, other.read_bytes())
    config.extract.verify_audio = True
    after = extract([path], config)
    assert counts(after) == (0, 1, 0, 0)
    assert not np.array_equal(rows(after), rows(before))


def test_renaming_the_folder_keeps_the_cache(tmp_path: Path) -> None:
    paths, config, backbone = recordings(tmp_path / "a", 5), settings(tmp_path), StubBackbone()
    first = extract(paths, config, backbone)
    (tmp_path / "a").rename(tmp_path / "b")
    calls = len(backbone.batches)
    moved = extract([tmp_path / "b" / path.name for path in paths], config, backbone)
    assert counts(moved) == (5, 0, 0, 0)
    assert len(backbone.batches) == calls
    assert moved.keys == first.keys


def test_one_changed_byte_is_one_computed_row(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 5), settings(tmp_path)
    first = extract(paths, config)
    data = bytearray(paths[2].read_bytes())
    data[-1] ^= 1
    paths[2].write_bytes(data)
    second = extract(paths, config)
    assert counts(second) == (4, 1, 0, 0)
    assert [a == b for a, b in zip(first.keys, second.keys, strict=True)] == [True, True, False, True, True]


def test_a_layer_asked_later_joins_by_key(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 5), settings(tmp_path)
    first = extract(paths, config, layers=["pool"])
    later = extract(list(reversed(paths)), config, layers=["gfe_1", "pool"])
    assert counts(later) == (0, 5, 0, 0)
    assert later.keys == first.keys[::-1]
    whole = extract(paths, settings(tmp_path / "fresh"), layers=["gfe_1", "pool"])
    for layer in ("gfe_1", "pool"):
        found = first.store.read(first.keys, [layer], verify="all")[layer]  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, rows(whole, layer))
    assert counts(extract(paths, config, layers=["gfe_1", "pool"])) == (5, 0, 0, 0)
    assert verify(first.store.folder) == []


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_same_audio_in_two_files_is_computed_once(tmp_path: Path, batch_size: int) -> None:
    config, backbone = settings(tmp_path), StubBackbone()
    config.extract.batch_size = batch_size
    paths = recordings(tmp_path / "a", 3)
    copy = tmp_path / "a" / "copy.wav"
    copy.write_bytes(paths[1].read_bytes())
    aged(copy)
    done = extract([*paths, copy], config, backbone)
    assert counts(done) == (0, 3, 1, 0)
    assert sorted(length for batch in backbone.batches for length in batch) == [1000, 1001, 1002]
    assert done.keys[3] == done.keys[1]
    assert "1 with the same audio as another" in summary(done, backbone)[0]
    assert counts(extract([*paths, copy], config, backbone)) == (4, 0, 0, 0)


def test_segments_are_rows_of_their_own_and_equal_files_cut_there(tmp_path: Path) -> None:
    config = settings(tmp_path)
    samples = np.round(speechlike(1.0) * 32768) / 32768
    whole = recording(tmp_path / "a" / "whole.wav", samples.astype(np.float32))
    spans = [(0, -1), (0, 8000), (8000, 16_000), (8000, -1), (100, 700)]
    asked = [Utterance(f"{start}", whole, start, end) for start, end in spans]
    done = extract(asked, config)
    assert counts(done) == (0, 5, 0, 0)
    assert [(key.start_sample, key.end_sample) for key in done.keys if key] == spans
    assert done.durations_s == {0: 1.0, 1: 0.5, 2: 0.5, 3: 0.5, 4: 0.0375}
    for row, (start, end) in zip(rows(done), spans, strict=True):
        expected = vector(samples[start : None if end < 0 else end].astype(np.float32), "gfe_1")
        np.testing.assert_allclose(row, expected, rtol=1e-6)
    again = extract(asked, config)
    assert counts(again) == (5, 0, 0, 0)
    assert again.durations_s == done.durations_s


def test_a_long_recording_is_read_once_however_many_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, config, read = recordings(tmp_path / "a", 3, 40_000), settings(tmp_path), []
    asked = [Utterance(f"{p.stem}-{s}", p, s, s + 1000) for s in range(0, 40_000, 1000) for p in paths]
    original = audio_recording.read_bytes
    monkeypatch.setattr(audio_recording, "read_bytes", lambda path: read.append(path) or original(path))
    done = extract(asked, config)
    assert (done.computed, read) == (120, paths)
    assert [key.start_sample for key in done.keys if key] == [u.start_sample for u in asked]


def test_parts_together_are_one_run(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 30), settings(tmp_path)
    spans = [Utterance(f"{path.stem}:{end}", path, 0, end) for path in paths for end in (800, -1)]
    parts = [part_of(spans, f"{part}/3") for part in (1, 2, 3)]
    assert sorted(u.utt_id for part in parts for u in part) == sorted(u.utt_id for u in spans)
    assert min(map(len, parts)) > 0
    files = [{u.path for u in part} for part in parts]
    assert sum(map(len, files)) == 30, "all spans of a file are in one part: it is read by one machine"
    elsewhere = [Utterance(u.utt_id, Path("/mnt/other") / u.path.name, 0, u.end_sample) for u in spans]
    for part, ids in enumerate(([u.utt_id for u in found] for found in parts), start=1):
        assert [u.utt_id for u in part_of(elsewhere[::-1], f"{part}/3")][::-1] == ids, (
            "wherever the files are"
        )
    done = [extract(part, config) for part in parts]
    assert [counts(d)[1] for d in done] == [len(part) for part in parts]
    alone = extract(spans, settings(tmp_path / "alone"))
    together = extract(spans, config)
    assert counts(together) == (60, 0, 0, 0)
    np.testing.assert_array_equal(rows(together), rows(alone))


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5", "\u00b2/3"])
def test_a_part_that_is_none(shard: str) -> None:
    with pytest.raises(ConfigError, match=r"extract\.shard=.*such as 3/16"):
        part_of([], shard)


def test_other_settings_of_the_front_end_are_another_store(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 2), settings(tmp_path)
    folder = extract(paths, config).store.folder
    config.extract.batch_size, config.extract.workers, config.extract.seconds_in_flight = 1, 1, 1.0
    config.store.commit_every_s = 1.0
    assert extract(paths, config).store.folder == folder, "how it runs is not in the key"
    for section, setting, value in (
        (config.audio, "max_duration_s", 20.0),
        (config.audio, "channel", "0"),
        (config.store, "dtype", "float16"),
    ):
        setattr(section, setting, value)
        other = extract(paths, config)
        assert other.store.folder != folder
        assert counts(other) == (0, 2, 0, 0)
        folder = other.store.folder


def test_float16_refuses_what_it_cannot_hold_and_keeps_the_rest(tmp_path: Path) -> None:
    paths, config = recordings(tmp_path / "a", 4), settings(tmp_path)
    config.store.dtype, config.extract.batch_size = "float16", 1
    backbone = StubBackbone()

    def louder_from_the_third(call: int) -> None:
        backbone.scale = 1e9 if call >= 3 else 1.0

    backbone.before = louder_from_the_third
    with pytest.raises(StoreError, match=r"does not fit float16 \(65504\); use store\.dtype=float32"):
        extract(paths, config, backbone)
    assert counts(extract(paths, config)) == (2, 2, 0, 0)


def test_features_that_are_not_finite_are_quarantined_for_everyone_who_asked(tmp_path: Path) -> None:
    config, backbone = settings(tmp_path), StubBackbone()
    paths = recordings(tmp_path / "a", 3)
    copy = tmp_path / "a" / "copy.wav"
    copy.write_bytes(paths[0].read_bytes())

    def poisoned_first(call: int) -> None:
        backbone.scale = np.inf if call == 1 else 1.0

    backbone.before = poisoned_first
    done = extract([*paths, copy], config, backbone)
    assert counts(done) == (0, 0, 0, 4), "one batch of three, and the copy that waited for it"
    assert {(entry.stage, "not finite" in entry.reason) for entry in done.quarantined} == {("backbone", True)}
    assert all(len(entry.audio_sha256) == 64 for entry in done.quarantined)
    assert done.keys == [None] * 4
    mended = extract([*paths, copy], config, backbone)
    assert counts(mended) == (0, 3, 1, 0)
    assert read_quarantine(mended.store.folder) == []


def test_a_file_is_hashed_once_however_many_of_its_segments_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recording(tmp_path / "long.wav", speechlike(1.0))
    hashed: list[Path] = []
    monkeypatch.setattr(quarantine, "hash_file", lambda file: hashed.append(file) or hash_file(file))
    beyond = [Utterance(f"{i}", path, 16_000 + i, 17_000 + i) for i in range(5)]
    gone = [Utterance(f"gone{i}", tmp_path / "gone.wav", i, 1000) for i in range(2)]
    done = extract([*beyond, *gone], settings(tmp_path))
    assert hashed == [path, tmp_path / "gone.wav"]
    assert [entry.audio_sha256 for entry in done.quarantined] == [hash_file(path)] * 5 + [""] * 2


def test_a_table_that_stays_as_it_is_is_not_written(tmp_path: Path) -> None:
    """A whole store may lie on a disk that nobody may write, with others' failures in it."""
    update_quarantine(tmp_path, ["a"], [Quarantined("a", "/a.wav", "decode", "not audio")])
    before = (tmp_path / "quarantine.csv").stat()
    update_quarantine(tmp_path, ["b"], [])
    update_quarantine(tmp_path, ["a"], [Quarantined("a", "/a.wav", "decode", "not audio")])
    after = (tmp_path / "quarantine.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    update_quarantine(tmp_path, ["a"], [])
    assert read_quarantine(tmp_path) == []
