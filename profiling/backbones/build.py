"""From a configuration to a backbone; each kind is imported only when it is asked for."""

from __future__ import annotations

from pathlib import Path

from profiling.backbones.protocol import Backbone
from profiling.config import BackboneConfig
from profiling.errors import BackboneError, did_you_mean

_NAMES = ("ecapa2", "native", "native_mini", "spectral_stats")


def build_backbone(config: BackboneConfig, cache: Path) -> Backbone:
    """Builds the backbone that ``config.name`` names.

    Args:
        config: which, on which device, how exactly.
        cache: the user's cache folder (``paths.cache``), for hashes and probe results.

    Raises:
        BackboneError: an unknown name, or what the backbone itself raises.
    """
    _check_compile(config)
    if config.name == "ecapa2":
        from profiling.backbones.hub import locate

        locate(config, cache)  # a file that is not to be had is said before seconds of importing torch
        from profiling.backbones.ecapa2 import Ecapa2

        return Ecapa2.load(config, cache)
    if config.name in ("native", "native_mini"):
        from profiling.backbones.native import build_native

        return build_native(config)
    if config.name == "spectral_stats":
        from profiling.backbones.device import resolve_device
        from profiling.backbones.spectral import SpectralStats

        resolve_device(
            config.device
        )  # it computes on the CPU, but a misspelt device is a mistake all the same
        return SpectralStats()
    raise BackboneError(f"backbone={config.name}: {did_you_mean(config.name, _NAMES)}")


def _check_compile(config: BackboneConfig) -> None:
    if not config.compile or config.name in ("native", "native_mini"):
        return
    if config.name != "ecapa2":
        raise BackboneError(f"backbone.compile=true: {config.name} is no network")
    if config.engine == "torchscript":
        raise BackboneError(
            "backbone.compile=true compiles the native network, backbone.engine=torchscript computes: "
            "add backbone.engine=native"
        )
