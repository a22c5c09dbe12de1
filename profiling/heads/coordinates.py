"""Where an L2-penalised linear model is as small as it can be: over the columns, or over the rows where they are fewer.

With fewer rows than columns the best weights lie in the span of the rows (Hastie and Tibshirani, Biostatistics 5,
2004): ``w = Xᵀ a`` with one unknown per row, scores ``X Xᵀ a`` and ``‖w‖² = aᵀ X Xᵀ a``, so nothing is approximated and
nothing has to be factorised. The Gram matrix ``X Xᵀ`` is a sum over feature layers: that of any subset of layers is a
sum of theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Measured: the rounding of a float32 Gram matrix has a norm of 5e-6 of its mean diagonal, which is the number of
# columns, or of rows in column space; where every penalty is 20 times that, float32 solves what float64 does.
_FLOAT32_FROM = 1e-4
_MANY_ROWS = 1024  # below, float64 costs nothing
_BLOCKS = 8  # of rows of a Gram matrix: its other triangle is copied
_SKETCH = 112  # leading directions whose curvature the solver knows; 400 save no step of 2,000 rows
_OVERSAMPLED = 16
_POWER_STEPS = 2


def precision(count: int, dim: int, penalties: Sequence[float]) -> torch.dtype:
    """In which numbers the models of ``count`` rows and ``dim`` standardised columns are solved."""
    enough = count >= _MANY_ROWS and min(penalties) >= _FLOAT32_FROM * max(count, dim)
    return torch.float32 if enough else torch.float64


class RowSpace:
    """One unknown per row: ``w = Xᵀ a``.

    Args:
        rows: (n, dim) float32 standardised features.
        gram: (n, n) ``rows @ rows.T``; what is solved is solved in its dtype.
    """

    def __init__(self, rows: Tensor, gram: Tensor) -> None:
        self._rows, self._gram, self.dtype = rows, gram, gram.dtype
        self.size = len(gram)

    def image(self, unknowns: Tensor) -> Tensor:
        """(r, ...) -> (n, ...) scores of the rows."""
        return (self._gram @ unknowns.flatten(1)).view_as(unknowns)

    def scores(self, unknowns: Tensor) -> Tensor:
        """:meth:`image` without the rounding of a float32 Gram matrix."""
        if self.dtype == torch.float64:
            return self.image(unknowns)
        return (self._rows @ self.weights(unknowns.flatten(1))).view_as(unknowns)

    def adjoint(self, residuals: Tensor) -> Tensor:
        """(n, ...) -> (r, ...): what stands for ``Xᵀ residuals``."""
        return residuals

    def inner(self, first: Tensor, second: Tensor, image: Tensor) -> Tensor:
        """(problems,) inner products of the weights of two (r, problems, outputs), given the second's image."""
        return (first * image).sum((0, 2))

    def weights(self, unknowns: Tensor) -> Tensor:
        """(r, models) -> (dim, models) weights of the standardised features."""
        return self._rows.T.to(self.dtype) @ unknowns.to(self.dtype)

    def curvature(self) -> Curvature:
        """Of the Gram matrix."""
        return Curvature(lambda basis: self._gram @ basis, self.size, self.dtype)


class ColumnSpace:
    """One unknown per column: the weights themselves. The methods are those of :class:`RowSpace`.

    Args:
        rows: (n, dim) float32 standardised features.
        dtype: in which numbers to solve.
    """

    def __init__(self, rows: Tensor, dtype: torch.dtype = torch.float64) -> None:
        self._rows, self.dtype = rows.to(dtype), dtype
        self.size = rows.shape[1]

    def image(self, unknowns: Tensor) -> Tensor:
        """(r, ...) -> (n, ...) scores of the rows."""
        return (self._rows @ unknowns.flatten(1)).view(-1, *unknowns.shape[1:])

    def scores(self, unknowns: Tensor) -> Tensor:
        """The same."""
        return self.image(unknowns)

    def adjoint(self, residuals: Tensor) -> Tensor:
        """(n, ...) -> (r, ...): ``Xᵀ residuals``."""
        return (self._rows.T @ residuals.flatten(1)).view(-1, *residuals.shape[1:])

    def inner(self, first: Tensor, second: Tensor, image: Tensor) -> Tensor:
        """(problems,) inner products of two (r, problems, outputs)."""
        return (first * second).sum((0, 2))

    def weights(self, unknowns: Tensor) -> Tensor:
        """They are it."""
        return unknowns

    def curvature(self) -> Curvature:
        """Of ``Xᵀ X``."""
        return Curvature(lambda basis: self._rows.T @ (self._rows @ basis), self.size, self.dtype)


Space = RowSpace | ColumnSpace


def space_of(rows: Tensor, dtype: torch.dtype = torch.float64, gram: Tensor | None = None) -> Space:
    """The smaller of the two.

    Args:
        rows: (n, dim) float32 standardised features.
        dtype: in which numbers to solve, see :func:`precision`.
        gram: (n, n) ``rows @ rows.T`` of that dtype, needed where n < dim; None computes it.
    """
    if len(rows) >= rows.shape[1]:
        return ColumnSpace(rows, dtype)
    return RowSpace(rows, gram_matrix(rows, dtype) if gram is None else gram)


def gram_matrix(rows: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """(n, dim) -> (n, n) ``rows @ rows.T``, computed for one triangle."""
    exact, count = rows.to(dtype), len(rows)
    gram = torch.empty(count, count, dtype=dtype)
    edges = [count * block // _BLOCKS for block in range(_BLOCKS + 1)]
    for start, end in itertools.pairwise(edges):
        gram[start:, start:end] = exact[start:] @ exact[start:end].T
        gram[start:end, end:] = gram[end:, start:end].T
    return gram


class Curvature:
    """Leading eigenvectors of a matrix and a bound for the rest (Halko, Martinsson, Tropp, SIAM Review 53, 2011).

    Args:
        product: (r, k) -> (r, k), the symmetric matrix times a basis.
        size: r.
        dtype: the matrix's.

    Attributes:
        vectors: (r, k), orthonormal.
        values: (k,).
        rest: the smallest of ``values``, 0 when all r directions are known.
    """

    def __init__(self, product: Callable[[Tensor], Tensor], size: int, dtype: torch.dtype) -> None:
        count = min(size, _SKETCH + _OVERSAMPLED)
        generator = torch.Generator().manual_seed(0)
        basis = torch.randn(size, count, generator=generator, dtype=dtype)
        for _ in range(_POWER_STEPS if count < size else 0):
            basis = orthonormal(product(basis))
        basis = orthonormal(basis)
        values, turn = torch.linalg.eigh(basis.T @ product(basis))
        self.vectors: Tensor = basis @ turn
        self.values: Tensor = values.clamp(min=0)
        self.rest = 0.0 if count == size else float(self.values.min())

    def inverse(self, shift: Tensor, bend: Tensor) -> Callable[[Tensor], Tensor]:
        """``(bend * matrix + shift)⁻¹`` in the known directions, ``rest`` standing for the others.

        Args:
            shift: (problems,) penalty of each problem, above 0.
            bend: (problems, outputs) curvature of the loss.

        Returns:
            What divides (r, problems, outputs).
        """
        bends, shifts = bend.flatten(), shift[:, None].expand_as(bend).flatten()
        base = 1 / (bends * self.rest + shifts)  # (problems * outputs,)
        more = 1 / (bends * self.values[:, None] + shifts) - base

        def divided(gradient: Tensor) -> Tensor:
            flat = gradient.flatten(1)
            inside = self.vectors @ (more * (self.vectors.T @ flat))
            return inside.addcmul_(flat, base).view_as(gradient)

        return divided


def orthonormal(basis: Tensor) -> Tensor:
    """An orthonormal basis of the columns' span by their small Gram matrix: much faster than QR on a busy machine.

    Directions below the rounding of the Gram matrix are left out.
    """
    exact = basis.double()
    values, turn = torch.linalg.eigh(exact.T @ exact)
    kept = values > torch.finfo(torch.float64).eps * len(values) * values.max()
    turned: Tensor = exact @ (turn[:, kept] / values[kept].sqrt())
    return turned.to(basis.dtype)
