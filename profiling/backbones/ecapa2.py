"""The released ECAPA2, a TorchScript file: loaded, probed, and called with its own interface.

Thienpondt and Demuynck, "ECAPA2", IEEE ASRU 2023, arXiv 2401.08342. The file's licence is CC-BY-NC-4.0.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from profiling.backbones.batches import check_request
from profiling.backbones.contract import Contract, Layout, probed
from profiling.backbones.device import check_precision, resolve_device
from profiling.backbones.engine import Engine, Twin, find_twin, wanted_engine
from profiling.backbones.hub import WeightsFile, locate
from profiling.backbones.network import NativeNet
from profiling.backbones.probe import probe, split
from profiling.backbones.protocol import ECAPA2_LAYERS, Batching, Features, Training, Waveform
from profiling.backbones.scripted import ScriptedNetwork, check_archive
from profiling.config import BackboneConfig

_LOG = logging.getLogger(__name__)


class Ecapa2:
    """The released network, or any TorchScript file with its interface, as a ``Backbone``.

    Attributes:
        layout: whether the halves of gfe_1, gfe_2 and pool behave as mean and variance.
        engine: what computes, ``torchscript`` or ``native`` (see :mod:`profiling.backbones.engine`).
        notice: one line for the user where the weights are not the authors', or where the engine is not the
            one that was asked for, else None.
    """

    name = "ecapa2"

    def __init__(
        self,
        network: ScriptedNetwork,
        weights: WeightsFile,
        contract: Contract,
        device: str,
        precision: str,
        twin: Twin | None = None,
    ) -> None:
        self._network, self._weights = network, weights
        self.layers: Mapping[str, int] = ECAPA2_LAYERS
        self.min_samples: int = contract.min_samples
        self.batching: Batching = contract.batching
        self.layout: Layout = contract.layout
        self.training: Training = _training(network, weights)
        self.device, self.precision = device, precision
        self.engine: Engine = "torchscript"
        self._native = twin.backbone if twin else None
        if self._native is not None:
            self.engine, self.batching = "native", self._native.batching
            self.min_samples = max(self.min_samples, self._native.min_samples)
        self.notice = _notice(weights, self.training, twin)

    @classmethod
    def load(cls, config: BackboneConfig, cache: Path) -> Ecapa2:
        """Locates, loads and probes the file; the probe's answer is remembered in ``cache``.

        Raises:
            BackboneError: the file is not to be had, is not TorchScript or breaks the contract; the device or
                precision is not to be had.
        """
        device = resolve_device(config.device)
        check_precision(device, config.precision)
        weights = locate(config, cache)
        network = ScriptedNetwork(weights.path, device, config.precision)

        def measure() -> Contract:
            _LOG.info("%s: asked once what it does (about 3 s of audio through the network)", weights.path)
            check_archive(weights.path)
            return probe(network, str(weights.path), config.precision)

        key = {
            "weights_sha256": weights.sha256,
            "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
            "precision": config.precision,
            "torch": torch.__version__,
        }
        contract = probed(measure, key, cache)
        twin = None
        if wanted_engine(config.engine, device) == "native":
            twin = find_twin(weights.path, weights.sha256, config, device, cache)
            _LOG.info("%s: engine native: %s", weights.path, twin.reason)
        return cls(network, weights, contract, device, config.precision, twin)

    @property
    def net(self) -> NativeNet | None:
        """Our network where it computes (``engine=native``), for those who export it; else None."""
        return None if self._native is None else self._native.net

    def identity(self) -> dict[str, str | int]:
        """The weights are their bytes, whichever engine computes with them."""
        return {"weights_sha256": self._weights.sha256}

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        """Computes the asked layers in one call for each batch; see ``Backbone.extract``.

        Raises:
            ValueError: an unknown label, no waveform, a waveform too short, or mixed lengths.
        """
        check_request(waveforms, layers, self.layers, self.min_samples)
        if self._native is not None:
            return self._native.extract(waveforms, layers)
        asked = [label for label in self.layers if label in layers]
        label = "|".join(asked)
        if self.batching == "single":
            rows = [self._network(np.stack([waveform]), label) for waveform in waveforms]
            return split(np.concatenate(rows), asked)
        lengths = sorted({len(waveform) for waveform in waveforms})
        if len(lengths) > 1:
            raise ValueError(f"lengths {lengths} in one batch: padding would change the numbers")
        return split(self._network(np.stack(list(waveforms)), label), asked)


def _training(network: ScriptedNetwork, weights: WeightsFile) -> Training:
    if weights.released:
        return "released"
    said = network.extra.get("training")
    if said == "untrained":
        return "untrained"
    return "mini" if said == "mini" else "local"


def _notice(weights: WeightsFile, training: Training, twin: Twin | None) -> str | None:
    """Whose weights, where they are not the authors', and an engine that could not be had."""
    parts = [f"{weights.notice} ({training})"] if weights.notice else []
    if twin is not None and twin.backbone is None:
        parts.append(f"backbone.engine=native is refused, TorchScript computes: {twin.reason}")
    return "; ".join(parts) or None
