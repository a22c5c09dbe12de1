"""A TorchScript file with ECAPA2's call interface: read, put on a device, called."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from profiling.backbones.device import matmul_precision, to_device
from profiling.backbones.probe import Array
from profiling.errors import BackboneError

#: What our exporter writes into the archive beside the code:
#: ``{"training": "untrained" | "mini", "architecture": {"widths": ..., "strides": ..., "time_stride": ...}}``.
EXTRA_FILE = "profiling.json"


class ScriptedNetwork:
    """A TorchScript network on a device, called as the model card calls it, numbers in and out in NumPy.

    Attributes:
        extra: what :data:`EXTRA_FILE` of the archive says; empty for files that are not ours.
        module: the TorchScript module itself.

    Raises:
        BackboneError: the file is no TorchScript archive, or cut off.
    """

    def __init__(self, path: Path, device: str, precision: str) -> None:
        extra_files: dict[str, Any] = {EXTRA_FILE: ""}
        try:
            with warnings.catch_warnings():
                # Other formats are no choice: the released network exists as TorchScript only.
                warnings.filterwarnings("ignore", r"`torch\.jit\.load` is", DeprecationWarning)
                module = torch.jit.load(str(path), map_location=device, _extra_files=extra_files)  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0].split(". ")[0]
            raise BackboneError(f"{path}: not a TorchScript file, or cut off ({reason})") from error
        self.module: torch.jit.ScriptModule = module.half() if precision == "fp16" else module
        self._device, self._precision = device, precision
        self.extra = _parse_extra(path, extra_files[EXTRA_FILE])

    def __call__(self, batch: Array, label: str) -> Array:
        """Runs the network once.

        Args:
            batch: (batch, samples) float32.
            label: labels joined by ``|``.

        Returns:
            (batch, dims of the labels) float32, in the network's order.

        Raises:
            RuntimeError: what the network refuses.
        """
        waveforms = to_device(torch.from_numpy(batch), self._device)  # stays fp32 when the network is half
        # Without optimized_execution(False) the JIT compiles anew for each input shape.
        still = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
        try:
            with torch.no_grad(), still, matmul_precision(self._precision):
                output = self.module(waveforms, label=label)
        except torch.jit.Error as error:  # the network's own `raise`; it is no RuntimeError by itself
            raise RuntimeError(str(error)) from error
        return np.asarray(output.float().reshape(len(batch), -1).cpu().numpy())


def _parse_extra(path: Path, content: bytes | str) -> dict[str, Any]:
    try:
        extra = json.loads(content or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise BackboneError(f"{path}: {EXTRA_FILE} inside of it is not a JSON object; export the file again")
    return extra


def check_archive(path: Path) -> None:
    """Compares the archive's bytes with their checksums, which ``torch.jit.load`` does not.

    Raises:
        BackboneError: bytes have changed since the file was written.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise BackboneError(f"{path}: damaged, {damaged} does not fit its checksum; get the file again")
