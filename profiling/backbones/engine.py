"""``backbone.engine=native``: our network computes a TorchScript file's features, if it computes the same.

The file's parameters are copied by order and shape (:mod:`profiling.backbones.adoption`). The copy is accepted
only if all five layers are within DESIGN 4 of the file's own on probe signals of several lengths: the file hears
them one by one, the native network in one masked batch, so that the masking is measured too. What was found is
remembered for each file; the shortest signal is compared at every start.

The engine is no part of the feature key: two engines within the tolerance are as equal as two batch sizes or
two numbers of threads, which are not in it either (DESIGN 4).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from profiling import __version__
from profiling.backbones.adoption import ORDERS, Order, Source, adopt
from profiling.backbones.memory import remember, remembered
from profiling.backbones.native import NativeBackbone
from profiling.backbones.network import NativeNet, architecture
from profiling.backbones.probe import ALL_LAYERS, TOLERANCE, relative_l2, split
from profiling.backbones.probe_signals import noise, voice
from profiling.backbones.protocol import ECAPA2_LAYERS, Waveform
from profiling.backbones.scripted import ScriptedNetwork
from profiling.config import BackboneConfig, NativeConfig
from profiling.errors import BackboneError, ConfigError
from profiling.provenance import signature

_LOG = logging.getLogger(__name__)

Engine = Literal["torchscript", "native"]

#: Raised when the comparison asks more: what was remembered of older ones is asked again.
_VERSION = 1
#: Lengths of the probe signals: half a second, no whole number of frames, a tenth of a second.
_VOICE_SAMPLES, _NOISE_SAMPLES, _SHORT_SAMPLES = 8000, 5003, 1601


@dataclass(frozen=True)
class Twin:
    """The native network in a file's place, or why there is none.

    Attributes:
        backbone: computes what the file computes; None if refused.
        reason: one line on how it was found, or why it was refused.
    """

    backbone: NativeBackbone | None
    reason: str


def wanted_engine(asked: str, device: str) -> Engine:
    """What ``auto`` stands for: native on CUDA, where batches of mixed lengths pay, else TorchScript."""
    if asked == "auto":
        return "native" if device.startswith("cuda") else "torchscript"
    return "native" if asked == "native" else "torchscript"


def find_twin(file: Path, sha256: str, config: BackboneConfig, device: str, cache: Path) -> Twin:
    """Copies a TorchScript file into the native network and measures whether it is the same.

    Args:
        file: the TorchScript file.
        sha256: of its bytes.
        config: ``precision``, and ``native`` for files that do not say their own architecture.
        device: where to compute; the comparison itself is in fp32.
        cache: folder where the answer is remembered.
    """
    network = ScriptedNetwork(file, device, "fp32")
    source = Source(network.module)
    try:
        native = _architecture_of(network.extra, config)
    except (TypeError, ConfigError) as error:
        return Twin(None, f"its {error}")
    memory, key = _memory(cache, sha256, native, device)
    found = _search(network, source, native, device, memory, key)
    if isinstance(found, str):
        return Twin(None, found)
    net, order = found
    backbone = NativeBackbone(net, sha256, "local", "ecapa2", device, config.precision, config.compile)
    return Twin(backbone, f"parameters copied by order of {order}, all five layers equal on probe signals")


def _architecture_of(extra: Mapping[str, Any], config: BackboneConfig) -> NativeConfig:
    """What the file says of itself (ours do), else ``backbone.native``."""
    said = extra.get("architecture")
    return NativeConfig(**said) if isinstance(said, dict) else config.native


def _memory(cache: Path, sha256: str, native: NativeConfig, device: str) -> tuple[Path, dict[str, Any]]:
    key = {
        "weights_sha256": sha256,
        "architecture": architecture(native),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "versions": [_VERSION, __version__, torch.__version__],
    }
    return cache / "engines" / f"{signature(key)[:32]}.json", key


def _search(
    network: ScriptedNetwork,
    source: Source,
    native: NativeConfig,
    device: str,
    memory: Path,
    key: dict[str, Any],
) -> tuple[NativeNet, Order] | str:
    """The network and the order it was found by, or why no order gives one."""
    known = remembered(memory)
    answer = known.get("answer") if known.get("key") == key else None
    if isinstance(answer, dict) and answer.get("refused"):
        return str(answer["refused"])
    if isinstance(answer, dict) and answer.get("order") in ORDERS:
        order: Order = answer["order"]
        net = _copy(source, native, order)
        if not _difference(network, net, device, [_shortest()]):
            return net, order
    _LOG.info("backbone.engine=native: compared once with the file (about 1 s of audio through both)")
    found = _first_equal(network, source, native, device)
    said = {"refused": found} if isinstance(found, str) else {"order": found[1]}
    remember(memory, {"key": key, "answer": said})
    return found


def _first_equal(
    network: ScriptedNetwork, source: Source, native: NativeConfig, device: str
) -> tuple[NativeNet, Order] | str:
    signals = [voice(_VOICE_SAMPLES), noise(_NOISE_SAMPLES), voice(_SHORT_SAMPLES), _shortest()]
    reasons: list[str] = []
    for order in ORDERS:
        try:
            net = _copy(source, native, order)
        except BackboneError as error:
            reasons.append(str(error))
            continue
        difference = _difference(network, net, device, signals)
        if not difference:
            return net, order
        reasons.append(difference)
    if len(set(reasons)) == 1:
        return reasons[0]
    return "; ".join(f"by order of {order} {reason}" for order, reason in zip(ORDERS, reasons, strict=True))


def _copy(source: Source, native: NativeConfig, order: Order) -> NativeNet:
    with torch.random.fork_rng(devices=[]):
        net = NativeNet(native)
    adopt(net, source, order)
    return net.eval()


def _difference(network: ScriptedNetwork, net: NativeNet, device: str, signals: list[Waveform]) -> str:
    """The first layer beyond its tolerance; empty if there is none."""
    together = NativeBackbone(net, "", "local", device=device).extract(signals, list(ECAPA2_LAYERS))
    for row, signal in enumerate(signals):
        try:
            alone = split(network(signal[None], ALL_LAYERS), list(ECAPA2_LAYERS))
        except RuntimeError:
            return f"the file refuses {len(signal)} samples"
        for layer, bound in TOLERANCE.items():
            distance = relative_l2(together[layer][row : row + 1], alone[layer])
            if not distance <= bound:
                return (
                    f"{layer} is {distance:.1e} from the file's on {len(signal)} samples, allowed {bound:.0e}"
                )
    return ""


def _shortest() -> Waveform:
    return np.ascontiguousarray(noise(NativeBackbone.min_samples))
