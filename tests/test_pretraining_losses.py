"""Margin, prosody targets and schedule against calculations of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from profiling.pretraining.config import OptimConfig
from profiling.pretraining.margin import SubcentreMargin, add_angle
from profiling.pretraining.module import binary_loss, rate
from profiling.pretraining.norms import folded, steady
from profiling.pretraining.prosody import TARGETS, prosody_statistics, prosody_targets
from tests.pretraining_speech import RATE, tone

NAMES = list(TARGETS)


def margin_of(centres: np.ndarray, scale: float = 30.0) -> SubcentreMargin:
    """A layer with the given (subcentres, classes, dim)."""
    subcentres, classes, dim = centres.shape
    layer = SubcentreMargin(dim, classes, subcentres, scale).to(torch.from_numpy(centres).dtype)
    with torch.no_grad():
        layer.centres.copy_(torch.from_numpy(centres.swapaxes(0, 1)))
    return layer


def loss_by_hand(x: np.ndarray, centres: np.ndarray, labels: dict[int, float], margin: float) -> float:
    """Cross-entropy with the margin of each label scaled by its share, one row, in NumPy."""
    unit = centres / np.linalg.norm(centres, axis=2, keepdims=True)
    cosine = (unit @ (x / np.linalg.norm(x))).max(axis=0)
    logits = cosine.copy()
    for label, share in labels.items():
        logits[label] = math.cos(math.acos(cosine[label]) + margin * share)
    logs = 30 * logits - np.log(np.exp(30 * logits).sum())
    return -sum(share * logs[label] for label, share in labels.items())


@pytest.mark.parametrize(("second", "share"), [(1, 1.0), (3, 0.7), (0, 0.5)])
def test_margin_loss_against_numpy(second: int, share: float) -> None:
    rng = np.random.default_rng(0)
    x, centres = rng.normal(size=(1, 8)), rng.normal(size=(3, 5, 8))
    first = 1
    ours = margin_of(centres)(
        torch.from_numpy(x), torch.tensor([first]), torch.tensor([second]), torch.tensor([share]), 0.2
    )
    labels = {first: share, second: 1 - share} if second != first else {first: 1.0}
    assert ours.item() == pytest.approx(loss_by_hand(x[0], centres, labels, 0.2), rel=1e-5)


def test_the_nearest_subcentre_counts() -> None:
    centres = np.eye(4, dtype=np.float32).reshape(2, 2, 4)  # class 0: axes 0 and 2, class 1: axes 1 and 3
    cosines = margin_of(centres).cosines(torch.tensor([[0.0, 0.0, 2.0, 0.0]]))
    assert cosines.tolist() == [[1.0, 0.0]]


def test_a_larger_angle_never_raises_the_cosine() -> None:
    cosines = torch.linspace(-0.999, 0.999, 201)
    with_margin = add_angle(cosines, torch.full_like(cosines, 0.4))
    assert (with_margin < cosines).all() and (with_margin.diff() > 0).all()
    assert torch.equal(add_angle(cosines, torch.zeros_like(cosines)), cosines)


def test_gradients_are_finite_when_an_embedding_hits_its_centre() -> None:
    layer = margin_of(np.eye(3, dtype=np.float32)[None])
    x = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    layer(x, torch.tensor([0]), torch.tensor([0]), torch.ones(1), 0.2).sum().backward()
    assert torch.isfinite(x.grad).all() and torch.isfinite(layer.centres.grad).all()


def test_rows_without_weight_do_not_count() -> None:
    logits, target = torch.tensor([[2.0], [-1.0], [9.0]]), torch.tensor([1, 0, 0])
    loss = binary_loss(logits, target, torch.tensor([1.0, 1.0, 0.0]))
    assert float(loss) == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2, rel=1e-6)
    assert float(binary_loss(logits, target, torch.zeros(3))) == 0.0


def test_the_rate_rises_stays_and_falls_with_the_total() -> None:
    optim = OptimConfig(warmup_steps=10, decay_share=0.4)
    assert [round(rate(step, 100, optim), 3) for step in (0, 4, 9, 60, 80, 100)] == [
        0.1,
        0.5,
        1,
        1,
        0.505,
        0.01,
    ]
    assert rate(55, 100, optim) == rate(55, 200, optim) == 1, "before the decay the total does not matter"


@pytest.mark.parametrize("f0_hz", [80.0, 130.0, 220.0, 350.0])
def test_pitch_of_a_tone(f0_hz: float) -> None:
    statistics = prosody_statistics(torch.from_numpy(tone(f0_hz, 1.0))[None])[0]
    assert math.exp(statistics[NAMES.index("log_f0_mean")]) == pytest.approx(f0_hz, rel=0.03)
    assert statistics[NAMES.index("log_f0_std")] < 0.01 and statistics[NAMES.index("voiced_share")] == 1
    assert statistics[NAMES.index("harmonicity_mean")] > 0.97
    assert statistics[NAMES.index("level_std")] < 0.5


def test_pitch_change_level_and_pause_of_a_tone_that_moves() -> None:
    low, high = torch.from_numpy(tone(150, 0.5)), torch.from_numpy(tone(300, 0.5, level=0.01))
    statistics = prosody_statistics(torch.cat([low, high, torch.zeros(RATE)])[None])[0]
    assert statistics[NAMES.index("log_f0_std")] == pytest.approx(math.log(2) / 2, abs=0.02)
    assert statistics[NAMES.index("level_std")] == pytest.approx(10.0, abs=0.7), "20 dB apart, half each"
    assert statistics[NAMES.index("active_share")] == pytest.approx(0.5, abs=0.04)


def test_noise_has_no_pitch_and_says_so() -> None:
    noise = 0.1 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    targets = prosody_targets(noise)
    assert targets[:, NAMES.index("log_f0_mean")].isnan().all()
    assert torch.isfinite(targets[:, NAMES.index("flux")]).all()
    assert prosody_targets(torch.zeros(1, RATE)).shape == (1, len(TARGETS))


def test_targets_do_not_depend_on_the_level() -> None:
    speech = torch.from_numpy(tone(170, 1.0))[None] + 0.001 * torch.randn(1, RATE)
    assert torch.allclose(prosody_targets(speech), prosody_targets(speech * 3), atol=1e-2, equal_nan=True)


def spiky_net() -> torch.nn.Sequential:
    """A norm whose second unit was silent in training but for a trace."""
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        net[0].running_var.copy_(torch.tensor([4.0, 1e-8]))
    return net.eval()


def test_a_silent_unit_that_wakes_is_not_blown_up() -> None:
    net, awake = spiky_net(), torch.tensor([[2.0, 2.0]])
    assert net(awake)[0, 1] > 600
    steady(net, share=0.3, rate=1.0)
    added = 1e-5 + 0.3 * 2.0  # the mean variance is 2
    assert net(awake)[0].tolist() == pytest.approx([2 / math.sqrt(4 + added), 2 / math.sqrt(added)], rel=1e-4)
    assert net[0].momentum == 0.1
    steady(net, share=0.3, rate=0.0)
    assert net[0].momentum == 0.01


def test_folding_keeps_the_function_and_the_default_eps() -> None:
    net, x = spiky_net(), torch.randn(5, 2)
    steady(net, share=0.3, rate=1.0)
    plain = folded(net)
    assert plain[0].eps == 1e-5 and net[0].eps > 0.5
    assert torch.allclose(plain(x), net(x), rtol=1e-5, atol=1e-6)
