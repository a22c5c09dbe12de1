"""From a manifest and a configuration to features on disk: the one door that every command uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import Backbone, notice_of
from profiling.config import RunConfig
from profiling.errors import ProfilingError
from profiling.features.blocks import build_configured
from profiling.features.cost import cost_line
from profiling.features.decode import Utterance
from profiling.features.extract import (
    Engine,
    Extraction,
    compute_here,
    plan_extraction,
    run_extraction,
    set_up,
)
from profiling.features.processes import run_in_processes
from profiling.features.progress import human_duration
from profiling.features.quarantine import FILE_NAME

Say = Callable[[str], None]

#: Below this many utterances to compute nobody needs a forecast.
_FORECAST_FROM = 50
_SHOWN_FAILURES = 5

TRAINING_NOTES = {
    "released": "the authors' released weights",
    "mini": "the small network trained for this package, not ECAPA2",
    "local": "a local file with other weights than the released ones",
    "untrained": "untrained backbone: its numbers prove the chain, nothing about people",
    "signal": "signal statistics, no network",
}


class InterruptedExtractionError(ProfilingError):
    """Ctrl-C during extraction: everything computed is committed."""

    exit_code = 130


class TooManyFailuresError(ProfilingError):
    """More utterances were quarantined than ``extract.max_failed`` allows."""

    exit_code = 1


@dataclass(frozen=True)
class Prepared:
    """Features of a manifest's rows.

    Attributes:
        backbone: what computed them.
        extraction: keys by row, quarantine, counts.
        layers: the layers asked for, in network order.
    """

    backbone: Backbone
    extraction: Extraction
    layers: list[str]


def utterances_of(table: pd.DataFrame) -> list[Utterance]:
    """The rows of a manifest as spans of recordings, in the manifest's order."""
    columns = zip(table["utt_id"], table["path"], table["start_sample"], table["end_sample"], strict=True)
    return [Utterance(str(utt), Path(path), int(start), int(end)) for utt, path, start, end in columns]


def load_backbone(config: RunConfig, say: Say) -> Backbone:
    """Builds the backbone and says in one line what stands behind its numbers."""
    backbone = build_backbone(config.backbone, Path(config.paths.cache))
    say_backbone(backbone, say)
    return backbone


def say_backbone(backbone: Backbone, say: Say) -> None:
    """One line on what stands behind a backbone's numbers, after its notice if it has one."""
    if notice := notice_of(backbone):
        say(notice)
    note = TRAINING_NOTES[backbone.training]
    say(f"backbone {backbone.name} on {backbone.device}, {backbone.precision}: {note}")


def prepare_features(
    utterances: Sequence[Utterance],
    layers: Sequence[str],
    config: RunConfig,
    backbone: Backbone,
    say: Say,
) -> Prepared:
    """Makes sure that every utterance's features are on disk.

    Raises:
        InterruptedExtractionError: Ctrl-C; says how to go on.
        TooManyFailuresError: the quarantine is over its budget.
    """
    if config.audio.perturb:
        say(f"every recording goes through {', then '.join(config.audio.perturb)}: features of their own")
    setup = set_up(backbone, layers, config)
    plan = plan_extraction(setup, utterances)
    if len(plan.todo) >= _FORECAST_FROM:
        say(cost_line(plan, backbone, layers))
    extraction = run_extraction(setup, plan, _engine(config))
    for line in summary(extraction, backbone):
        say(line)
    _check(extraction, len(utterances), config)
    return Prepared(backbone, extraction, list(layers))


def _engine(config: RunConfig) -> Engine:
    if config.extract.engine == "ray":
        from profiling.features.distributed import run_on_ray

        return partial(run_on_ray, build=build_configured)
    if config.extract.processes > 1:
        return partial(run_in_processes, build=build_configured)
    return compute_here


def summary(extraction: Extraction, backbone: Backbone) -> list[str]:
    """What an extraction did, in a few lines."""
    total = len(extraction.keys)
    lines = [f"{extraction.cached}/{total} from cache"]
    if extraction.computed:
        speed = extraction.audio_s / max(extraction.wall_s, 1e-9)
        lines[0] += (
            f", {extraction.computed} computed: {human_duration(extraction.audio_s)} of audio in "
            f"{human_duration(extraction.wall_s)} ({speed:.1f} x real time, {backbone.device})"
        )
    if extraction.shared:
        lines[0] += f", {extraction.shared} with the same audio as another"
    lines.append(f"features in {extraction.store.folder}")
    failed = extraction.quarantined
    if failed:
        lines.append(f"{len(failed)} quarantined, listed in {extraction.store.folder / FILE_NAME}:")
        lines += [f"  {e.utt_id}: {e.stage}: {e.reason} ({e.path})" for e in failed[:_SHOWN_FAILURES]]
        if len(failed) > _SHOWN_FAILURES:
            lines.append(f"  ... and {len(failed) - _SHOWN_FAILURES} more")
    return lines


def _check(extraction: Extraction, asked: int, config: RunConfig) -> None:
    if extraction.interrupted:
        reached = sum(key is not None for key in extraction.keys)
        raise InterruptedExtractionError(
            f"interrupted: {reached} of {asked} utterances have their features; the same command goes on from there"
        )
    failed = len(extraction.quarantined)
    if failed > config.extract.max_failed * asked:
        raise TooManyFailuresError(
            f"{failed} of {asked} utterances failed, more than extract.max_failed={config.extract.max_failed:g} "
            f"allows: mend or remove them, or raise extract.max_failed; the other rows are kept"
        )
