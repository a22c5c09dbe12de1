"""Every setting with its one default. Knows no Hydra; YAML files list only what differs. Checked by ``validation``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profiling.errors import ConfigError, did_you_mean

LAYERS = ("gfe_1", "gfe_2", "pool", "attention", "embedding")


def _user_cache() -> str:
    return str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "profiling")


@dataclass
class PathsConfig:
    """Where things live: feature stores, run folders, remembered audio hashes and probe results.

    ``paths.<corpus>`` (added for every card in ``conf/corpus``) gives a corpus named without a path.
    """

    features: str = field(default_factory=lambda: f"{os.environ.get('PROFILING_DATA', 'data')}/features")
    runs: str = "runs"
    cache: str = field(default_factory=lambda: os.environ.get("PROFILING_CACHE", _user_cache()))


@dataclass
class CorpusConfig:
    """Corpora as ``reader:path``, as many of a kind as wanted."""

    train: list[str] = field(default_factory=list)
    heldout: list[str] = field(default_factory=list)
    # A label outside the vocabulary is an error; naming it here drops its rows and counts them.
    drop_labels: list[str] = field(default_factory=list)


@dataclass
class NativeConfig:
    """A network of ECAPA2's topology. The defaults are the released widths: 27,107,708 parameters."""

    widths: list[int] = field(
        default_factory=lambda: [164] * 3 + [164] * 4 + [164] * 2 + [192] * 2 + [192] * 4 + [192] * 5
    )  # output channels of each local block
    strides: list[int] = field(
        default_factory=lambda: [1, 1, 1] + [2, 1, 1, 1] * 3 + [2, 1, 1, 1, 1]
    )  # frequency stride of each local block
    time_stride: int = 1  # of the first convolution; the released network never strides time
    seed: int = 0  # of an untrained network


@dataclass
class BackboneConfig:
    """Which frozen network, on which device, how exactly."""

    name: str = "ecapa2"  # ecapa2 | native | native_mini | spectral_stats
    path: str | None = None  # a local file instead of the hub's (ecapa2) or the package's (native_mini)
    repo_id: str = "Jenthe/ECAPA2"
    filename: str = "ecapa2.pt"
    revision: str = "b06190b427c0d20a64c777e8b77597a4fc1889d6"
    sha256: str = "9b12f6bfdb641297eb7a8c04993d0a62944586e4a1db52cc2ba86aec08980570"
    cache_dir: str | None = None  # None: HF_HOME and friends
    device: str = "auto"  # auto | cpu | cuda | cuda:N
    engine: str = "torchscript"  # of ecapa2: torchscript | native | auto (native on CUDA); no other numbers
    compile: bool = False  # the native network by torch.compile: a minute, then a quarter faster on a CPU
    precision: str = "fp32"  # fp32 (TF32 off) | tf32 | fp16 (CUDA)
    untrained: bool = False  # native_mini: random weights instead of the trained ones in the package
    native: NativeConfig = field(default_factory=NativeConfig)


@dataclass
class AudioConfig:
    """What the backbone hears, part of the feature key."""

    max_duration_s: float = 30.0  # above: the duration-weighted average of equal windows, flagged windowed
    channel: str = "mix"  # mix (mean of the channels) | 0 | 1 | ...
    # Steps in order, such as [telephone,noise:10]; see profiling/perturbations.py. Empty: as recorded.
    perturb: list[str] = field(default_factory=list)


@dataclass
class StoreConfig:
    """How features are kept."""

    dtype: str = "float32"  # float32 | float16 (an overflow is an error)
    shard_bytes: int = 64 * 2**20  # commit at least this often,
    commit_every_s: float = 60.0  # and at least this often
    verify: str = "sample"  # row checksums recomputed on reading: none | sample (256 rows) | all


@dataclass
class ExtractConfig:
    """How extraction runs; nothing here changes a number beyond DESIGN 4's tolerance."""

    engine: str = "local"  # local | ray (profiling[ray], docs/cluster.md)
    processes: int = 1  # of this machine, each with a backbone of its own; Ray: actors, 1 is all CPUs' worth
    streams: int = 0  # batches computed at once in a process: threads on a CPU, streams on CUDA; 0 chooses
    workers: int = 2  # decode-ahead threads
    batch_size: int = 16  # waveforms in one forward pass, where the backbone may batch
    seconds_in_flight: float = 600.0  # decoded audio waiting for the backbone, in seconds
    max_failed: float = 0.01  # share of utterances that may be quarantined before the command fails
    verify_audio: bool = False  # hash every file again instead of trusting (size, mtime)
    shard: str | None = None  # "3/16": the third of sixteen parts


@dataclass
class FeaturesConfig:
    """Which layers a head sees, concatenated: ``gfe_1|pool|embedding`` or a list."""

    layers: Any = "gfe_1|pool|embedding"


@dataclass
class TaskConfig:
    """What is predicted, from which column, with which labels."""

    name: str = "emotion"  # emotion | gender | age | arousal | valence | dominance | multi
    tasks: list[str] = field(default_factory=list)  # multi: one head for all of these, such as [gender,age]
    kind: str = "classification"  # classification | regression
    column: str = "emotion"
    labels: list[str] | None = None  # None: those found in the training corpora, sorted
    scheme: str = (
        "native"  # emotion: native | superb4 | ekman6; words without a place in it are dropped, counted
    )
    votes: str = (
        "ignore"  # emotion: ignore | majority (of raters, where a corpus has votes; ties are counted)
    )
    unit: str = ""
    children: str = "keep"  # gender: keep | drop | child (a class of their own)
    child_below_age: float = 16.0  # years; who counts as a child


@dataclass
class SplitConfig:
    """Speaker-disjoint protocol. ``auto``: official where given, pooled LOSO below 20 speakers, else random."""

    kind: str = "auto"  # auto | official | random | loso | kfold | session
    protocol: str | None = None  # a published list by name (data/splits), or the path of a YAML of yours
    folder: str | None = None  # where the publisher's own files of a list are, for lists that are not shipped
    group: str = "speaker"  # speaker | text: no text in train and test either
    text_groups: int = (
        3  # with group=text: the texts are tested in so many turns (one turn in random and official)
    )
    folds: int = 5
    val_fraction: float = 0.15  # of the speakers
    test_fraction: float = 0.15  # of the speakers
    allow_missing_speakers: bool = (
        False  # True: such rows count as speakers of their own, tagged not independent
    )
    seed: int = 0


@dataclass
class HeadConfig:
    """The trained part."""

    name: str = "linear"  # linear | mlp | layer_mix | probe (linear, solved over a path of penalties)
    hidden: list[int] = field(default_factory=list)
    dropout: float = 0.0
    project: int = 256  # layer_mix: width every layer is projected to
    loss: str = "auto"  # auto | cross_entropy | l1 | l2 | ccc | distribution | ordinal
    bins: int = (
        20  # distribution, ordinal: levels between the smallest and the largest target of the train rows
    )
    label_smoothing: float = 0.0  # classification
    mixup: float = 0.0  # of two rows: parameters of the beta distribution; 0: none
    noise: float = 0.0  # on features in training, in their standard deviations
    balance: str = "none"  # none | speaker | corpus: each weighs the same in the loss
    class_weights: bool = True  # inverse frequency in the training rows
    lr: float = 1e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    seed: int = 0
    # probe: of sum(loss) + penalty / 2 * norm**2 on standardised features (scikit-learn's alpha, and 1 / C)
    penalties: list[float] = field(default_factory=lambda: [round(10 ** (k / 2), 4) for k in range(-4, 13)])


@dataclass
class DataConfig:
    """The stream every head of a bank sees."""

    order_seed: int = 0
    batch_size: int = 64


@dataclass
class TrainerConfig:
    """The Lightning trainer."""

    max_epochs: int = 60
    patience: int = 10  # epochs without a better validation score
    device: str = "auto"
    progress: bool = True
    tensorboard: bool = True


@dataclass
class BankConfig:
    """Banks of a packed sweep (``hydra/launcher=packed``); nothing here changes a number."""

    max_bytes: int = (
        2 * 2**30
    )  # of parameters, gradients, moments and best parameters; more heads: more banks
    save_every: int = 5  # epochs; a killed sweep repeats at most as many


@dataclass
class HeldoutConfig:
    """How held-out corpora are decided."""

    decision: str = "masked"  # masked: argmax over the shared labels | open: over all
    robustness: Any = field(default_factory=list)  # standard, or [noise:10,telephone]: scored again


@dataclass
class SelectConfig:
    """Under ``-m``: what is searched on validation, what gets a winner each, what is averaged."""

    by: list[str] = field(default_factory=lambda: ["task"])
    seeds: str = "seed"
    skip_unlabelled: bool = False  # jobs with a corpus without labels of their task are left out, and said


@dataclass
class MatrixConfig:
    """``profiling matrix``: every corpus of ``corpus.train`` trains a head that is scored on all of them."""

    enabled: bool = False
    labels: str = (
        "masked"  # masked: each pair on the labels it shares | common: all on the labels of all corpora
    )


@dataclass
class RunConfig:
    """Everything one command needs."""

    paths: PathsConfig = field(default_factory=PathsConfig)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    data: DataConfig = field(default_factory=DataConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    heldout: HeldoutConfig = field(default_factory=HeldoutConfig)
    select: SelectConfig = field(default_factory=SelectConfig)
    matrix: MatrixConfig = field(default_factory=MatrixConfig)
    # beside the head in every table: linear (our probe), ridge and svm (scikit-learn); [] for none
    baselines: list[str] = field(default_factory=lambda: ["linear"])
    seed: int | None = None  # alias of head.seed


def parse_layers(asked: object) -> list[str]:
    """Normalises ``"gfe_1|pool"`` or a list to layer names in the network's order.

    Raises:
        ConfigError: an unknown or repeated layer, or none.

    >>> parse_layers("embedding|pool")
    ['pool', 'embedding']
    """
    if asked is not None and not isinstance(asked, str | Sequence):
        raise ConfigError(f'features.layers={asked}: name layers, such as features.layers="gfe_1|pool"')
    names = [part.strip() for part in asked.split("|")] if isinstance(asked, str) else list(asked or [])
    for name in names:
        if name not in LAYERS:
            raise ConfigError(f"features.layers: no layer {name!r}; {did_you_mean(str(name), LAYERS)}")
    if not names:
        raise ConfigError(f"features.layers is empty; name at least one of {', '.join(LAYERS)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"features.layers names a layer twice: {'|'.join(names)}")
    return [layer for layer in LAYERS if layer in names]
