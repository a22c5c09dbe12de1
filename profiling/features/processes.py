"""``extract.processes=N``: the same extraction in several processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from profiling.errors import ProfilingError
from profiling.features.blocks import BlockWorker, Builder, Gathered, Outcome, Recipe, cut_blocks, recipe_of
from profiling.features.decode import Utterance
from profiling.features.engine import Extraction, Setup
from profiling.features.plan import Plan
from profiling.features.progress import ExtractionProgress

_worker: BlockWorker | None = None  # of a child process


class WorkerLostError(ProfilingError):
    """A process of the extraction was killed."""

    exit_code = 1


def run_in_processes(setup: Setup, plan: Plan, progress: ExtractionProgress, build: Builder) -> Extraction:
    """Computes what is missing in ``extract.processes`` processes; each commits its own shards.

    Ctrl-C commits what is complete in every process and returns ``interrupted``.

    Raises:
        WorkerLostError: a process was killed, as for want of memory; committed rows stay.
    """
    gathered = Gathered(setup, plan, progress)
    processes = setup.config.extract.processes
    blocks = cut_blocks(plan, plan.todo, processes)
    recipe = recipe_of(setup, build)
    pool = ProcessPoolExecutor(
        min(processes, max(1, len(blocks))),
        mp_context=multiprocessing.get_context("spawn"),  # threads of torch do not survive a fork
        initializer=_start,
        initargs=(recipe, _threads_each(processes)),
    )
    try:
        asked = {pool.submit(_compute, [plan.utterances[i] for i in block]): block for block in blocks}
        _gather(pool, asked, gathered)
    except BrokenProcessPool as error:
        raise WorkerLostError(
            f"one of {processes} processes ended without an answer (killed for want of memory?): run again with fewer "
            "extract.processes; rows that were committed are kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    gathered.done.wall_s = progress.wall_s
    return gathered.done


def _gather(pool: ProcessPoolExecutor, asked: dict[Future[Outcome], list[int]], gathered: Gathered) -> None:
    counted: set[Future[Outcome]] = set()
    try:
        for future in as_completed(asked):
            counted.add(future)
            gathered.add(asked[future], future.result())
    except KeyboardInterrupt:
        gathered.done.interrupted = True
        for process in list(getattr(pool, "_processes", {}).values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)  # a terminal has sent it already, `kill -INT` has not
        pool.shutdown(wait=True, cancel_futures=True)
        for future in asked.keys() - counted:
            if future.done() and not future.cancelled() and future.exception() is None:
                gathered.add(asked[future], future.result())


def _threads_each(processes: int) -> int:
    return max(1, (os.cpu_count() or 1) // processes)


def _start(recipe: Recipe, threads: int) -> None:
    """In a child: Ctrl-C is heard only while a block is computed."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _share_threads(threads)
    _worker = BlockWorker(recipe)


def _share_threads(threads: int) -> None:
    """This process's part of the cores, unless OMP_NUM_THREADS says otherwise.

    The variable alone is too late where the parent's script imports PyTorch: a spawned child has then run it too, and
    processes that each take all cores wait for one another (measured: five times as long).
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _compute(utterances: Sequence[Utterance]) -> Outcome:
    if _worker is None:
        raise RuntimeError("the process was not started by run_in_processes")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _worker(utterances)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
