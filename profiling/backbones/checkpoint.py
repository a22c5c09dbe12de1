"""Weights of a native network on disk: safetensors with fp16 parameters and one JSON card, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from profiling.backbones.network import NativeNet
from profiling.config import NativeConfig
from profiling.errors import BackboneError, ConfigError
from profiling.provenance import atomic_write, canonical_json

FORMAT = "profiling-native-1"
#: All metadata in one entry: safetensors writes several in no fixed order, and equal weights are equal bytes.
_CARD = "card"


def save_weights(net: NativeNet, path: Path, metadata: Mapping[str, Any]) -> None:
    """Writes a network: parameters in fp16, BatchNorm statistics in float32; equal weights give equal bytes.

    Args:
        net: the network, on any device.
        path: the file, replaced as a whole or not at all.
        metadata: plain JSON values for the card (data, licence, recipe, seed, steps); the format and the
            architecture are added.

    Raises:
        BackboneError: a weight that is not finite, or too large for fp16.
    """
    parameters = {name for name, _ in net.named_parameters()}
    tensors = {
        name: tensor.detach().cpu().to(torch.float16 if name in parameters else tensor.dtype).contiguous()
        for name, tensor in net.state_dict().items()
    }
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise BackboneError(f"{path}: {name} is not finite in {tensor.dtype}; the weights are not saved")
    card = {**metadata, "format": FORMAT, "architecture": net.architecture}
    atomic_write(path, save(tensors, metadata={_CARD: canonical_json(card)}))


def read_card(path: Path) -> dict[str, Any]:
    """Reads the JSON card of a weights file.

    Raises:
        BackboneError: no such file, not safetensors, or none of ours.
    """
    _, card = _read(path)
    return card


def load_weights(path: Path) -> NativeNet:
    """Builds the network a file describes and fills it, in eval mode and float32.

    Raises:
        BackboneError: no such file, not safetensors, none of ours, or tensors that do not fit it.
    """
    tensors, card = _read(path)
    try:
        with torch.random.fork_rng(devices=[]):
            net = NativeNet(NativeConfig(**card["architecture"]))
    except (KeyError, TypeError, ConfigError) as error:
        raise BackboneError(f"{path}: its card has no usable architecture ({error})") from error
    _check_fit(path, tensors, net.state_dict())
    net.load_state_dict(tensors)
    return net.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get(_CARD, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise BackboneError(f"{path}: no such weights file") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise BackboneError(f"{path}: not a safetensors file, or cut off ({error})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BackboneError(f"{path}: no native network of ours (its card does not say {FORMAT})")
    return tensors, card


def _check_fit(path: Path, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    if odd := sorted(tensors.keys() ^ wanted.keys()):
        raise BackboneError(f"{path}: {len(odd)} tensors missing or too many, the first is {odd[0]}")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise BackboneError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, expected {tuple(wanted[name].shape)}"
            )
        if not bool(tensor.isfinite().all()):
            raise BackboneError(f"{path}: {name} is not finite; the file is damaged")
