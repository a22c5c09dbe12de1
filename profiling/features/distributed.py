"""``extract.engine=ray``: blocks of utterances computed by Ray Data actors, on this machine or on a cluster.

The folders of ``paths.features`` and of the recordings must be the same on every machine. Each actor runs the
same function as a local process; a block's rows are committed before its outcome comes back. After each round
the driver compares the rows wanted with the rows on disk and submits again what is missing.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiling.errors import ConfigError, ProfilingError
from profiling.features.blocks import BlockWorker, Builder, Gathered, Outcome, Recipe, cut_blocks, recipe_of
from profiling.features.decode import Utterance
from profiling.features.engine import Extraction, Setup
from profiling.features.plan import Plan
from profiling.features.progress import ExtractionProgress

_LOGGER = logging.getLogger(__name__)
#: Times the missing blocks are submitted, the first included.
ROUNDS = 3


class RayFailedError(ProfilingError):
    """Rows are still missing after every round."""

    exit_code = 1


class BlockActor:
    """What Ray keeps alive: a backbone and a store, for one block after another."""

    def __init__(self, recipe: Recipe) -> None:
        self._worker = BlockWorker(recipe)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """``{"number", "asked"}`` -> ``{"number", "outcome"}``, both as JSON: plain text in Ray's tables."""
        asked = [Utterance(utt, Path(path), start, end) for utt, path, start, end in json.loads(row["asked"])]
        return {"number": row["number"], "outcome": self._worker(asked).to_json()}


def run_on_ray(setup: Setup, plan: Plan, progress: ExtractionProgress, build: Builder) -> Extraction:
    """Computes what is missing on ``RAY_ADDRESS``, or on a Ray of this process's own.

    Raises:
        ConfigError: ray is not installed, or cannot be reached.
        RayFailedError: rows are missing after three rounds; says what Ray said last.
    """
    ray = _connected(setup.config.extract.processes)
    gathered = Gathered(setup, plan, progress)
    recipe = recipe_of(setup, build)
    needs = {"num_gpus": 1} if setup.backbone.device.startswith("cuda") else {"num_cpus": 1}
    todo, said = list(plan.todo), ""
    for number in range(ROUNDS):
        if number:
            _LOGGER.warning("ray: %d utterances have no rows yet: submitted again (%s)", len(todo), said)
        try:
            said = _round(ray, recipe, plan, todo, gathered, needs)
        except KeyboardInterrupt:
            gathered.done.interrupted = True
            break
        todo = gathered.unsettled(todo)
        if not todo:
            break
    gathered.done.wall_s = progress.wall_s
    if todo and not gathered.done.interrupted:
        raise RayFailedError(
            f"{len(todo)} of {len(plan.todo)} utterances have no rows after {ROUNDS} rounds "
            f"({said or 'no error said'}); "
            "the others are kept, the same command goes on from there"
        )
    return gathered.done


def _round(
    ray: Any, recipe: Recipe, plan: Plan, todo: Sequence[int], gathered: Gathered, needs: dict[str, int]
) -> str:
    """Submits blocks and gathers outcomes; what Ray said if it gave up."""
    actors = _actors(ray, recipe.config.extract.processes)
    blocks = cut_blocks(plan, todo, actors)
    rows = [{"number": n, "asked": _asked(plan, block)} for n, block in enumerate(blocks)]
    # one block of ours is one of Ray's: an outcome comes back only after its rows are committed
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    results = data.map(
        BlockActor,
        fn_constructor_args=(recipe,),
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(blocks))),
        **needs,
    )
    try:
        for row in results.iter_rows():
            gathered.add(blocks[row["number"]], Outcome.from_json(row["outcome"]))
    except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
        return " ".join(str(error).split())[-200:]
    return ""


def _asked(plan: Plan, block: Sequence[int]) -> str:
    asked = [plan.utterances[i] for i in block]
    return json.dumps([[u.utt_id, str(u.path.absolute()), u.start_sample, u.end_sample] for u in asked])


def _actors(ray: Any, asked: int) -> int:
    return asked if asked > 1 else max(1, int(ray.cluster_resources().get("CPU", 1)))


def _connected(processes: int) -> Any:
    """Ray, started or joined.

    Raises:
        ConfigError: not installed, or ``RAY_ADDRESS`` does not answer.
    """
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        raise ConfigError(f"extract.engine=ray needs Ray ({error}): pip install 'profiling[ray]'") from error
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        own = (
            {} if address else {"num_cpus": processes if processes > 1 else None, "include_dashboard": False}
        )
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(f"RAY_ADDRESS={address}: {' '.join(str(error).split())}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray
