"""Which waveforms share a forward pass: never more than the backbone can batch without changing numbers.

Zero padding changes ECAPA2's statistics, so lengths are mixed only where the backbone masks them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from profiling.backbones.protocol import SAMPLE_RATE_HZ, Batching, Waveform

#: Beyond this share of padding a masked batch costs more than it saves.
_MAX_PADDING = 0.25
#: One batch holds at most this much padded audio, so that memory does not follow the longest files.
MAX_BATCH_S = 120.0
#: So many batches of waveforms wait, to be sorted by length.
_WINDOW_BATCHES = 8


@dataclass(frozen=True, eq=False)
class Piece:
    """One window of one utterance.

    Attributes:
        utterance: index of the utterance in the request.
        window: its number within the utterance.
        waveform: (samples,) mono 16 kHz float32.
    """

    utterance: int
    window: int
    waveform: Waveform

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.waveform) / SAMPLE_RATE_HZ


@dataclass
class Batcher:
    """Collects pieces and gives them back in batches the backbone may compute together.

    Attributes:
        batching: what the backbone allows.
        batch_size: most pieces in one batch.
        max_batch_s: most seconds of padded audio in one batch of several pieces.
        sorted_batches: pieces are sorted by length within a window of this many batches.
    """

    batching: Batching
    batch_size: int
    max_batch_s: float = MAX_BATCH_S
    sorted_batches: int = _WINDOW_BATCHES
    _waiting: list[Piece] = field(default_factory=list)

    def add(self, piece: Piece) -> Iterator[list[Piece]]:
        """Takes one piece; yields the batches that are full because of it."""
        self._waiting.append(piece)
        if (
            self.batching == "single"
            or self.batch_size == 1
            or len(self._waiting) >= self.batch_size * self.sorted_batches
        ):
            yield from self.flush()

    def flush(self) -> Iterator[list[Piece]]:
        """Yields everything that waits, shortest first."""
        waiting, self._waiting = self._waiting, []
        if self.batching == "single" or self.batch_size == 1:
            yield from ([piece] for piece in waiting)
            return
        waiting.sort(key=lambda piece: len(piece.waveform))  # stable: ties keep their order
        yield from self._grouped(waiting)

    def _grouped(self, pieces: list[Piece]) -> Iterator[list[Piece]]:
        batch: list[Piece] = []
        for piece in pieces:
            if batch and not self._fits(batch, piece):
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch

    def _fits(self, batch: list[Piece], longer: Piece) -> bool:
        if len(batch) >= self.batch_size:
            return False
        if (len(batch) + 1) * longer.duration_s > self.max_batch_s:
            return False
        shortest, length = len(batch[0].waveform), len(longer.waveform)
        if self.batching == "equal":
            return shortest == length
        return shortest >= (1 - _MAX_PADDING) * length
