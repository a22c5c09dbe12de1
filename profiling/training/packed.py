"""Many runs trained as few banks: jobs that share rows, folds and the stream of batches see each batch together.

jobs -> by corpora and backbone (features: the union of the layers, one pass) -> by task and stream -> banks
-> one run folder per job, as if each had run alone
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiling.config import RunConfig, parse_layers
from profiling.errors import UnlabelledError
from profiling.features.prepare import Say
from profiling.heads.bank import Bank, head_state
from profiling.heads.spec import HeadSpec
from profiling.provenance import atomic_write, signature, synced_together
from profiling.training.curves import Curves
from profiling.training.describe import run_signature, stream_signature
from profiling.training.escape import InterruptedTrainingError
from profiling.training.fit import FitResult, fit_bank
from profiling.training.layers_first import DATA, union_of_layers, with_layers
from profiling.training.outcome import LOGS, clear_unfinished, finished_before, skipped
from profiling.training.precheck import check_settings
from profiling.training.rows import RunRows, load_rows
from profiling.training.run import Stream, Writing, bank_data, open_stream, specs_of
from profiling.training.saved import SavedBank, find_bank, new_bank

if TYPE_CHECKING:
    from pytorch_lightning import Callback

#: What stands in memory for each parameter: itself, its gradient, two moments and the best one so far.
_COPIES = 5
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        number: its number in the sweep.
        config: its configuration.
        folder: its run folder.
    """

    number: int
    config: RunConfig
    folder: Path


Done = Callable[[Job, dict[str, Any]], None]


@dataclass(frozen=True)
class _Shared:
    """Jobs over one stream."""

    stream: Stream
    signature: str
    jobs: list[Job]


def train_packed(jobs: Sequence[Job], sweep: Path, say: Say, done: Done) -> None:
    """Trains all jobs, as few banks as they allow; finished ones are skipped, begun banks are gone on with.

    Args:
        jobs: the runs of a sweep.
        sweep: its folder; banks in training are kept there.
        say: where lines for the person go.
        done: called for every job, finished before or now, with its ``validation.json``.

    Raises:
        ConfigError: a job's folder holds another run.
        UnlabelledError: a corpus without a label of a job's task, unless ``select.skip_unlabelled``.
        SplitError: a protocol that cannot be kept; said before anything is trained.
        InterruptedTrainingError: Ctrl-C; the same sweep folder goes on from there.
    """
    for job in jobs:
        check_settings(job.config)
    shared = [part for group in _by_data(jobs) for part in _open(group, say, done)]
    for part in shared:
        _train_stream(part, sweep, say, done)


def _by_data(jobs: Sequence[Job]) -> list[list[Job]]:
    return _grouped(jobs, lambda job: [asdict(getattr(job.config, name)) for name in DATA])


def _grouped(jobs: Sequence[Job], key: Callable[[Job], object]) -> list[list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(signature(key(job)), []).append(job)
    return list(groups.values())


def _open(jobs: Sequence[Job], say: Say, done: Done) -> Iterator[_Shared]:
    """Reads the rows of jobs with the same data; the first task's reading computes every layer of all."""
    union = union_of_layers([job.config for job in jobs])
    for same_task in _grouped(jobs, lambda job: asdict(job.config.task)):
        rows = _rows(same_task, union, say, done)
        if rows is None:
            continue
        for own in _grouped(same_task, lambda job: _stream_settings(job.config)):
            stream = open_stream(own[0].config, rows, say)
            yield _Shared(stream, stream_signature(own[0].config, rows), own)


def _rows(jobs: Sequence[Job], layers: list[str], say: Say, done: Done) -> RunRows | None:
    """The rows of jobs with one task and one set of corpora; None where the jobs are skipped."""
    config = jobs[0].config
    try:
        return load_rows(with_layers(config, layers), say)
    except UnlabelledError as error:
        if not config.select.skip_unlabelled:
            raise
        say(f"{len(jobs)} jobs are skipped: {error}")
    for job in jobs:
        done(job, skipped(job.config))
    return None


def _stream_settings(config: RunConfig) -> list[object]:
    return [asdict(section) for section in (config.split, config.data, config.trainer, config.bank)]


def _train_stream(part: _Shared, sweep: Path, say: Say, done: Done) -> None:
    pending = []
    for job in part.jobs:
        finished = finished_before(job.folder, run_signature(job.config, _own(part.stream, job.config).rows))
        if finished is None:
            pending.append(job)
        else:
            done(job, finished)
    if len(pending) < len(part.jobs):
        say(f"{len(part.jobs) - len(pending)} of {len(part.jobs)} jobs were finished before")
    for job in pending:
        clear_unfinished(job.folder)
    for bank in _banks(pending, part):
        _train_bank(bank, part, sweep, say, done)


def _banks(jobs: Sequence[Job], part: _Shared) -> Iterator[list[Job]]:
    """Jobs in banks of at most ``bank.max_bytes``; a job larger than that is a bank of its own."""
    bank: list[Job] = []
    used = 0
    for job in jobs:
        size = sum(_bytes(spec) for spec in specs_of(job.config, part.stream))
        if bank and used + size > job.config.bank.max_bytes:
            yield bank
            bank, used = [], 0
        bank.append(job)
        used += size
    if bank:
        yield bank


def _bytes(spec: HeadSpec) -> int:
    parameters = sum(
        (size_in + 1) * size_out for size_in, size_out in zip(spec.widths, spec.widths[1:], strict=False)
    )
    return _COPIES * _FLOAT_BYTES * parameters


def _train_bank(jobs: Sequence[Job], part: _Shared, sweep: Path, say: Say, done: Done) -> None:
    wanted = {job.number: specs_of(job.config, part.stream) for job in jobs}
    specs = {spec.name: spec for own in wanted.values() for spec in own}  # equal jobs share their heads
    saved = find_bank(sweep, part.signature, specs) or new_bank(sweep, part.signature, list(specs.values()))
    bank, fit, curves = _fit(saved, part, jobs[0].config, say, sweep)
    place = {name: position for position, name in enumerate(bank.names)}
    writing = Writing(jobs[0].config, part.stream)
    with synced_together() as sync:
        for job in jobs:
            indices = [place[spec.name] for spec in wanted[job.number]]
            _write(job, writing, bank, indices, curves)
        sync()  # a folder with validation.json holds a whole run, after a power cut too
        for job in jobs:
            own = _fit_of(fit, [place[spec.name] for spec in wanted[job.number]])
            done(job, writing.validation(job.folder, job.config, _own(part.stream, job.config), own))
    shutil.rmtree(saved.folder)


def _fit(
    saved: SavedBank, part: _Shared, config: RunConfig, say: Say, sweep: Path
) -> tuple[Bank, FitResult, Curves]:
    bank, curves = Bank(saved.specs, part.stream.columns), Curves()

    def callbacks() -> list[Callback]:
        from profiling.training.saving import Saving

        return [Saving(saved, config.bank.save_every, curves, say)]

    started = time.monotonic()
    fit = fit_bank(bank, bank_data(config, part.stream), config.trainer, [curves], callbacks)
    if fit.status == "interrupted":
        raise InterruptedTrainingError(
            f"interrupted in epoch {fit.epochs}: finished jobs and saved epochs are kept; the same command with "
            f"hydra.sweep.dir={sweep} goes on from there"
        )
    how = f"{fit.epochs} epochs" if fit.epochs else "solved"
    say(f"{len(bank.names)} heads in one bank: {how} in {time.monotonic() - started:.1f} s")
    return bank, fit, curves


def _write(job: Job, writing: Writing, bank: Bank, indices: Sequence[int], curves: Curves) -> None:
    stream = _own(writing.stream, job.config)
    heads = [(bank.specs[i], head_state(bank, i)) for i in indices]
    writing.heads(job.folder, job.config, stream, heads)
    names = [bank.names[i] for i in indices]
    atomic_write(job.folder / LOGS / "csv" / "metrics.csv", curves.table(names))


def _own(stream: Stream, config: RunConfig) -> Stream:
    """The stream as the job alone would have it: its own layers."""
    layers = parse_layers(config.features.layers)
    return replace(stream, rows=replace(stream.rows, layers=layers))


def _fit_of(fit: FitResult, indices: Sequence[int]) -> FitResult:
    heads = tuple(fit.heads[i] for i in indices)
    begun = max(
        head.epochs + (head.status == "diverged") for head in heads
    )  # the one it diverged in counts too
    return replace(fit, heads=heads, epochs=begun)
