"""Standardisation fitted on train rows only: without it, speaker features break linear heads (VANPY).

Mean and standard deviation (divided by n) are computed in float64, in one pass over the rows in pieces,
so that a memory-mapped matrix of any size works; each piece is read once for all folds (Chan et al., 1983).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiling.errors import SplitError, StoreError

Mask = NDArray[np.bool_]

_PIECE_BYTES = 32 << 20  # of float64 rows held at a time
# Below this share of its mean a standard deviation is rounding of float32 features (8 ulp): a constant.
_ROUNDING = 1e-6


class Source(Protocol):
    """Rows of features by position: a store's view, or :class:`profiling.heads.scaler.Matrix`."""

    def take(self, indices: NDArray[np.int64]) -> Any:
        """(n,) positions -> (n, dim) float32."""
        ...


class Matrix:
    """A matrix in memory (or memory-mapped) as a :class:`Source`.

    Args:
        values: (rows, dim) float32.
    """

    def __init__(self, values: NDArray[np.float32] | Tensor) -> None:
        self.values = values

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32] | Tensor:
        """(n,) positions -> (n, dim) float32."""
        return self.values[indices]


class Scaler(nn.Module):
    """``(features - mean) / scale`` per column.

    Args:
        mean: (dim,) float32.
        scale: (dim,) float32, above 0.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    @classmethod
    def identity(cls, dim: int) -> Scaler:
        """A scaler that is not fitted yet."""
        return cls(torch.zeros(dim), torch.ones(dim))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, dim) -> (batch, dim) float32, standardised."""
        return (features - self.mean) / self.scale

    def inverse(self, standardised: Tensor) -> Tensor:
        """(batch, dim) -> (batch, dim), back in the original unit."""
        return standardised * self.scale + self.mean


class Moments:
    """Running count, mean and sum of squared deviations, per column, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(())
        self.deviations: NDArray[np.float64] = np.zeros(())

    def add(self, rows: NDArray[np.float64]) -> None:
        """Merges (n, dim) more rows."""
        if not len(rows):
            return
        mean = rows.mean(0)
        step = mean - self.mean
        total = self.count + len(rows)
        self.deviations = self.deviations + np.square(rows - mean).sum(0)
        self.deviations = self.deviations + step**2 * (self.count * len(rows) / total)
        self.mean = self.mean + step * (len(rows) / total)
        self.count = total

    def scale(self) -> NDArray[np.float64]:
        """(dim,) standard deviation, divided by n; 1 where a column is constant."""
        deviation = np.sqrt(self.deviations / self.count)
        constant = deviation <= np.maximum(_ROUNDING * abs(self.mean), np.finfo(np.float32).tiny)
        return np.where(constant, 1.0, deviation)


def fit_scalers(source: Source, folds: Mask) -> list[Scaler]:
    """One scaler per fold, each from its own train rows.

    Args:
        source: the feature rows.
        folds: (folds, rows) bool, the train rows of each fold.

    Raises:
        SplitError: a fold without train rows.
        StoreError: a feature that is not finite.
    """
    for fold, rows in enumerate(folds):
        if not rows.any():
            raise SplitError(f"fold {fold} has no train rows; check the split")
    moments = [Moments() for _ in folds]
    for indices, piece in _pieces(source, np.flatnonzero(folds.any(0))):
        for fold, moment in zip(folds, moments, strict=True):
            moment.add(piece[fold[indices]])
    return [Scaler(_float32(moment.mean), _float32(moment.scale())) for moment in moments]


def _pieces(
    source: Source, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    dim = np.asarray(source.take(rows[:1])).shape[1]
    size = max(1, _PIECE_BYTES // (8 * dim))
    for start in range(0, len(rows), size):
        indices = rows[start : start + size]
        piece = np.asarray(source.take(indices), dtype=np.float64)
        if not np.isfinite(piece).all():
            row, column = np.argwhere(~np.isfinite(piece))[0]
            raise StoreError(
                f"feature row {indices[row]}, column {column} is {piece[row, column]}, not finite"
            )
        yield indices, piece


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
