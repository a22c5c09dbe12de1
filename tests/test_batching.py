"""Which waveforms share a forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from profiling.backbones.protocol import Batching
from profiling.features.batching import Batcher, Piece


def batches(batching: Batching, lengths: Sequence[int], batch_size: int = 4) -> list[list[Piece]]:
    batcher, found = Batcher(batching, batch_size), []
    for i, length in enumerate(lengths):
        found += list(batcher.add(Piece(i, 0, np.zeros(length, np.float32))))
    return found + list(batcher.flush())


def lengths_of(found: Sequence[Sequence[Piece]]) -> list[list[int]]:
    return [[len(piece.waveform) for piece in batch] for batch in found]


LENGTHS = np.random.default_rng(0).integers(400, 40_000, 300).round(-2).tolist()


@pytest.mark.parametrize("batching", ["single", "equal", "masked"])
@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_every_piece_comes_back_once_and_no_batch_is_too_large(batching: Batching, batch_size: int) -> None:
    found = batches(batching, LENGTHS, batch_size)
    assert sorted(piece.utterance for batch in found for piece in batch) == list(range(len(LENGTHS)))
    assert max(map(len, found)) <= batch_size


@pytest.mark.parametrize(("batching", "batch_size"), [("single", 16), ("equal", 1), ("masked", 1)])
def test_alone_means_at_once_and_in_order(batching: Batching, batch_size: int) -> None:
    batcher = Batcher(batching, batch_size)
    for i, length in enumerate((900, 500, 700)):
        assert [[p.utterance for p in b] for b in batcher.add(Piece(i, 0, np.zeros(length, np.float32)))] == [
            [i]
        ]
    assert list(batcher.flush()) == []


def test_equal_never_mixes_lengths_and_groups_what_is_equal() -> None:
    found = batches("equal", [500, 400, 500, 500, 400, 500, 500, 600])
    assert lengths_of(found) == [[400, 400], [500] * 4, [500], [600]]
    assert all(len(set(group)) == 1 for group in lengths_of(batches("equal", LENGTHS)))


def test_masked_bounds_the_padding_to_a_quarter() -> None:
    assert lengths_of(batches("masked", [1000, 750])) == [[750, 1000]]
    assert lengths_of(batches("masked", [1000, 749])) == [[749], [1000]]
    found = lengths_of(batches("masked", LENGTHS, 16))
    assert all(min(group) >= 0.75 * max(group) for group in found)
    assert np.mean([len(group) for group in found]) > 4, "batches of one would satisfy the rest"


@pytest.mark.parametrize("batching", ["equal", "masked"])
def test_a_batch_holds_at_most_two_minutes_and_a_longer_piece_goes_alone(batching: Batching) -> None:
    half_a_minute = 30 * 16_000
    assert [len(batch) for batch in batches(batching, [half_a_minute] * 9, 16)] == [4, 4, 1]
    assert lengths_of(batches(batching, [130 * 16_000] * 2)) == [[130 * 16_000]] * 2


def test_full_windows_leave_by_themselves() -> None:
    batcher = Batcher("masked", 2)
    gone = [list(batcher.add(Piece(i, 0, np.zeros(400, np.float32)))) for i in range(16)]
    assert [len(batch) for batch in gone] == [0] * 15 + [8]
    assert list(batcher.flush()) == []
