"""The shorter side of a matrix of features: where an L2-penalised linear model is as small as it can be.

With fewer rows than columns the best weights lie in the span of the rows (Hastie and Tibshirani, Biostatistics 5,
2004): with X Xᵀ = L Lᵀ the model ``w = Xᵀ L⁻ᵀ v`` has the same scores on the rows, ``L v``, and the same norm,
‖w‖ = ‖v‖, so nothing is approximated. The Gram matrix X Xᵀ is a sum over feature layers: that of any subset of
layers is a sum of theirs.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of the mean diagonal, added to a Gram matrix: centred rows are linearly dependent, Cholesky needs them not to be.
_JITTER = 1e-10
_SKETCH = 256  # leading directions whose curvature the solver knows
_OVERSAMPLED = 16
_POWER_STEPS = 2


class Coordinates:
    """A design ``Z`` of (rows, r) with r = min(rows, dim), isometric to the features.

    Args:
        rows: (n, dim) float32 standardised features.
        gram: (n, n) float64 ``rows @ rows.T``, needed where n < dim; None computes it.

    Attributes:
        design: (n, r) float64.
    """

    def __init__(self, rows: Tensor, gram: Tensor | None = None) -> None:
        self._rows = rows
        self.in_row_space = rows.shape[0] < rows.shape[1]
        if self.in_row_space:
            self.design = factor(gram_matrix(rows) if gram is None else gram)
        else:
            self.design = rows.double()

    def weights(self, unknowns: Tensor) -> Tensor:
        """(r, models) -> (dim, models) float64 weights of the standardised features."""
        if not self.in_row_space:
            return unknowns
        dual: Tensor = torch.linalg.solve_triangular(self.design.T, unknowns, upper=True)
        mapped: Tensor = self._rows.T.to(dual) @ dual
        return mapped


def gram_matrix(rows: Tensor) -> Tensor:
    """(n, dim) -> (n, n) float64 ``rows @ rows.T``."""
    exact = rows.double()
    return exact @ exact.T


def factor(gram: Tensor) -> Tensor:
    """Lower triangular ``L`` with ``L @ L.T`` = ``gram`` but for its jitter, float64."""
    jitter = _JITTER * gram.diagonal().mean()
    lower: Tensor = torch.linalg.cholesky(gram + jitter * torch.eye(len(gram), dtype=gram.dtype))
    return lower


class Curvature:
    """The leading eigenvectors of ``ZᵀZ`` and a bound for the rest (Halko, Martinsson, Tropp, SIAM Review 53, 2011).

    Args:
        design: (n, r) float64.

    Attributes:
        vectors: (r, k) float64, orthonormal.
        values: (k,) float64.
        rest: the smallest of ``values``, 0 when all r directions are known.
    """

    def __init__(self, design: Tensor) -> None:
        size = design.shape[1]
        count = min(size, _SKETCH + _OVERSAMPLED)
        generator = torch.Generator().manual_seed(0)
        basis = torch.randn(size, count, generator=generator, dtype=torch.float64)
        for _ in range(_POWER_STEPS if count < size else 0):
            basis = orthonormal(design.T @ (design @ basis))
        basis = orthonormal(basis)
        image = design @ basis
        values, turn = torch.linalg.eigh(image.T @ image)
        self.vectors: Tensor = basis @ turn
        self.values: Tensor = values.clamp(min=0)
        self.rest = 0.0 if count == size else float(self.values.min())

    def divided(self, gradient: Tensor, shift: Tensor, curvature: float) -> Tensor:
        """``(curvature * ZᵀZ + shift)⁻¹ gradient`` in the known directions, ``rest`` standing for the others.

        Args:
            gradient: (r, problems, outputs).
            shift: (problems,) penalty of each problem, above 0.
            curvature: of the loss.
        """
        flat = gradient.flatten(1)
        outputs = gradient.shape[2]
        base = 1 / (curvature * self.rest + shift).repeat_interleave(outputs)  # (problems * outputs,)
        known = 1 / (curvature * self.values[:, None] + shift.repeat_interleave(outputs))
        inside: Tensor = self.vectors @ ((known - base) * (self.vectors.T @ flat))
        divided: Tensor = (flat * base + inside).view_as(gradient)
        return divided


def orthonormal(basis: Tensor) -> Tensor:
    """An orthonormal basis of the columns' span by their small Gram matrix: much faster than QR on a busy machine.

    Directions below the rounding of the Gram matrix are left out.
    """
    values, turn = torch.linalg.eigh(basis.T @ basis)
    kept = values > torch.finfo(basis.dtype).eps * len(values) * values.max()
    turned: Tensor = basis @ (turn[:, kept] / values[kept].sqrt())
    return turned
