"""Losses against torch, scikit-learn, scipy and sums by hand; rows outside a head's fold do not exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from profiling.heads import losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(3, 8, 4)).astype(np.float32)
CLASSES = np.array([0, 1, 2, 3, 0, 0, 1, 2])
MASK = np.array([[1] * 8, [1, 1, 1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
CLASS_WEIGHTS = RNG.uniform(0.5, 2, size=(3, 4)).astype(np.float32)


def test_cross_entropy_equals_scikit_learn_on_each_heads_own_rows() -> None:
    got = losses.cross_entropy(*map(torch.from_numpy, (LOGITS, CLASSES, MASK, CLASS_WEIGHTS)))
    for head in range(3):
        rows = MASK[head] > 0
        probabilities = np.exp(log_softmax(LOGITS[head, rows].astype(np.float64), axis=1))
        weights = CLASS_WEIGHTS[head, CLASSES[rows]]
        expected = log_loss(CLASSES[rows], probabilities, sample_weight=weights, labels=range(4))
        assert float(got[head]) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_equals_torchs_weighted_mean() -> None:
    logits, targets, weights = torch.from_numpy(LOGITS[0]), torch.from_numpy(CLASSES), CLASS_WEIGHTS[0]
    expected = torch.nn.functional.cross_entropy(logits, targets, weight=torch.from_numpy(weights))
    got = losses.cross_entropy(logits[None], targets, torch.ones(1, 8), torch.from_numpy(weights)[None])
    assert float(got[0]) == pytest.approx(float(expected), rel=1e-6)


def test_l1_is_the_mean_absolute_error_of_the_masked_rows() -> None:
    outputs, targets = torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.0, 4.0, float("nan")]])
    assert losses.l1(outputs, targets, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [1.5]


@pytest.mark.parametrize("n", [2, 8, 64])
def test_ccc_divides_by_n_as_lin_does(n: int) -> None:
    p, t = RNG.normal(size=n), RNG.normal(size=n) + 0.5
    covariance = np.mean((p - p.mean()) * (t - t.mean()))  # by hand, n below
    ccc = 2 * covariance / (p.var(ddof=0) + t.var(ddof=0) + (p.mean() - t.mean()) ** 2)
    unbiased = 2 * covariance / (p.var(ddof=1) + t.var(ddof=1) + (p.mean() - t.mean()) ** 2)
    got = losses.ccc(
        torch.from_numpy(p)[None], torch.from_numpy(t)[None], torch.ones(1, n, dtype=torch.float64)
    )
    assert float(got[0]) == pytest.approx(1 - ccc, rel=1e-6)
    assert abs(float(got[0]) - (1 - unbiased)) > 1e-4, "the test could not tell n from n - 1"


def test_ccc_sees_only_its_rows() -> None:
    p, t = torch.randn(1, 6), torch.randn(1, 6)
    some = losses.ccc(p[:, :4], t[:, :4], torch.ones(1, 4))
    t[:, 4:] = float("nan")
    assert torch.allclose(losses.ccc(p, t, torch.tensor([[1.0] * 4 + [0.0] * 2])), some)


def test_a_single_row_teaches_ccc_nothing_and_breaks_nothing() -> None:
    outputs = torch.tensor([[3.0], [5.0]], requires_grad=True)
    loss = losses.ccc(outputs, torch.tensor([[5.0], [5.0]]), torch.ones(2, 1))
    loss.sum().backward()
    assert loss.tolist() == [1.0, 1.0]
    assert outputs.grad is not None
    assert outputs.grad.abs().max() == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "l1", "ccc"])
def test_a_head_without_rows_in_the_batch_has_loss_and_gradient_zero(loss: str) -> None:
    outputs = torch.randn(2, 5, 3, requires_grad=True)
    weights = torch.tensor([[1.0] * 5, [0.0] * 5])
    if loss == "cross_entropy":
        values = losses.cross_entropy(outputs, torch.tensor([0, 1, 2, 0, -1]), weights, torch.ones(2, 3))
    else:
        targets = torch.randn(2, 5)
        targets[1] = float("nan")
        values = getattr(losses, loss)(outputs[..., 0], targets, weights)
    values.sum().backward()
    assert values[1].item() == 0
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[1].abs().max() == 0


def test_class_weights_are_scikit_learns_balanced_ones() -> None:
    counts = torch.bincount(torch.from_numpy(CLASSES))
    expected = compute_class_weight("balanced", classes=np.arange(4), y=CLASSES)
    np.testing.assert_allclose(losses.inverse_frequency(counts).numpy(), expected, rtol=1e-6)
