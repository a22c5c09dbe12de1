"""Batches computed side by side: threads of one process on a CPU, streams on CUDA. Results keep their order.

On a CPU, two batches on one thread each are quicker than one batch on two: nothing waits at the end of every
operation, and decoding shares the cores (docs/performance.md). All threads use the one copy of the weights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

from profiling.backbones.protocol import Backbone, Features
from profiling.features.batching import Piece

#: Most batches at once on a CPU, each of which needs memory of its own; further cores go into each of them.
MOST_ON_CPU = 4
#: Seconds of padded audio in one batch on a CPU: above, what a small network computes leaves the caches, and the
#: same audio takes up to twice as long (docs/performance.md).
CPU_BATCH_S = 24.0
#: The same on CUDA, of all batches that are computed at once: memory follows it, whatever the files' lengths.
CUDA_BATCHES_S = 120.0
#: At once on CUDA where a recording is computed alone and leaves most of the device idle; not measured.
CUDA_STREAMS = 3
#: Batches handed out for each stream: one that is computed, and the next, so that nobody waits for the consumer.
_HANDED_OUT_EACH = 2

Batch = list[Piece]
#: Where a thread computes: entered around every batch.
Place = Callable[[], AbstractContextManager[object]]


def stream_count(asked: int, backbone: Backbone) -> int:
    """How many batches are computed at once.

    Args:
        asked: ``extract.streams``; 0 chooses: on a CPU one for each of PyTorch's threads, four at most, on CUDA
            three for a TorchScript file and one for the native network, whose batches fill the device.
        backbone: what computes.
    """
    if asked:
        return asked
    if backbone.device.startswith("cuda"):
        return 1 if backbone.batching == "masked" else CUDA_STREAMS
    import torch

    return min(torch.get_num_threads(), MOST_ON_CPU)


def batch_seconds(backbone: Backbone, streams: int) -> float:
    """Most seconds of padded audio in one batch of several recordings."""
    return CUDA_BATCHES_S / streams if backbone.device.startswith("cuda") else CPU_BATCH_S


def compute_batches(
    backbone: Backbone, layers: Sequence[str], batches: Iterable[Batch | None], streams: int
) -> Iterator[tuple[Batch, Features]]:
    """Yields every batch with its features, in the order given.

    Args:
        backbone: what computes; called from several threads where there are several streams.
        layers: to compute.
        batches: to compute; None asks for a batch to be finished before more can come.
        streams: batches at once; at most twice as many are handed out.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the batches that were on their way.
    """
    if streams == 1:
        for batch in batches:
            if batch is not None:
                yield batch, _features(backbone, layers, batch)
        return
    with _threads_for(backbone.device, streams), _Streams(backbone, layers, streams) as running:
        try:
            for batch in batches:
                if batch is not None:
                    running.start(batch)
                if running.full or (batch is None and running):
                    yield running.finish()
            while running:
                yield running.finish()
        except KeyboardInterrupt:
            yield from running.stop()
            raise


class _Streams:
    """Threads that compute, and what they were given, oldest first."""

    def __init__(self, backbone: Backbone, layers: Sequence[str], streams: int) -> None:
        self._backbone, self._layers = backbone, layers
        self._most = _HANDED_OUT_EACH * streams
        self._places: list[Place] = [_place(backbone.device) for _ in range(streams)]  # taken and given back
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="stream")
        self._given: deque[tuple[Batch, Future[Features]]] = deque()

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        return len(self._given)

    @property
    def full(self) -> bool:
        """No batch may be started before one is finished."""
        return len(self._given) >= self._most

    def start(self, batch: Batch) -> None:
        """Hands a batch to the next free thread."""
        self._given.append((batch, self._pool.submit(self._compute, batch)))

    def finish(self) -> tuple[Batch, Features]:
        """Waits for the oldest batch."""
        batch, future = self._given[0]
        features = future.result()  # Ctrl-C comes here: the batch must not be lost
        self._given.popleft()
        return batch, features

    def stop(self) -> Iterator[tuple[Batch, Features]]:
        """Begins nothing more; yields what was computed, and what is being computed now."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for batch, future in self._given:
            if not future.cancelled() and future.exception() is None:
                yield batch, future.result()

    def _compute(self, batch: Batch) -> Features:
        place = self._places.pop()
        try:
            with place():
                return _features(self._backbone, self._layers, batch)
        finally:
            self._places.append(place)


def _features(backbone: Backbone, layers: Sequence[str], batch: Batch) -> Features:
    return backbone.extract([piece.waveform for piece in batch], layers)


def _place(device: str) -> Place:
    """A CUDA stream of its own; a thread is all that a CPU needs."""
    if not device.startswith("cuda"):
        return nullcontext
    import torch

    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))  # the weights may still be on their way
    return lambda: torch.cuda.stream(stream)


@contextmanager
def _threads_for(device: str, streams: int) -> Iterator[None]:
    """On a CPU the streams share PyTorch's threads; those that start inside the block get their part."""
    if device != "cpu":
        yield
        return
    import torch

    together = torch.get_num_threads()
    torch.set_num_threads(max(1, together // streams))
    try:
        yield
    finally:
        torch.set_num_threads(together)
