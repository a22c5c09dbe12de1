"""AdamW with a learning rate, a weight decay and a gradient clip of its own for every head of a bank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from profiling.heads.bank import Bank
from profiling.heads.group import Group
from profiling.heads.joint import JointBank

_CLIP_EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_


class BankAdamW(Optimizer):
    """Loshchilov and Hutter, ICLR 2019, per head: for one head it is ``torch.optim.AdamW`` after clipping.

    A head outside ``bank.update`` keeps its parameters, moments and step count. A gradient that is not finite
    marks its head as diverged before it touches the parameters.

    Args:
        bank: on the device it is trained on.
        betas: decay of the first and second moments.
        eps: added to the root of the second moment.
    """

    def __init__(
        self, bank: Bank | JointBank, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.bank = bank
        parts = [
            _rates(group, parameters) | {"owner": owner} for owner, group, parameters in bank.trainable()
        ]
        super().__init__(parts, {"betas": betas, "eps": eps})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every head in ``bank.update``; ``closure`` computes loss and gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    @torch.no_grad()
    def _step_group(self, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:  # idle: all its heads are frozen
            return
        norms = [torch.linalg.vector_norm(p.grad.flatten(1), dim=1) for p in parameters]
        norm = torch.stack(norms).square().sum(0).sqrt()  # (group,)
        taking_part = _without_diverged(group["owner"], group["members"], norm)
        group["steps"] += taking_part
        clip = torch.where(taking_part, (group["clip_norm"] / (norm + _CLIP_EPSILON)).clamp(max=1), 0)
        for parameter in parameters:
            gradient = parameter.grad.masked_fill_(~_like(taking_part, parameter), 0)
            self._update(group, parameter, gradient.mul_(_like(clip, parameter)), taking_part)

    def _update(
        self, group: dict[str, Any], parameter: Tensor, gradient: Tensor, taking_part: Tensor
    ) -> None:
        beta_1, beta_2 = group["betas"]
        state = self.state[parameter]
        if not state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        first, second = state["exp_avg"], state["exp_avg_sq"]
        kept_1 = torch.where(taking_part, beta_1, 1.0)  # heads that rest keep their moments
        kept_2 = torch.where(taking_part, beta_2, 1.0)
        first.mul_(_like(kept_1, first)).add_(gradient, alpha=1 - beta_1)
        second.mul_(_like(kept_2, second)).addcmul_(gradient, gradient, value=1 - beta_2)
        steps = group["steps"].clamp(min=1)
        rate = group["lr"] * taking_part  # 0: parameters stay as they are
        size = rate / (1 - beta_1**steps)
        root = (1 - beta_2**steps).sqrt()
        parameter.mul_(_like(1 - rate * group["weight_decay"], parameter))
        scale = torch.sqrt(second, out=gradient)  # in place: fresh memory costs more than the arithmetic
        scale.div_(_like(root, scale)).add_(group["eps"]).div_(_like(size, scale))  # infinite where size is 0
        parameter.addcdiv_(first, scale, value=-1)


def _without_diverged(bank: Bank | JointBank, members: Tensor, norm: Tensor) -> Tensor:
    """(group,) bool, which heads take the step; those whose gradient is not finite are marked."""
    update, finite = bank.update, torch.isfinite(norm)
    bad = torch.zeros_like(update)
    bad[members] = update[members] & ~finite
    bank.mark_diverged(bad)
    return update[members] & finite


def _rates(group: Group, parameters: list[nn.Parameter]) -> dict[str, Any]:
    device = group.members.device

    def per_head(values: list[float]) -> Tensor:
        # float64, since 1 - 0.999**steps loses digits in float32
        return torch.tensor(values, dtype=torch.float64, device=device)

    return {
        "params": parameters,
        "members": group.members,
        "steps": per_head([0.0] * len(group.specs)),
        "lr": per_head([spec.lr for spec in group.specs]),
        "weight_decay": per_head([spec.weight_decay for spec in group.specs]),
        "clip_norm": per_head([spec.clip_norm for spec in group.specs]),
    }


def _like(values: Tensor, parameter: Tensor) -> Tensor:
    """(group,) -> (group, 1, ...), in the parameter's dtype where it is not bool."""
    shaped = values.view(-1, *(1 for _ in parameter.shape[1:]))
    return shaped if values.dtype == torch.bool else shaped.to(parameter.dtype)
