"""Every setting of the mini backbone's pretraining with its one default; knows no Hydra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from profiling.backbones.network import mini_config
from profiling.config import NativeConfig
from profiling.errors import ConfigError


@dataclass
class SpeechConfig:
    """Which speech, and how it is cut."""

    folder: str = "${oc.env:PROFILING_DATA,data/raw}/speechocean762"  # with its manifest.csv
    split: str = "train"  # nothing else is ever read
    cache: str = "${oc.env:PROFILING_CACHE,${oc.env:HOME}/.cache/profiling}/pretraining"  # decoded once
    speeds: list[float] = field(default_factory=lambda: [1.0, 0.9, 1.1])  # a speaker at each is an identity
    crop_s: list[float] = field(default_factory=lambda: [1.0, 1.5, 2.0, 4.0])  # one length per batch,
    crop_share: list[float] = field(default_factory=lambda: [0.45, 0.35, 0.17, 0.03])  # drawn with these
    batch_s: float = 32.0  # audio in a batch: 32 crops of 1 s or 8 of 4 s cost the same
    workers: int = 0  # processes that prepare batches; the batches do not depend on it


@dataclass
class AugmentConfig:
    """Share of the crops that meet each distortion; they are drawn independently."""

    gain: float = 0.5
    gain_db: float = 10.0  # up to this much louder or softer
    filter: float = 0.15  # a shelving or peaking filter
    reverb: float = 0.12  # a generated room
    noise: float = 0.3  # coloured noise
    babble: float = 0.1  # several other crops, softly
    telephone: float = 0.05  # 300 to 3400 Hz and mu-law of 8 bits
    overlap: float = 0.1  # a second speaker who shares the label


@dataclass
class MarginConfig:
    """Sub-centre additive angular margin."""

    subcentres: int = 2
    scale: float = 15.0  # of the cosines; 30 drowns the other heads in the first thousand steps
    margin: float = 0.2  # radians
    warmup_steps: int = 400  # the margin grows from 0 over these


@dataclass
class AuxiliaryConfig:
    """Weights of the losses beside the speakers'; 0 leaves a head out."""

    sex: float = 0.5
    age: float = 0.5  # child or adult
    contours: float = 0.5  # pitch, loudness and spectrum in each frame of the clean crop
    statistics: float = 2.0  # their means and standard deviations over the crop


@dataclass
class OptimConfig:
    """AdamW; warm-up, constant, linear decay: the decay alone depends on the total."""

    lr: float = 4e-4  # of narrow layers, see module.width_factor
    weight_decay: float = 1e-2
    beta_2: float = 0.98  # a short memory: the first steps' gradients are a hundred times the later ones'
    warmup_steps: int = 50
    decay_share: float = 0.5  # of the total steps
    clip_norm: float = 5.0
    floor_share: float = 0.3  # of a layer's mean variance added to each unit's, see norms.py


@dataclass
class PretrainConfig:
    """Everything ``python -m profiling.pretraining`` needs."""

    output: str = "runs/pretrain_mini"  # resumed where it holds a last.ckpt
    steps: int = 2500
    seed: int = 0
    threads: int = 1  # of PyTorch on a CPU; resuming bit for bit needs the same number
    device: str = "auto"  # auto | cpu | cuda
    checkpoint_every: int = 100  # steps
    snapshot_every: int = 200  # steps; fp16 weights kept for the learning curve
    log_every: int = 20  # steps
    stop_after: int | None = None  # leave after this many steps in all, to be continued
    network: NativeConfig = field(default_factory=mini_config)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    margin: MarginConfig = field(default_factory=MarginConfig)
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)


_POSITIVE = (
    "steps", "threads", "checkpoint_every", "snapshot_every", "log_every", "speech.batch_s", "optim.lr",
    "optim.clip_norm", "margin.subcentres", "margin.scale",
)  # fmt: skip
_SHARES = (
    "augment.gain", "augment.filter", "augment.reverb", "augment.noise", "augment.babble",
    "augment.telephone", "augment.overlap", "optim.decay_share", "optim.floor_share",
)  # fmt: skip


def validate(config: PretrainConfig) -> None:
    """Checks every value that a type cannot.

    Raises:
        ConfigError: names the key and the value.
    """
    for key in _POSITIVE:
        if not _get(config, key) > 0:
            raise ConfigError(f"{key}={_get(config, key)}: must be above 0")
    for key in _SHARES:
        if not 0 <= _get(config, key) <= 1:
            raise ConfigError(f"{key}={_get(config, key)}: must be between 0 and 1")
    speech = config.speech
    if len(speech.crop_s) != len(speech.crop_share) or not speech.crop_s:
        raise ConfigError(
            f"speech.crop_share={speech.crop_share}: one for each of speech.crop_s={speech.crop_s}"
        )
    if min(speech.crop_s) < 0.5 or max(speech.crop_s) * 2 > speech.batch_s:
        raise ConfigError(f"speech.crop_s={speech.crop_s}: 0.5 s to half of speech.batch_s={speech.batch_s}")
    if not speech.speeds or len(set(speech.speeds)) < len(speech.speeds) or min(speech.speeds) <= 0:
        raise ConfigError(f"speech.speeds={speech.speeds}: different, above 0, at least one")
    if config.device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={config.device}: auto, cpu or cuda")


def _get(config: PretrainConfig, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
