"""Runs or resumes the pretraining of the mini backbone."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import pytorch_lightning as pl
import torch

from profiling.errors import ConfigError
from profiling.pretraining.checkpoints import LAST, Checkpoints
from profiling.pretraining.config import PretrainConfig, validate
from profiling.pretraining.data import CropStream, loader
from profiling.pretraining.module import Pretraining
from profiling.pretraining.recordings import Recordings, load
from profiling.provenance import environment, read_json, signature, write_json

_LOG = logging.getLogger(__name__)
CARD = "config.json"
#: What may differ when a run is continued: it changes no step already taken.
_FREE = (
    "output", "steps", "stop_after", "threads", "device", "checkpoint_every", "snapshot_every", "log_every",
)  # fmt: skip
_FREE_SPEECH = ("folder", "cache", "workers")


def pretrain(config: PretrainConfig) -> Path:
    """Trains until ``config.steps`` (or ``stop_after``), from ``last.ckpt`` where there is one.

    Returns:
        The folder with ``last.ckpt``, snapshots, ``log.jsonl`` and ``config.json``.

    Raises:
        ConfigError: a value out of range, or another run's folder.
    """
    validate(config)
    recordings = load(
        Path(config.speech.folder), config.speech.split, config.speech.speeds, Path(config.speech.cache)
    )
    return fit(config, recordings)


def fit(config: PretrainConfig, recordings: Recordings) -> Path:
    """As :func:`pretrain`, on speech that is already decoded."""
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, config)
    torch.set_num_threads(config.threads)
    stream = CropStream(recordings, config)
    last = folder / LAST
    if last.is_file():
        stream.start = finished_steps(last)
        _LOG.info("%s: resuming after step %d", last, stream.start)
    until = min(config.steps, config.stop_after or config.steps)
    if stream.start >= until:
        _LOG.info("%s: %d steps are done; a larger steps=... continues", folder, stream.start)
        return folder
    module = Pretraining(config, stream.identities)
    resumed = str(last) if last.is_file() else None
    _trainer(config, folder, until).fit(module, loader(stream), ckpt_path=resumed, weights_only=True)
    return folder


def finished_steps(checkpoint: Path) -> int:
    """Optimizer steps taken when a checkpoint was written."""
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _trainer(config: PretrainConfig, folder: Path, until: int) -> pl.Trainer:
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(config.device, config.device),
        devices=1,
        max_steps=until,
        max_epochs=-1,
        gradient_clip_val=config.optim.clip_norm,
        callbacks=[Checkpoints(folder, config)],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _claim(folder: Path, config: PretrainConfig) -> None:
    """Keeps the run's settings beside it, and refuses to continue another run."""
    settings = {key: value for key, value in asdict(config).items() if key not in _FREE}
    settings["speech"] = {k: v for k, v in settings["speech"].items() if k not in _FREE_SPEECH}
    card = folder / CARD
    if card.is_file() and signature(read_json(card)["settings"]) != signature(settings):
        raise ConfigError(f"{folder} holds a run with other settings ({card}); choose another output=...")
    if not card.is_file():
        write_json(card, {"settings": settings, "environment": environment()})
