"""Extraction in blocks: what several processes, or Ray's actors, do to a part of the utterances.

A block is computed by the same code as a whole extraction, and its rows are committed before its outcome comes
back: an outcome that is lost costs time, never rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path

from profiling.audio_index import Remembered
from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import Backbone
from profiling.config import PathsConfig, RunConfig
from profiling.content_table import Span
from profiling.errors import StoreError
from profiling.features.decode import Utterance
from profiling.features.engine import Extraction, Run, Setup
from profiling.features.extract import plan_extraction, set_up
from profiling.features.plan import Plan
from profiling.features.progress import ExtractionProgress
from profiling.features.quarantine import Quarantined
from profiling.features.store import RowKey

#: Utterances in a block at most: 10 MB of features at full width, a shard worth its name.
BLOCK_UTTERANCES = 256
#: Blocks for each worker at least, where there are enough utterances: the last ones should end together.
_BLOCKS_EACH = 4

#: Makes the backbone where it is needed; a function that other processes can import.
Builder = Callable[[RunConfig], Backbone]


def build_configured(config: RunConfig) -> Backbone:
    """The backbone that ``config.backbone`` names."""
    return build_backbone(config.backbone, Path(config.paths.cache))


@dataclass(frozen=True)
class Recipe:
    """All that a worker needs, as plain data.

    Attributes:
        config: of the run.
        layers: to store.
        key_sha256: of the feature key that the driver computed; a worker with other weights is refused.
        build: makes the backbone.
    """

    config: RunConfig
    layers: tuple[str, ...]
    key_sha256: str
    build: Builder = build_configured


def recipe_of(setup: Setup, build: Builder) -> Recipe:
    """The recipe of a set-up: nothing shown, paths absolute, verified already."""
    paths = setup.config.paths
    absolute = PathsConfig(*(str(Path(p).absolute()) for p in (paths.features, paths.runs, paths.cache)))
    config = replace(
        setup.config,
        paths=absolute,
        trainer=replace(setup.config.trainer, progress=False),
        extract=replace(setup.config.extract, verify_audio=False),
    )
    return Recipe(config, tuple(setup.layers), setup.store.key.sha256, build)


@dataclass(frozen=True)
class Outcome:
    """What became of a block; lists are in the order of its utterances.

    Attributes:
        keys: rows, None where quarantined or not reached.
        durations_s: seconds of audio, None where not known.
        remembered: what is known of the recordings now.
        snr_db: of the spans, None where not measured.
        quarantined: those without features.
        cached, computed, shared: counts, as in :class:`Extraction`.
        audio_s: seconds computed.
        interrupted: by Ctrl-C.
    """

    keys: list[RowKey | None]
    durations_s: list[float | None]
    remembered: list[Remembered | None]
    snr_db: list[float | None]
    quarantined: list[Quarantined] = field(default_factory=list)
    cached: int = 0
    computed: int = 0
    shared: int = 0
    audio_s: float = 0.0
    interrupted: bool = False

    def to_json(self) -> str:
        """Text; :meth:`from_json` is the inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Reads what :meth:`to_json` gave."""
        found = json.loads(text)
        return cls(
            **{
                **found,
                "keys": [key and RowKey(*key) for key in found["keys"]],
                "remembered": [known and Remembered(**known) for known in found["remembered"]],
                "quarantined": [Quarantined(**entry) for entry in found["quarantined"]],
            }
        )


class BlockWorker:
    """Computes blocks; made once in each process.

    Raises:
        StoreError: its backbone has another key than the driver's.
    """

    def __init__(self, recipe: Recipe) -> None:
        backbone = recipe.build(recipe.config)
        self.setup = set_up(backbone, recipe.layers, recipe.config)
        found = self.setup.store.key
        if found.sha256 != recipe.key_sha256:
            raise StoreError(
                f"a worker has another feature key ({found.folder_name}): use the same weights and the same version "
                "of profiling on every machine"
            )

    def __call__(self, utterances: Sequence[Utterance]) -> Outcome:
        """Computes and commits one block."""
        plan = plan_extraction(self.setup, utterances)
        with ExtractionProgress(len(plan.todo), shown=False) as progress:
            run = Run(self.setup, plan, progress)
            if plan.todo:
                run.compute()
        done = run.done
        known = self.setup.index.lookup_many({asked.path for asked in utterances})
        spans = [key and Span(*key, self.setup.config.audio.channel) for key in done.keys]
        snr_db = self.setup.snr.lookup({span for span in spans if span is not None})
        return Outcome(
            keys=done.keys,
            durations_s=[done.durations_s.get(i) for i in range(len(utterances))],
            remembered=[known.get(asked.path) for asked in utterances],
            snr_db=[None if span is None else snr_db.get(span) for span in spans],
            quarantined=done.quarantined,
            cached=done.cached,
            computed=done.computed,
            shared=done.shared,
            audio_s=done.audio_s,
            interrupted=done.interrupted,
        )


def cut_blocks(plan: Plan, todo: Sequence[int], workers: int) -> list[list[int]]:
    """Indices of ``todo`` in blocks; all spans of a file are in one, so it is read by one worker."""
    size = max(1, min(BLOCK_UTTERANCES, -(-len(todo) // (workers * _BLOCKS_EACH))))
    blocks: list[list[int]] = []
    for _, group in groupby(todo, key=lambda i: plan.utterances[i].path):
        spans = list(group)
        if not blocks or len(blocks[-1]) >= size:
            blocks.append([])
        blocks[-1] += spans
    return blocks


class Gathered:
    """The outcomes of blocks, put together as one extraction.

    Attributes:
        done: so far.
    """

    def __init__(self, setup: Setup, plan: Plan, progress: ExtractionProgress) -> None:
        self._setup, self._plan, self._progress = setup, plan, progress
        todo = set(plan.todo)
        keys = [None if i in todo else key for i, key in enumerate(plan.keys)]
        self.done = Extraction(setup.store, keys, dict(plan.durations_s), cached=len(keys) - len(todo))

    def add(self, block: Sequence[int], outcome: Outcome) -> None:
        """Counts a block's outcome, and remembers its recordings."""
        done, index = self.done, self._setup.index
        for i, key, seconds, known in zip(
            block, outcome.keys, outcome.durations_s, outcome.remembered, strict=True
        ):
            done.keys[i] = key
            if seconds is not None:
                done.durations_s[i] = seconds
            if known is not None:
                index.keep(self._plan.utterances[i].path, known)
        index.commit()
        self._keep_snr(outcome)
        done.quarantined += outcome.quarantined
        done.cached, done.computed = done.cached + outcome.cached, done.computed + outcome.computed
        done.shared += outcome.shared
        done.audio_s += outcome.audio_s
        done.interrupted |= outcome.interrupted
        self._count(outcome)

    def _keep_snr(self, outcome: Outcome) -> None:
        channel = self._setup.config.audio.channel
        for key, snr_db in zip(outcome.keys, outcome.snr_db, strict=True):
            if key is not None:
                self._setup.snr.keep(Span(*key, channel), snr_db)
        self._setup.snr.commit()

    def _count(self, outcome: Outcome) -> None:
        settled = outcome.cached + outcome.computed + outcome.shared
        self._progress.update(outcome.audio_s, utterances=settled)
        for _ in outcome.quarantined:
            self._progress.update(0.0, failed=True)

    def unsettled(self, asked: Iterable[int]) -> list[int]:
        """Those of ``asked`` that are neither quarantined nor have their row on disk."""
        failed = {entry.utt_id for entry in self.done.quarantined}
        lost = set(
            self._setup.store.missing([k for i in asked if (k := self.done.keys[i])], self._setup.layers)
        )
        return [
            i
            for i in asked
            if self._plan.utterances[i].utt_id not in failed
            and ((key := self.done.keys[i]) is None or key in lost)
        ]
