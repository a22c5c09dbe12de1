"""Where a backbone computes and how exactly: device names, and TF32 off unless it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

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


class _Tf32:
    """PyTorch's switches are the process's, and streams compute at the same time: the last to leave puts them back."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._inside = 0
        self._before = (False, False)

    def enter(self, allowed: bool) -> None:
        with self._turn:
            matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
            if not self._inside:
                self._before = matmul.allow_tf32, cudnn.allow_tf32
            self._inside += 1
            matmul.allow_tf32 = cudnn.allow_tf32 = allowed

    def leave(self) -> None:
        with self._turn:
            self._inside -= 1
            if not self._inside:
                matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
                matmul.allow_tf32, cudnn.allow_tf32 = self._before


_TF32 = _Tf32()


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Allows TF32 inside the block for ``tf32`` only; PyTorch's own default allows it in convolutions.

    Several threads may be inside at once, all with one precision: there is one backbone in a process.
    """
    _TF32.enter(precision == "tf32")
    try:
        yield
    finally:
        _TF32.leave()


def to_device(batch: Tensor, device: str) -> Tensor:
    """Copies a batch to where it is computed; to CUDA from pinned memory, beside what other streams compute.

    PyTorch gives the pinned memory to nobody else before the copy is done.
    """
    if not device.startswith("cuda"):
        return batch.to(device)
    return batch.pin_memory().to(device, non_blocking=True)
