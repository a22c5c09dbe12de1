"""Where feature rows lie while heads are trained: on the device, in memory, or left in their source."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiling.heads.scaler import Matrix, Source

_SHARE = 0.5  # of what is free may be taken by features
_PIECE_BYTES = 64 << 20  # read at a time
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


class Placed:
    """Feature rows that batches are cut from.

    Args:
        source: all rows.
        rows: (n,) positions that training and validation need.
        device: where batches are wanted.

    Attributes:
        tier: ``device``, ``memory`` or ``source``.
    """

    def __init__(self, source: Source, rows: NDArray[np.int64], device: torch.device) -> None:
        self.source, self.device = source, device
        self.tier = choose_tier(source, rows, device)
        if self.tier != "source":
            self._positions = np.full(int(rows.max()) + 1, -1)
            self._positions[rows] = np.arange(len(rows))
            self._values = load(source, rows, device if self.tier == "device" else torch.device("cpu"))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """(n,) positions -> (n, dim) float32 on the device."""
        if self.tier == "source":
            return torch.as_tensor(self.source.take(rows)).to(self.device)
        index = torch.from_numpy(self._positions[rows]).to(self._values.device)
        return self._values.index_select(0, index).to(self.device)


def choose_tier(source: Source, rows: NDArray[np.int64], device: torch.device) -> str:
    """The fastest place that half of what is free can hold: ``device``, ``memory`` or ``source``."""
    needed = len(rows) * _row_bytes(source, rows)
    if device.type == "cuda" and needed <= _SHARE * torch.cuda.mem_get_info(device)[0]:
        return "device"
    in_memory = isinstance(source, Matrix) and not isinstance(source.values, np.memmap)
    return "memory" if not in_memory and needed <= _SHARE * available_memory_bytes() else "source"


def load(source: Source, rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """(n,) positions -> (n, dim) float32 on ``device``, read in pieces."""
    row_bytes = _row_bytes(source, rows)
    values = torch.empty(len(rows), row_bytes // 4, device=device)
    size = max(1, _PIECE_BYTES // row_bytes)
    for start in range(0, len(rows), size):
        piece = torch.as_tensor(source.take(rows[start : start + size]))
        values[start : start + len(piece)] = piece
    return values


def available_memory_bytes() -> int:
    """Memory this process can still take: the machine's, or its control group's if that is less."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _MEMINFO.is_file():
        line = next(line for line in _MEMINFO.read_text().splitlines() if line.startswith("MemAvailable"))
        free = int(line.split()[1]) * 1024  # kB
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    return free


def _row_bytes(source: Source, rows: NDArray[np.int64]) -> int:
    return 4 * int(source.take(rows[:1]).shape[1])
