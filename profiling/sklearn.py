"""Features of recordings as a scikit-learn transformer, with the feature cache behind it.

``make_pipeline(EcapaFeatures("native_mini"), StandardScaler(), LogisticRegression()).fit(paths, labels)``:
each recording passes the backbone once, whatever a grid search does afterwards. ``pip install profiling[sklearn]``
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from profiling.backbones.build import build_backbone
from profiling.backbones.protocol import Backbone
from profiling.config import BackboneConfig, RunConfig, parse_layers
from profiling.errors import AudioError, ConfigError
from profiling.features.decode import Utterance
from profiling.features.extract import plan_extraction, run_extraction, set_up
from profiling.features.quarantine import Quarantined

#: Backbones of this process by (name, path, device): clones of a transformer share one.
_BACKBONES: dict[tuple[str, str | None, str], Backbone] = {}
_SHOWN = 3


class EcapaFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Paths of recordings in, a matrix of frozen features out.

    Stateless: ``fit`` only loads the backbone. Features are read from the feature cache, and computed and kept
    there where they are missing, exactly as ``profiling extract`` keeps them.

    Args:
        backbone: ``ecapa2``, ``native_mini``, ``native`` or ``spectral_stats``.
        layers: ``embedding``, or several as ``gfe_1|pool``; their columns stand side by side in network order.
        channel: ``mix``, ``0``, ``1``, ...
        device: ``auto``, ``cpu``, ``cuda``.
        path: a local weights file instead of the backbone's own.
        features: folder of the feature cache; None is ``paths.features``.

    Attributes:
        n_features_out_: columns.
    """

    def __init__(
        self,
        backbone: str = "ecapa2",
        layers: str = "embedding",
        *,
        channel: str = "mix",
        device: str = "auto",
        path: str | None = None,
        features: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.layers = layers
        self.channel = channel
        self.device = device
        self.path = path
        self.features = features

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's names
        """Loads the backbone; learns nothing from ``X``.

        Raises:
            BackboneError: it cannot be loaded.
            ConfigError: a layer it does not have.
        """
        backbone, layers = self._backbone(), parse_layers(self.layers)
        missing = [layer for layer in layers if layer not in backbone.layers]
        if missing:
            raise ConfigError(f"layers={self.layers}: {backbone.name} has {', '.join(backbone.layers)}")
        self.n_features_out_ = sum(backbone.layers[layer] for layer in layers)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Features of recordings.

        Args:
            X: (n,) paths: a list, an array, a Series, or one column of any of these.

        Returns:
            (n, n_features_out_) float32.

        Raises:
            AudioError: recordings that cannot be used; names the first of them.
        """
        layers = parse_layers(self.layers)
        paths = _paths(X)
        done = run_extraction(*self._planned(paths, layers))
        if done.quarantined:
            raise _refused(done.quarantined, len(paths))
        if done.interrupted:
            raise KeyboardInterrupt
        keys = [key for key in done.keys if key is not None]
        matrix: NDArray[np.float32] = done.store.view(keys, layers).load()
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``embedding_0``, ``embedding_1``, ..."""
        dims = self._backbone().layers
        names = [f"{layer}_{i}" for layer in parse_layers(self.layers) for i in range(dims[layer])]
        return np.array(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.requires_fit = False
        return tags

    def _planned(self, paths: Sequence[str], layers: list[str]) -> tuple[Any, Any]:
        config = RunConfig()
        config.audio.channel = self.channel
        config.trainer.progress = False
        if self.features is not None:
            config.paths.features = self.features
        setup = set_up(self._backbone(), layers, config)
        utterances = [Utterance(str(i), Path(path)) for i, path in enumerate(paths)]
        return setup, plan_extraction(setup, utterances)

    def _backbone(self) -> Backbone:
        key = (self.backbone, self.path, self.device)
        if key not in _BACKBONES:
            config = BackboneConfig(name=self.backbone, path=self.path, device=self.device)
            _BACKBONES[key] = build_backbone(config, Path(RunConfig().paths.cache))
        return _BACKBONES[key]


def _paths(X: Any) -> list[str]:  # noqa: N803
    if isinstance(X, str | Path):
        raise ConfigError(f"{X}: give a list of paths, not one")
    values = np.asarray(X, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise ConfigError(f"paths of shape {values.shape}: one path for each recording, at least one")
    return [str(value) for value in values]


def _refused(failed: Sequence[Quarantined], asked: int) -> AudioError:
    listed = "; ".join(f"{entry.path}: {entry.reason}" for entry in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return AudioError(failed[0].stage, f"{len(failed)} of {asked} recordings cannot be used: {listed}{more}")
