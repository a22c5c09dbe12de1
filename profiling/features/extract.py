"""Extraction: recordings in, committed rows of the feature store out, nothing computed twice.

utterances -> known hashes -> missing rows -> decode ahead -> batches -> backbone -> shards
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from profiling.audio_index import AudioIndex
from profiling.backbones.protocol import SAMPLE_RATE_HZ, Backbone
from profiling.config import AudioConfig, RunConfig, StoreConfig
from profiling.features.decode import Utterance
from profiling.features.engine import Extraction, Run, Setup
from profiling.features.key import StoredType
from profiling.features.plan import Plan, make_plan, recall
from profiling.features.progress import ExtractionProgress
from profiling.features.quarantine import update_quarantine
from profiling.features.shard import DamagedShardError
from profiling.features.store import FeatureKey, FeatureStore, Verify
from profiling.features.verify import mend_spec, set_aside
from profiling.features.windows import max_window_samples
from profiling.perturbations import RULES_VERSION, parse_perturbations
from profiling.snr_index import SnrIndex

_LOGGER = logging.getLogger(__name__)

__all__ = [
    "Engine",
    "Extraction",
    "Setup",
    "compute_here",
    "feature_key",
    "plan_extraction",
    "run_extraction",
    "set_up",
]


def feature_key(backbone: Backbone, audio: AudioConfig, store: StoreConfig) -> FeatureKey:
    """Everything that changes a number, and nothing that does not (DESIGN 2)."""
    return FeatureKey(
        backbone={"name": backbone.name, **backbone.identity()},
        front_end={
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "resampler": "soxr_hq",
            "mono": "mean of the channels, float64" if audio.channel == "mix" else f"channel {audio.channel}",
            "long_audio": "duration-weighted mean of equal windows",
            "max_duration_s": float(audio.max_duration_s),
            **_perturbations(audio),
        },
        precision=backbone.precision,
        dtype=cast(StoredType, store.dtype),  # FeatureKey refuses any other
    )


def _perturbations(audio: AudioConfig) -> dict[str, object]:
    """Nothing where nothing is perturbed: such keys are what they were before there were perturbations."""
    if not audio.perturb:
        return {}
    steps = [str(step) for step in parse_perturbations(audio.perturb)]
    return {"perturb": steps, "perturb_rules": RULES_VERSION}


def set_up(backbone: Backbone, layers: Sequence[str], config: RunConfig) -> Setup:
    """Opens or makes the store of a backbone and a front end.

    Raises:
        ConfigError: ``audio.max_duration_s`` is shorter than the backbone's windows may be.
        StoreError: the store belongs to another key, or the disk refuses.
    """
    max_samples = max_window_samples(config.audio.max_duration_s, backbone.min_samples)
    key = feature_key(backbone, config.audio, config.store)
    store = _open_or_mend(Path(config.paths.features), key, backbone)
    index = AudioIndex(Path(config.paths.cache))
    return Setup(
        backbone, store, list(layers), config, index, SnrIndex(Path(config.paths.cache)), max_samples
    )


def _open_or_mend(root: Path, key: FeatureKey, backbone: Backbone) -> FeatureStore:
    folder = root / key.folder_name
    if mend_spec(folder, key, backbone.layers, backbone.training):
        _LOGGER.warning(
            "%s: spec.json was edited or damaged: written anew, the old one is in damaged/", folder
        )
    return FeatureStore.open(root, key, backbone.layers, create=True, training=backbone.training)


def plan_extraction(setup: Setup, utterances: Sequence[Utterance]) -> Plan:
    """What is there and what is missing; opens no audio that is remembered, unless asked to verify.

    Rows that are there are checked as ``store.verify`` says. A damaged shard is set aside, which is said, and its
    rows are missing.
    """
    settings = setup.config.extract
    known = recall(utterances, setup.index, verify=settings.verify_audio, workers=settings.workers)
    while True:
        try:
            plan = make_plan(utterances, setup.store, setup.layers, known)
            _check_rows(setup, plan)
            return plan
        except DamagedShardError as error:
            moved = set_aside(error.path)
            _LOGGER.warning("%s: %s: set aside, its rows are computed again", moved, error.reason)


def _check_rows(setup: Setup, plan: Plan) -> None:
    todo = set(plan.todo)
    cached = [key for i, key in enumerate(plan.keys) if key is not None and i not in todo]
    if cached:
        setup.store.view(cached, setup.layers, verify=cast(Verify, setup.config.store.verify))


#: Computes what a plan lacks: in this process, in several, or on a cluster.
Engine = Callable[[Setup, Plan, ExtractionProgress], Extraction]


def compute_here(setup: Setup, plan: Plan, progress: ExtractionProgress) -> Extraction:
    """The engine of one process."""
    run = Run(setup, plan, progress)
    if plan.todo:
        run.compute()
    return run.done


def run_extraction(setup: Setup, plan: Plan, engine: Engine = compute_here) -> Extraction:
    """Computes what is missing. Ctrl-C commits what is complete and returns ``interrupted``."""
    with ExtractionProgress(len(plan.todo), shown=setup.config.trainer.progress) as progress:
        done = (engine if plan.todo else compute_here)(setup, plan, progress)
    usable = [asked.utt_id for asked, key in zip(plan.utterances, done.keys, strict=True) if key is not None]
    failed = [entry.utt_id for entry in done.quarantined]
    update_quarantine(setup.store.folder, [*usable, *failed], done.quarantined)
    return done
