"""What the heads of a bank are trained towards: their losses, class weights and target scalers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiling.errors import SplitError
from profiling.heads import losses
from profiling.heads.levels import LEVEL_LOSSES, Levels
from profiling.heads.scaler import Mask
from profiling.heads.spec import HeadSpec


class Objective(nn.Module):
    """Losses of all heads over one batch.

    Years are standardised with the mean and standard deviation of a head's train rows, so that a learning
    rate means the same for years as for classes.

    Args:
        specs: the heads of a bank, all of one target.
    """

    class_weights: Tensor
    target_mean: Tensor
    target_scale: Tensor
    low: Tensor
    high: Tensor
    smoothing: Tensor

    def __init__(self, specs: Sequence[HeadSpec]) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self.classes = len(specs[0].labels)
        self.register_buffer("class_weights", torch.ones(len(specs), max(1, self.classes)))
        self.register_buffer("target_mean", torch.zeros(len(specs)))
        self.register_buffer("target_scale", torch.ones(len(specs)))
        self.register_buffer("low", torch.zeros(len(specs)))
        self.register_buffer("high", torch.ones(len(specs)))
        self.register_buffer("smoothing", torch.tensor([spec.label_smoothing for spec in specs]))
        self._smooths = any(spec.label_smoothing for spec in specs)
        self._heads = {
            key: torch.tensor([i for i, spec in enumerate(specs) if (spec.loss, spec.outputs) == key])
            for key in sorted({(spec.loss, spec.outputs) for spec in specs})
        }

    def fit(self, targets: NDArray[Any], train: Mask) -> None:
        """Class weights or target scalers from train rows alone.

        Args:
            targets: (rows,) class numbers or years.
            train: (folds, rows) bool.

        Raises:
            SplitError: a fold's train rows hold one class or one value only.
        """
        for index, spec in enumerate(self.specs):
            rows = targets[train[spec.fold]]
            if spec.kind == "classification":
                self._fit_classes(index, spec, rows)
            else:
                self._fit_years(index, spec, rows)

    def forward(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Loss per head, (heads,).

        Args:
            outputs: (heads, batch, outputs), those of a head first.
            targets: (batch,) or (heads, batch) class numbers (int64) or years (float32).
            weights: (heads, batch) row weights.
        """
        values = outputs.new_zeros(len(outputs))
        wanted = targets.expand(len(outputs), -1)
        for (loss, width), heads in self._heads.items():
            index = heads.to(outputs.device)
            value = self._loss(loss, index, outputs[index, :, :width], wanted[index], weights[index])
            values = values.index_copy(0, index, value)
        return values

    def years(self, outputs: Tensor) -> Tensor:
        """(heads, batch, 1) standardised outputs -> (heads, batch) years."""
        years = outputs[:, :, 0] * self.target_scale[:, None] + self.target_mean[:, None]
        for (loss, width), heads in self._heads.items():
            if loss in LEVEL_LOSSES:
                index = heads.to(outputs.device)
                found = self._levels(loss, index, width).answers(outputs[index, :, :width], loss)
                years = years.index_copy(0, index, found)
        return years

    def _levels(self, loss: str, heads: Tensor, width: int) -> Levels:
        return Levels(self.low[heads], self.high[heads], width + (loss == "ordinal"))

    def _loss(self, loss: str, heads: Tensor, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        if loss == "cross_entropy":
            smoothing = self.smoothing[heads] if self._smooths else None
            return losses.cross_entropy(outputs, targets, weights, self.class_weights[heads], smoothing)
        if loss in LEVEL_LOSSES:
            return self._levels(loss, heads, outputs.shape[2]).loss(outputs, targets, weights, loss)
        standardised = (targets - self.target_mean[heads, None]) / self.target_scale[heads, None]
        function = {"l1": losses.l1, "l2": losses.l2, "ccc": losses.ccc}[loss]
        return function(outputs.squeeze(-1), standardised, weights)

    def _fit_classes(self, index: int, spec: HeadSpec, rows: NDArray[np.int64]) -> None:
        counts = torch.bincount(torch.from_numpy(rows), minlength=self.classes)
        if int((counts > 0).sum()) < 2:
            found = [label for label, count in zip(spec.labels, counts.tolist(), strict=True) if count]
            raise SplitError(f"fold {spec.fold}: the train rows hold one class only ({', '.join(found)})")
        if spec.class_weights:
            self.class_weights[index] = losses.inverse_frequency(counts).to(self.class_weights)

    def _fit_years(self, index: int, spec: HeadSpec, rows: NDArray[np.floating[Any]]) -> None:
        years = rows.astype(np.float64)
        if years.max() == years.min():
            raise SplitError(f"fold {spec.fold}: every train row is {years[0]:g} years old; nothing to learn")
        self.target_mean[index], self.target_scale[index] = years.mean(), years.std()
        self.low[index], self.high[index] = years.min(), years.max()
