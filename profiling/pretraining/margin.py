"""Sub-centre additive angular margin, with one label or two that share the margin.

ArcFace (arXiv 1801.07698), sub-centres (Deng et al., ECCV 2020), shared margin for overlapping speakers
(Thienpondt, Madhu and Demuynck, margin-mixup, arXiv 2204.03421).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EDGE = 1e-6  # keeps the arc cosine's gradient finite


class SubcentreMargin(nn.Module):
    """Classes as directions, several for each; the nearest counts."""

    def __init__(self, dim: int, classes: int, subcentres: int, scale: float) -> None:
        """Draws the centres.

        Args:
            dim: of the embeddings.
            classes: identities.
            subcentres: directions of each identity.
            scale: of the cosines before the softmax.
        """
        super().__init__()
        self.scale = scale
        self.centres = nn.Parameter(torch.empty(classes, subcentres, dim))
        nn.init.normal_(self.centres, std=dim**-0.5)  # length 1: a step turns them by its own size

    def cosines(self, embeddings: Tensor) -> Tensor:
        """(batch, dim) to (batch, classes): cosine to each class's nearest centre."""
        centres = F.normalize(self.centres, dim=-1)
        every = torch.einsum("bd,csd->bcs", F.normalize(embeddings, dim=-1), centres)
        return every.amax(2)

    def forward(
        self, embeddings: Tensor, first: Tensor, second: Tensor, share: Tensor, margin: float
    ) -> Tensor:
        """Loss of each row.

        Args:
            embeddings: (batch, dim).
            first: (batch,) class.
            second: (batch,) class of the other speaker; equal to ``first`` where there is none.
            share: (batch,) of the first, in [0, 1].
            margin: radians added to the first's angle times its share, and to the second's times the rest.

        Returns:
            (batch,) cross-entropy, the two labels weighted by their shares.
        """
        cosines = self.cosines(embeddings)
        both = torch.stack([first, second], dim=1)  # (batch, 2), as the next
        shares = torch.stack([share, 1 - share], dim=1).to(cosines.dtype)
        angle = torch.zeros_like(cosines).scatter_add(1, both, margin * shares)
        logs = F.log_softmax(self.scale * add_angle(cosines, angle), dim=1)
        return -(shares * logs.gather(1, both)).sum(1)


def add_angle(cosines: Tensor, angle: Tensor) -> Tensor:
    """cos(acos(c) + angle), linear beyond pi so that it keeps falling.

    >>> round(float(add_angle(torch.tensor(0.5), torch.tensor(0.2))), 4)
    0.318
    """
    theta = torch.acos(cosines.clamp(-1 + _EDGE, 1 - _EDGE)) + angle
    folded = torch.cos(theta.clamp(max=torch.pi)) - (theta - torch.pi).clamp(min=0)
    return torch.where(angle == 0, cosines, folded)
