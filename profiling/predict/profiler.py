"""One trained head with its backbone: features in, an answer out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import Backbone
from profiling.bundle import Bundle, read_bundle
from profiling.config import AudioConfig, StoreConfig
from profiling.errors import BundleError
from profiling.features.extract import feature_key
from profiling.features.windows import Vectors
from profiling.heads.modules import build_head
from profiling.hub import locate
from profiling.predict.answer import NAME_DIGITS, Answer
from profiling.predict.calibrated import Calibration
from profiling.predict.loading import backbone_config, default_cache

OUTSIDE = "outside_training_range"


class Profiler:
    """Answers with one trained head. Make one with :meth:`from_pretrained`; several: ``Panel``.

    Attributes:
        bundle: the head and what it was trained on.
        backbone: computes its features.
        layers: those its head reads, in the order of its columns.
        audio: channel and long-audio rules.
        calibration: of its answers.
    """

    def __init__(self, bundle: Bundle, backbone: Backbone) -> None:
        self.bundle, self.backbone = bundle, backbone
        self._head = build_head(bundle.spec.head, bundle.state)
        self.layers = [label for label, _ in bundle.spec.head.layers]
        self.audio = AudioConfig(**bundle.spec.audio)
        self.calibration = Calibration.of(bundle)
        self._range = _trained_range(bundle)
        check_same_features(bundle, backbone, self.audio)

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        device: str = "auto",
        cache: str | Path | None = None,
    ) -> Self:
        """Reads a bundle folder, a run folder that holds one, or a bundle on the hub; loads its backbone.

        Args:
            path: the folder, or ``user/name`` on the Hugging Face hub.
            revision: of the hub: branch, tag or commit.
            device: ``auto``, ``cpu``, ``cuda``.
            cache: where probe results are remembered; None is ``paths.cache``.

        Raises:
            BundleError: damaged, edited, newer, or of a backbone that is not this one.
            BackboneError: the backbone cannot be loaded.
        """
        bundle = read_bundle(locate(path, revision))
        config = backbone_config(bundle, device)
        return cls(bundle, build_backbone(config, Path(cache) if cache else default_cache()))

    def __call__(self, source: Any, rate_hz: float | None = None) -> Answer:
        """Answers on one recording.

        Args:
            source: a file, or samples: (samples,) or (channels, samples).
            rate_hz: of samples.

        Raises:
            AudioError: it cannot be used.
        """
        from profiling.predict.panel import Panel

        return Panel([self])(source, rate_hz).answers[0]

    def embed(
        self, source: Any, rate_hz: float | None = None, layers: Sequence[str] | None = None
    ) -> Vectors:
        """The backbone's layers of one recording, layer -> (dim,) float32; all of them unless some are named."""
        from profiling.predict.panel import Panel

        return Panel([self]).embed(source, rate_hz, layers)

    @property
    def task(self) -> str:
        """``age``, ``gender`` or ``emotion``."""
        return str(self.bundle.spec.task["name"])

    @property
    def dtype(self) -> str:
        """In which its features were stored when it was trained."""
        return str(self.bundle.spec.feature_key["dtype"])

    @property
    def name(self) -> str:
        """The bundle's signature, shortened."""
        return self.bundle.signature[:NAME_DIGITS]

    @property
    def backbone_name(self) -> str:
        """Name and what stands behind it."""
        return f"{self.backbone.name} ({self.backbone.training})"

    def answers(self, vectors: Sequence[Vectors]) -> list[Answer]:
        """Answers from features.

        Args:
            vectors: for each recording, layer -> (dim,) of at least :attr:`layers`.
        """
        if not vectors:
            return []
        rows = np.stack([np.concatenate([one[layer] for layer in self.layers]) for one in vectors])
        outputs = self._head.predict(rows)
        labels = list(self.bundle.spec.head.labels)
        return [self._classes(row, labels) if labels else self.number(float(row)) for row in outputs]

    def _classes(self, row: NDArray[np.float32], labels: list[str]) -> Answer:
        return self.classes(dict(zip(labels, map(float, row), strict=True)))

    def classes(self, uncalibrated: dict[str, float]) -> Answer:
        """The answer for some of the head's own probabilities, such as the mean over windows."""
        probabilities = self.calibration.probabilities(uncalibrated)
        return Answer(
            self.task,
            label=max(uncalibrated, key=uncalibrated.__getitem__),  # the first of equals, as evaluate decides
            probabilities=probabilities,
            uncalibrated=uncalibrated,
            label_set=self.calibration.label_set(probabilities),
            profiler=self.name,
            backbone=self.backbone_name,
        )

    def number(self, value: float) -> Answer:
        """The answer for a number, such as the mean over windows."""
        outside = self._range is not None and not self._range[0] <= value <= self._range[1]
        return Answer(
            self.task,
            value=value,
            unit=str(self.bundle.spec.task["unit"]),
            interval=self.calibration.interval(value),
            flags=(OUTSIDE,) if outside else (),
            profiler=self.name,
            backbone=self.backbone_name,
        )


def _trained_range(bundle: Bundle) -> tuple[float, float] | None:
    """Lowest and highest number in the training rows; None for classes."""
    answers = bundle.spec.train.get("answers")
    if bundle.spec.head.labels or not answers:
        return None
    values = [float(value) for value, _ in answers]
    return min(values), max(values)


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
