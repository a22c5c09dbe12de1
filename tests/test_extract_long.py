"""Long audio: a row is the duration-weighted mean of its windows' features, by definition (DESIGN 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from profiling.errors import ConfigError
from profiling.features.windows import PendingRow, RowKey, WindowMean, equal_windows, max_window_samples
from tests.recordings import speechlike
from tests.stub_backbone import ALL, StubBackbone, extract, recording, rows, settings, vector


@pytest.mark.parametrize(("num_samples", "most"), [(1, 1), (10, 10), (11, 10), (100, 7), (480_001, 480_000)])
def test_windows_cover_everything_equally(num_samples: int, most: int) -> None:
    spans = equal_windows(num_samples, most)
    lengths = [end - start for start, end in spans]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == num_samples
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= most
    assert len(spans) == int(np.ceil(num_samples / most))


@pytest.mark.parametrize("batching", ["single", "masked"])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_a_long_row_is_the_weighted_mean_of_its_windows(
    tmp_path: Path, batching: str, batch_size: int
) -> None:
    config = settings(tmp_path)
    config.audio.max_duration_s, config.extract.batch_size = 0.5, batch_size
    path = recording(tmp_path / "long.wav", speechlike(1.7))
    short = recording(tmp_path / "short.wav", speechlike(0.5))
    two = recording(tmp_path / "two.wav", speechlike(0.6))
    backbone = StubBackbone(batching=batching)  # type: ignore[arg-type]
    done = extract([path, short, two], config, backbone)
    samples, _ = sf.read(path, dtype="float32")
    quarters = [samples[:6800], samples[6800:13_600], samples[13_600:20_400], samples[20_400:]]
    assert [len(quarter) for quarter in quarters] == [6800] * 4
    for layer in ALL:
        by_hand = sum(len(q) * vector(q, layer).astype(np.float64) for q in quarters) / len(samples)
        np.testing.assert_allclose(rows(done, layer)[0], by_hand, rtol=2e-7, atol=0)
    assert not np.allclose(rows(done)[0], vector(samples, "gfe_1"), rtol=1e-3)
    np.testing.assert_array_equal(rows(done)[1], vector(sf.read(short, dtype="float32")[0], "gfe_1"))
    assert list(done.store.flags(done.keys).values()) == [("windowed",), (), ("windowed",)]  # type: ignore[arg-type]
    assert done.durations_s == {0: 1.7, 1: 0.5, 2: 0.6}


def test_unequal_windows_are_weighted_by_their_duration() -> None:
    mean, first = WindowMean(), {"pool": np.array([1.0, 10.0], np.float32)}
    mean.add(0, first, 2.0)
    assert mean.features() is first, "one window stays bit for bit"
    mean.add(1, {"pool": np.array([4.0, 40.0], np.float32)}, 1.0)
    np.testing.assert_array_equal(mean.features()["pool"], np.float32([2.0, 20.0]))


def test_the_order_in_which_windows_come_back_changes_no_bit() -> None:
    generator = np.random.default_rng(0)
    vectors = [{"pool": generator.standard_normal(50).astype(np.float32)} for _ in range(7)]
    found = []
    for order in (range(7), reversed(range(7)), generator.permutation(7)):
        row = PendingRow(RowKey("ab" * 32), (), 7.0, windows=7)
        for window in order:
            assert not row.complete
            row.add(int(window), vectors[window], 1.0 + window)
        assert row.complete
        found.append(row.features()["pool"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_windows_that_the_backbone_would_refuse_are_refused_before() -> None:
    assert max_window_samples(0.05, 400) == 800
    assert min(end - start for start, end in equal_windows(801, 800)) >= 400
    with pytest.raises(ConfigError, match=r"audio\.max_duration_s=0\.049: .* at least 0\.05 s"):
        max_window_samples(0.049, 400)
