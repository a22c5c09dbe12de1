"""Row weights under which every speaker, or every corpus, counts the same: what balanced sampling does on average.

All heads of a bank see one stream of rows, so a head balances by weighing its loss instead of drawing rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiling.errors import ConfigError
from profiling.heads.scaler import Mask
from profiling.heads.spec import HeadSpec


class Balance(nn.Module):
    """Row weights of every head of a bank.

    Args:
        specs: the heads.

    Attributes:
        tables: (distinct, rows) float32; the first is all ones, of heads that balance nothing.
        which: (heads,) int64, the table of each head.
    """

    tables: Tensor
    which: Tensor

    def __init__(self, specs: Sequence[HeadSpec]) -> None:
        super().__init__()
        kinds = {(spec.balance, spec.fold) for spec in specs if spec.balance != "none"}
        self._kinds = sorted(kinds)
        which = [
            0 if spec.balance == "none" else 1 + self._kinds.index((spec.balance, spec.fold))
            for spec in specs
        ]
        self.register_buffer("which", torch.tensor(which))
        self.register_buffer("tables", torch.ones(1, 0))

    def fit(self, train: Mask, groups: Mapping[str, NDArray[np.int64]]) -> None:
        """Counts train rows.

        Args:
            train: (folds, rows) bool.
            groups: ``speaker`` and ``corpus`` -> (rows,) number of each row's.

        Raises:
            ConfigError: a head balances what is not among ``groups``.
        """
        if missing := sorted({kind for kind, _ in self._kinds} - groups.keys()):
            raise ConfigError(f"head.balance={missing[0]}: the rows do not say their {missing[0]}")
        shares = [group_weights(groups[kind], train[fold]) for kind, fold in self._kinds]
        ones = np.ones((1, train.shape[1]), dtype=np.float32)
        self.tables = torch.from_numpy(np.concatenate([ones, *(share[None] for share in shares)])).to(
            self.which.device
        )

    def weights(self, rows: Tensor) -> Tensor:
        """(batch,) positions -> (heads, batch) float32."""
        if len(self.tables) == 1:
            return self.tables.new_ones(len(self.which), len(rows))
        return self.tables[self.which[:, None], rows]


def group_weights(group: NDArray[np.int64], train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(rows,) n / (groups * rows of the group) over train rows, so that the mean is 1; 0 elsewhere.

    >>> group_weights(np.array([0, 0, 0, 1, 1]), np.array([True, True, True, True, False])).tolist()
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0, 0.0]
    """
    counts = np.bincount(group[train], minlength=int(group.max()) + 1)
    present = int((counts > 0).sum())
    weights = int(train.sum()) / (present * np.maximum(counts[group], 1))
    return np.where(train, weights, 0.0).astype(np.float32)
