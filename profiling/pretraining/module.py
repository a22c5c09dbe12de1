"""The Lightning module: the native network, the speakers' margin, and heads for what else is known."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from profiling.backbones.network import NativeNet
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.pretraining.config import OptimConfig, PretrainConfig
from profiling.pretraining.contours import Contours, known_loss
from profiling.pretraining.data import Batch
from profiling.pretraining.margin import SubcentreMargin
from profiling.pretraining.norms import steady
from profiling.pretraining.prosody import CONTOURS

_NARROW_INPUTS = 512
_BETA_1 = 0.9
_LEAST_RATE = 0.01  # of the peak learning rate, at the end


class Pretraining(pl.LightningModule):
    """Speaker identification with auxiliary heads on the pooled layers."""

    def __init__(self, config: PretrainConfig, identities: int) -> None:
        """Builds everything from ``config.seed``."""
        super().__init__()
        torch.manual_seed(config.seed)
        self.config = config
        self.net = NativeNet(config.network)
        margin = config.margin
        self.speakers = SubcentreMargin(
            ECAPA2_LAYERS["embedding"], identities, margin.subcentres, margin.scale
        )
        self.sex = nn.Linear(ECAPA2_LAYERS["embedding"], 1)
        self.age = nn.Linear(ECAPA2_LAYERS["embedding"], 1)
        self.statistics = nn.Linear(ECAPA2_LAYERS["embedding"], 2 * len(CONTOURS))
        self.contours = Contours(self.net)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Steadies the norms."""
        optim = self.config.optim
        steady(self, optim.floor_share, rate(self.global_step, self.config.steps, optim))

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Sum of the weighted losses; logs each."""
        layers = self.net(batch.waveforms)
        margin = self.config.margin.margin * min(1.0, self.global_step / self.config.margin.warmup_steps)
        embedding = layers["embedding"]
        rows = self.speakers(embedding, batch.identity, batch.second, batch.share, margin)
        losses = {"speaker": rows.mean(), **self._auxiliary(layers, batch)}
        with torch.no_grad():
            hit = self.speakers.cosines(embedding).argmax(1) == batch.identity
        self.log_dict({**losses, "accuracy": hit.float().mean()}, batch_size=len(rows))
        weights = {"speaker": 1.0, **{name: getattr(self.config.auxiliary, name) for name in _HEADS}}
        return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()

    def _auxiliary(self, layers: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        alone = (batch.share == 1).float()  # who shares a crop has no sex, age or pitch of its own
        embedding = layers["embedding"]
        pooled = self.contours.pooled(layers["attention"], batch.prosody, alone)
        told = known_loss(self.statistics(embedding), batch.prosody.statistics, alone)
        return {
            "sex": binary_loss(self.sex(embedding), batch.sex, alone),
            "age": binary_loss(self.age(embedding), batch.age, alone),
            "contours": self.contours.frames(batch.prosody, alone),
            "statistics": pooled + told,
        }

    def configure_optimizers(self) -> Any:
        """AdamW without decay on biases and norms; the rate changes every step."""
        optim = self.config.optim
        groups = [
            {
                "params": [p],
                "lr": optim.lr * width_factor(p),
                "weight_decay": optim.weight_decay * (p.dim() > 1),
            }
            for p in self.parameters()
        ]
        optimizer = torch.optim.AdamW(groups, lr=optim.lr, betas=(_BETA_1, optim.beta_2))
        schedule = LambdaLR(optimizer, lambda step: rate(step, self.config.steps, optim))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps PyTorch's random state, although batches never draw from it."""
        checkpoint["torch_rng_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Puts PyTorch's random state back."""
        torch.set_rng_state(checkpoint["torch_rng_state"])


_HEADS = ("sex", "age", "contours", "statistics")


def binary_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean cross-entropy over the rows with weight 1; logits (batch, 1), target and weight (batch,)."""
    loss = F.binary_cross_entropy_with_logits(logits.squeeze(1), target.float(), weight, reduction="sum")
    return loss / weight.sum().clamp(min=1)


def width_factor(parameter: Tensor) -> float:
    """Learning rate of a weight relative to a narrow one's: falls as 1 / inputs above 512.

    Adam moves all weights of an output alike, so a wide layer's output jumps (arXiv 2203.03466).

    >>> width_factor(torch.zeros(192, 3072)), width_factor(torch.zeros(16, 16, 3, 3))
    (0.16666666666666666, 1.0)
    """
    return min(1.0, _NARROW_INPUTS / max(1, parameter[0].numel())) if parameter.dim() > 1 else 1.0


def rate(step: int, steps: int, optim: OptimConfig) -> float:
    """Factor of the learning rate: linear warm-up, constant, linear decay to a hundredth at ``steps``.

    >>> optim = OptimConfig(warmup_steps=10, decay_share=0.5)
    >>> [rate(step, 100, optim) for step in (0, 9, 40, 75)]
    [0.1, 1.0, 1.0, 0.505]
    """
    warm = min(1.0, (step + 1) / optim.warmup_steps)
    left = (steps - step) / max(1.0, optim.decay_share * steps)
    return warm * (_LEAST_RATE + (1 - _LEAST_RATE) * min(1.0, max(0.0, left)))
