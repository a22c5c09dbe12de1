"""A profiler: a trained head with its backbone, answering on any recording.

file -> waveform -> windows -> backbone -> head -> Answer
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from profiling.audio import Audio, check_duration, load_heard
from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import SAMPLE_RATE_HZ, Backbone
from profiling.bundle import Bundle, read_bundle
from profiling.config import AudioConfig, BackboneConfig, NativeConfig, StoreConfig
from profiling.errors import AudioError, BundleError
from profiling.evaluation.decisions import decide
from profiling.features.extract import feature_key
from profiling.features.windows import equal_windows, max_window_samples, window_mean
from profiling.heads.modules import build_head
from profiling.provenance import signature

Vectors = dict[str, NDArray[np.float32]]  # layer -> (dim,)

#: One bundle folder per task.
DEFAULT_BUNDLES = Path(__file__).with_name("bundles") / "mini"


@dataclass(frozen=True)
class Answer:
    """What a profiler says of one recording.

    Attributes:
        path: the recording, as it was given.
        task: ``age``, ``gender`` or ``emotion``.
        label: the most probable label; None for regression or after an error.
        probabilities: label -> probability; empty for regression.
        value: the number, in ``unit``; None for classification.
        unit: of ``value``, such as ``years``.
        duration_s: of the recording, in seconds.
        flags: ``windowed``, ``upsampled``, ``clipped``, ``perturbed`` (as the head's training data were), ...
        backbone: name and what stands behind it, such as ``native_mini (untrained)``.
        profiler: signature of the bundle that answered.
        error: why there is no answer; None otherwise.
    """

    path: str
    task: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    unit: str = ""
    duration_s: float | None = None
    flags: tuple[str, ...] = ()
    backbone: str = ""
    profiler: str = ""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the fields that say nothing."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "", (), {})}


class Profiler:
    """Answers with one trained head. Make one with :meth:`from_pretrained`.

    Attributes:
        bundle: the head and what it was trained on.
        backbone: computes its features.
        layers: those its head reads, in the order of its columns.
        audio: channel and long-audio rules, and what every recording goes through before the backbone.
    """

    def __init__(self, bundle: Bundle, backbone: Backbone) -> None:
        self.bundle, self.backbone = bundle, backbone
        self._head = build_head(bundle.spec.head, bundle.state)
        self.layers = [label for label, _ in bundle.spec.head.layers]
        self.audio = AudioConfig(**bundle.spec.audio)
        check_same_features(bundle, backbone, self.audio)

    @classmethod
    def from_pretrained(
        cls, path: str | Path, *, device: str = "auto", cache: str | Path | None = None
    ) -> Self:
        """Reads a bundle folder, or a run folder that holds one, and loads its backbone.

        Args:
            path: the folder.
            device: ``auto``, ``cpu``, ``cuda``.
            cache: where probe results are remembered; None is ``paths.cache``.

        Raises:
            BundleError: damaged, edited, newer, or of a backbone that is not this one.
            BackboneError: the backbone cannot be loaded.
        """
        bundle = read_bundle(Path(path).expanduser())
        config = backbone_config(bundle, device)
        return cls(bundle, build_backbone(config, Path(cache) if cache else default_cache()))

    def __call__(self, path: str | Path) -> Answer:
        """Answers on one recording.

        Raises:
            AudioError: it cannot be used.
        """
        audio = load_heard(Path(path), self.audio)
        return self.answer(str(path), audio, layer_vectors(self.backbone, audio, self.layers, self.audio))

    def answers(self, paths: Iterable[str | Path]) -> Iterator[Answer]:
        """One answer per recording, in order; one that cannot be used gets an answer with ``error``."""
        return answers_of([self], paths)

    @property
    def task(self) -> str:
        """``age``, ``gender`` or ``emotion``."""
        return str(self.bundle.spec.task["name"])

    def answer(self, path: str, audio: Audio, vectors: Vectors) -> Answer:
        """Answers from a recording's features.

        Args:
            path: to be named in the answer.
            audio: the recording.
            vectors: layer -> (dim,) of at least :attr:`layers`.
        """
        row = np.concatenate([vectors[layer] for layer in self.layers])[None]  # (1, dim)
        outputs = self._head.predict(row)
        windowed = ("windowed",) if audio.duration_s > self.audio.max_duration_s else ()
        shared = Answer(
            path,
            self.task,
            duration_s=round(audio.duration_s, 3),
            flags=(*audio.flags, *windowed, *(("perturbed",) if self.audio.perturb else ())),
            backbone=f"{self.backbone.name} ({self.backbone.training})",
            profiler=self.bundle.signature[:16],
        )
        labels = list(self.bundle.spec.head.labels)
        if not labels:
            unit = str(self.bundle.spec.task["unit"])
            return replace(shared, value=float(outputs[0]), unit=unit)
        probabilities = dict(zip(labels, map(float, outputs[0]), strict=True))
        return replace(shared, label=decide(outputs, labels)[0], probabilities=probabilities)


def backbone_config(bundle: Bundle, device: str = "auto") -> BackboneConfig:
    """The configuration that rebuilds a bundle's backbone.

    Raises:
        BundleError: a bundle of another version.
    """
    section = dict(bundle.spec.backbone)
    try:
        native = NativeConfig(**section.pop("native"))
        return BackboneConfig(**{**section, "native": native, "device": device})
    except (TypeError, KeyError) as error:
        raise BundleError(f"{bundle.folder}: backbone section of another version: {error}") from error


def default_cache() -> Path:
    """``paths.cache`` of the default configuration."""
    from profiling.config import PathsConfig

    return Path(PathsConfig().cache)


def check_same_features(bundle: Bundle, backbone: Backbone, audio: AudioConfig) -> None:
    """The backbone must compute exactly the features the head was trained on.

    Raises:
        BundleError: names what differs.
    """
    store = StoreConfig(dtype=str(bundle.spec.feature_key["dtype"]))
    found, wanted = feature_key(backbone, audio, store).fields(), bundle.spec.feature_key
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        pairs = "; ".join(f"{name}: trained on {wanted[name]}, here {found.get(name)}" for name in differing)
        raise BundleError(
            f"{bundle.folder} was trained on other features ({pairs}); use the backbone it names"
        )


def layer_vectors(backbone: Backbone, audio: Audio, layers: Sequence[str], rules: AudioConfig) -> Vectors:
    """Features of one recording, layer -> (dim,): exactly those that extraction would store.

    Raises:
        AudioError: too short for the backbone.
    """
    check_duration(audio.waveform, backbone.min_samples)
    longest = max_window_samples(rules.max_duration_s, backbone.min_samples)
    spans = equal_windows(len(audio.waveform), longest)
    windows = [audio.waveform[start:end] for start, end in spans]
    outputs = [backbone.extract([window], layers) for window in windows]
    seconds = [len(window) / SAMPLE_RATE_HZ for window in windows]
    return window_mean([{layer: output[layer][0] for layer in layers} for output in outputs], seconds)


def answers_of(profilers: Sequence[Profiler], paths: Iterable[str | Path]) -> Iterator[Answer]:
    """Every profiler's answer on every recording, recording by recording.

    Profilers of one backbone share its pass over a recording. A recording that cannot be used gets answers
    with ``error``.
    """
    groups = _alike(profilers)
    for path in paths:
        for group in groups:
            yield from _together(group, str(path))


def _alike(profilers: Sequence[Profiler]) -> list[list[Profiler]]:
    """Profilers by backbone and audio rules, in the order given."""
    groups: dict[tuple[object, ...], list[Profiler]] = {}
    for profiler in profilers:
        rules = profiler.audio
        key = (id(profiler.backbone), rules.channel, rules.max_duration_s, *rules.perturb)
        groups.setdefault(key, []).append(profiler)
    return list(groups.values())


def _together(group: Sequence[Profiler], path: str) -> list[Answer]:
    first = group[0]
    layers = [name for name in first.backbone.layers if any(name in one.layers for one in group)]
    try:
        audio = load_heard(Path(path), first.audio)
        vectors = layer_vectors(first.backbone, audio, layers, first.audio)
    except AudioError as error:
        return [Answer(path, one.task, error=str(error), profiler=one.bundle.signature[:16]) for one in group]
    return [one.answer(path, audio, vectors) for one in group]


def default_bundles() -> list[Path]:
    """The profilers that come with the package: age and gender by the mini backbone; not ECAPA2.

    Raises:
        BundleError: this installation has none.
    """
    found = sorted(file.parent for file in DEFAULT_BUNDLES.glob("*/profiler.json"))
    if not found:
        raise BundleError(f"no default profiler in {DEFAULT_BUNDLES}; give --model RUN or install again")
    return found


def load_profilers(
    paths: Sequence[str | Path], *, device: str = "auto", cache: Path | None = None
) -> list[Profiler]:
    """Loads bundles or run folders; equal backbones are loaded once.

    Raises:
        BundleError, BackboneError: as :meth:`Profiler.from_pretrained`.
    """
    loaded: dict[str, Backbone] = {}
    profilers = []
    for path in paths:
        bundle = read_bundle(Path(path).expanduser())
        config = backbone_config(bundle, device)
        name = signature(asdict(config))
        if name not in loaded:
            loaded[name] = build_backbone(config, cache or default_cache())
        profilers.append(Profiler(bundle, loaded[name]))
    return profilers
