"""BankAdamW: one head is torch's AdamW after torch's clipping; resting heads do not move."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from profiling.heads.bank import Bank, head_of, head_state
from profiling.heads.optimizer import BankAdamW
from profiling.heads.spec import HeadSpec

LAYERS = (("pool", 6),)
SPEC = HeadSpec("mlp", LAYERS, labels=("a", "b", "c"), hidden=(4,), lr=0.02, weight_decay=0.3, clip_norm=0.25)
FEATURES = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) * 3
TARGETS = torch.arange(40) % 3


@pytest.mark.parametrize("clip_norm", [0.25, 1e6])
def test_one_head_is_torchs_adamw(clip_norm: float) -> None:
    spec = replace(SPEC, clip_norm=clip_norm)
    bank = Bank([spec], LAYERS)
    reference = head_of(bank, 0).train()
    ours = BankAdamW(bank)
    theirs = torch.optim.AdamW(reference.parameters(), lr=spec.lr, weight_decay=spec.weight_decay)
    for _ in range(30):
        ours.zero_grad()
        bank.losses(FEATURES, TARGETS, torch.ones(1, 40)).sum().backward()
        ours.step()
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(reference(FEATURES), TARGETS).backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), clip_norm)
        theirs.step()
    for name, expected in reference.state_dict().items():
        torch.testing.assert_close(head_state(bank, 0)[name], expected, rtol=1e-5, atol=1e-6)


def test_a_head_that_rests_keeps_parameters_moments_and_step_count() -> None:
    bank = Bank([SPEC, replace(SPEC, seed=1), replace(SPEC, seed=2)], LAYERS)
    optimizer = BankAdamW(bank)
    weights = torch.ones(3, 40)
    step(bank, optimizer, weights)
    bank.freeze(torch.tensor([False, True, False]))
    weights[2] = 0  # no row of its fold in this batch
    before = [head_state(bank, i) for i in range(3)]
    moments = [state["exp_avg"].clone() for state in optimizer.state.values()]
    step(bank, optimizer, weights)
    moved = [any(not torch.equal(v, before[i][n]) for n, v in head_state(bank, i).items()) for i in range(3)]
    assert moved == [True, False, False]
    assert optimizer.param_groups[0]["steps"].tolist() == [2, 1, 1]
    for old, state in zip(moments, optimizer.state.values(), strict=True):
        assert torch.equal(old[1:], state["exp_avg"][1:])
        assert not torch.equal(old[0], state["exp_avg"][0])


def test_a_gradient_that_is_not_finite_ends_its_head_before_it_moves() -> None:
    bank = Bank([SPEC, replace(SPEC, seed=1)], LAYERS)
    optimizer = BankAdamW(bank)
    before = head_state(bank, 1)
    bank.losses(FEATURES, TARGETS, torch.ones(2, 40)).sum().backward()
    first = next(bank.groups()).weights[0]
    assert first.grad is not None
    first.grad[1, 0, 0] = float("nan")
    optimizer.step()
    assert bank.diverged.tolist() == [False, True]
    assert all(torch.equal(value, before[name]) for name, value in head_state(bank, 1).items())
    assert torch.isfinite(next(bank.groups()).weights[0]).all()


def step(bank: Bank, optimizer: BankAdamW, weights: torch.Tensor) -> None:
    optimizer.zero_grad()
    bank.losses(FEATURES, TARGETS, weights).sum().backward()
    optimizer.step()
