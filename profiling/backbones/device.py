"""Where a backbone computes and how exactly: device names, and TF32 off unless it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from profiling.errors import BackboneError


def resolve_device(asked: str) -> str:
    """Turns ``auto | cpu | cuda | cuda:N`` into a device that exists here.

    Raises:
        BackboneError: an unknown name, no CUDA device, or an index above the last one.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = asked.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise BackboneError(f"backbone.device={asked}: not a device (valid: auto, cpu, cuda, cuda:0, ...)")
    if kind == "cpu":
        return asked
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise BackboneError(f"backbone.device={asked}: no CUDA device here; use backbone.device=cpu")
    if index and int(index) >= count:
        raise BackboneError(
            f"backbone.device={asked}: {count} CUDA device(s) here, the last is cuda:{count - 1}"
        )
    return asked


def check_precision(device: str, precision: str) -> None:
    """Refuses a precision the device does not compute in, which the feature key would name all the same.

    Raises:
        BackboneError: fp16 or tf32 on a CPU.
    """
    if precision != "fp32" and not device.startswith("cuda"):
        raise BackboneError(
            f"backbone.precision={precision} needs CUDA, the device is {device}; use backbone.precision=fp32"
        )


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Allows TF32 inside the block for ``tf32`` only; PyTorch's own default allows it in convolutions."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
