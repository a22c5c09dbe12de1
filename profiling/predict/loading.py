"""From bundle folders to profilers; equal backbones are loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from profiling.backbones.build import build_backbone
from profiling.bundle import Bundle, read_bundle
from profiling.config import BackboneConfig, NativeConfig, PathsConfig
from profiling.errors import BundleError
from profiling.hub import locate
from profiling.provenance import signature

if TYPE_CHECKING:
    from profiling.backbones.protocol import Backbone
    from profiling.predict.profiler import Profiler

#: One bundle folder per task.
DEFAULT_BUNDLES = Path(__file__).parents[1] / "bundles" / "mini"


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
    return Path(PathsConfig().cache)


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
    """Loads bundles, run folders or ``user/name[@revision]`` of the hub; equal backbones are loaded once.

    Raises:
        BundleError, BackboneError: as ``Profiler.from_pretrained``.
    """
    bundles = [read_bundle(locate(path)) for path in paths]
    from profiling.predict.profiler import Profiler

    loaded: dict[str, Backbone] = {}
    profilers = []
    for bundle in bundles:
        config = backbone_config(bundle, device)
        name = signature(asdict(config))
        if name not in loaded:
            loaded[name] = build_backbone(config, cache or default_cache())
        profilers.append(Profiler(bundle, loaded[name]))
    return profilers
