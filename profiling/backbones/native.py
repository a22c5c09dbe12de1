"""The native network as a backbone: trained from a file, or untrained and saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from profiling.backbones.batches import check_request, stack
from profiling.backbones.calibration import recipe_sha256, untrained
from profiling.backbones.checkpoint import load_weights
from profiling.backbones.compiled import CompiledNet
from profiling.backbones.device import check_precision, matmul_precision, resolve_device, to_device
from profiling.backbones.frontend import MIN_SAMPLES
from profiling.backbones.network import NativeNet, architecture, mini_config
from profiling.backbones.protocol import ECAPA2_LAYERS, Batching, Features, Training, Waveform
from profiling.config import BackboneConfig, NativeConfig
from profiling.errors import BackboneError
from profiling.provenance import sha256_file

__all__ = ["MINI_WEIGHTS", "NativeBackbone", "NativeNet", "build_native", "mini_config"]

#: The trained small network; while the package has none, ``native_mini`` is untrained and says so.
MINI_WEIGHTS = Path(__file__).with_name("mini.safetensors")


class NativeBackbone:
    """A :class:`NativeNet` behind the ``Backbone`` protocol; mixed lengths share a batch exactly."""

    layers: Mapping[str, int] = ECAPA2_LAYERS
    min_samples: int = MIN_SAMPLES
    batching: Batching = "masked"

    def __init__(
        self,
        net: NativeNet,
        weights_sha256: str,
        training: Training,
        name: str = "native",
        device: str = "cpu",
        precision: str = "fp32",
        compiled: bool = False,
    ) -> None:
        """Takes over ``net``: moved to the device, in eval mode, in half precision for fp16, compiled if asked.

        Raises:
            BackboneError: a device that is not there, or a precision it does not compute in.
        """
        self.name, self.training, self.precision = name, training, precision
        self.device = resolve_device(device)
        check_precision(self.device, precision)
        self._weights_sha256 = weights_sha256
        # Channels last: a sixth faster on CPUs, and what half precision on CUDA wants.
        net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net.to(self.device, torch.float16 if precision == "fp16" else torch.float32)
        self._forward = CompiledNet(self._net) if compiled else self._net

    @property
    def net(self) -> NativeNet:
        """The network itself, for those who export it."""
        return self._net

    def identity(self) -> dict[str, str | int]:
        """sha256 of the weights file, or of an untrained network's recipe."""
        return {"weights_sha256": self._weights_sha256, "family": "native"}

    def extract(self, waveforms: Sequence[Waveform], layers: Sequence[str]) -> Features:
        """Computes the asked layers in one masked forward pass; see ``Backbone.extract``.

        Raises:
            ValueError: an unknown layer, no waveform, or a waveform below 400 samples.
        """
        check_request(waveforms, layers, self.layers, self.min_samples)
        batch, lengths = stack(waveforms)
        with torch.inference_mode(), matmul_precision(self.precision):
            there = to_device(batch, self.device)
            outputs = self._forward(there, None if lengths is None else to_device(lengths, self.device))
        return {label: outputs[label].cpu().numpy() for label in self.layers if label in layers}


def build_native(config: BackboneConfig) -> NativeBackbone:
    """Builds ``native`` or ``native_mini``.

    Weights come from ``config.path``, else for ``native_mini`` from the package unless ``config.untrained``,
    else from ``config.native.seed``. The released widths stand for "not said" in ``native_mini``, which then
    has :func:`mini_config`'s.

    Raises:
        BackboneError: a weights file that cannot be used or has another architecture; device or precision.
        ConfigError: widths and strides that do not fit each other.
    """
    device = resolve_device(config.device)
    check_precision(device, config.precision)  # before seconds of calibration
    native = _architecture_of(config)
    path = _weights_path(config)
    if path is None:
        net, identity = untrained(native), recipe_sha256(native)
        return NativeBackbone(
            net, identity, "untrained", config.name, device, config.precision, config.compile
        )
    net = load_weights(path)
    _check_architecture(path, net, native)
    training: Training = "mini" if path == MINI_WEIGHTS else "local"
    sha256 = sha256_file(path)
    return NativeBackbone(net, sha256, training, config.name, device, config.precision, config.compile)


def _weights_path(config: BackboneConfig) -> Path | None:
    if config.path is not None and config.untrained:
        raise BackboneError(f"backbone.untrained=true and backbone.path={config.path}: give one of them")
    if config.path is not None:
        return Path(config.path).expanduser()
    shipped = config.name == "native_mini" and not config.untrained and MINI_WEIGHTS.is_file()
    return MINI_WEIGHTS if shipped else None


def _architecture_of(config: BackboneConfig) -> NativeConfig:
    if config.name == "native_mini" and architecture(config.native) == architecture(NativeConfig()):
        return replace(mini_config(), seed=config.native.seed)
    return config.native


def _check_architecture(path: Path, net: NativeNet, native: NativeConfig) -> None:
    for key, value in net.architecture.items():
        asked = architecture(native)[key]
        if value != asked:
            raise BackboneError(
                f"{path} was trained with {key}={value}, backbone.native.{key}={asked} is asked: "
                "ask for its own, or for backbone.untrained=true"
            )
