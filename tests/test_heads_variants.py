"""Layer-mix, losses over levels, and what a head draws in training: each the same alone and in a bank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest, norm
from torch.nn import functional as F

from profiling.errors import ConfigError
from profiling.heads.augment import draw_mixing
from profiling.heads.balance import group_weights
from profiling.heads.bank import Bank, head_of, head_state
from profiling.heads.levels import Levels
from profiling.heads.losses import cross_entropy
from profiling.heads.modules import build_head, layer_weights
from profiling.heads.optimizer import BankAdamW
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from tests.test_heads_bank import (
    AGE,
    CLASSES,
    EMOTION,
    FEATURES,
    ROWS,
    STREAM,
    TRAIN,
    YEARS,
    relative_distance,
)

SPEAKERS = np.arange(ROWS) % 7 % 4  # of unequal sizes
MIX = {"architecture": "layer_mix", "project": 5, "lr": 0.01}
AUGMENTED = {"mixup": 0.4, "noise": 0.2}
OF_CLASSES = [
    EMOTION,
    replace(EMOTION, **MIX, dropout=0.3),
    replace(EMOTION, **MIX, hidden=(6,), seed=2),
    replace(EMOTION, label_smoothing=0.2),
    replace(EMOTION, **AUGMENTED, seed=1),
    replace(EMOTION, mixup=0.4, fold=1, seed=6),
    replace(EMOTION, architecture="mlp", hidden=(6,), dropout=0.3, noise=0.3, seed=3),
    replace(EMOTION, architecture="mlp", hidden=(6,), noise=0.3, seed=4),
    replace(EMOTION, balance="speaker"),
    replace(EMOTION, **MIX, **AUGMENTED, dropout=0.1, seed=5),
]
OF_YEARS = [
    AGE,
    replace(AGE, loss="l2"),
    replace(AGE, loss="distribution", bins=8, lr=0.01),
    replace(AGE, loss="ordinal", bins=8, lr=0.01),
    replace(AGE, loss="ordinal", bins=5, architecture="mlp", hidden=(6,), lr=0.01),
    replace(AGE, loss="distribution", bins=5, **MIX, **AUGMENTED),
    replace(AGE, loss="ccc", mixup=1.0, fold=1),
]
BANKS = pytest.mark.parametrize("specs", [OF_CLASSES, OF_YEARS], ids=["classes", "years"])


def train(specs: list[HeadSpec], epochs: int = 5, lost: bool = False) -> Bank:
    targets = CLASSES if specs[0].labels else YEARS
    bank = Bank(specs, STREAM)
    bank.fit_statistics(Matrix(FEATURES), targets, TRAIN, {"speaker": SPEAKERS})
    optimizer = BankAdamW(bank)
    order = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(ROWS, generator=order).split(32):
            weights = torch.from_numpy(TRAIN)[:, rows][bank.folds] * bank.balance.weights(rows)
            optimizer.zero_grad()
            batch = torch.from_numpy(FEATURES)[rows], torch.from_numpy(targets)[rows]
            bank.losses(*batch, weights).sum().backward()
            optimizer.step()
    assert lost or not bank.diverged.any()
    return bank.eval()


@BANKS
def test_each_head_is_the_same_alone_and_in_the_bank(specs: list[HeadSpec]) -> None:
    bank = train(specs)
    for index, spec in enumerate(specs):
        alone = head_state(train([spec]), 0)
        assert relative_distance(head_state(bank, index), alone) < 1e-5, spec
        untrained = head_state(Bank([spec], STREAM), 0)
        assert relative_distance(alone, untrained) > 1e-2, "nothing was learnt, the comparison says nothing"


@BANKS
def test_a_lost_head_takes_no_other_with_it(specs: list[HeadSpec]) -> None:
    absurd = [replace(spec, lr=1e9, weight_decay=1e6, seed=9) for spec in specs]
    bank, clean = train(specs + absurd, lost=True), train(specs)
    count = len(specs)
    assert bank.diverged.tolist() == [False] * count + [True] * count
    for index in range(count):
        assert relative_distance(head_state(bank, index), head_state(clean, index)) < 1e-5


@BANKS
def test_a_head_taken_out_answers_as_it_did_in_the_bank(specs: list[HeadSpec]) -> None:
    bank = train(specs, epochs=1)
    inside = bank.predictions(torch.from_numpy(FEATURES)).numpy()
    for index, spec in enumerate(specs):
        answers = head_of(bank, index).predict(FEATURES)
        again = build_head(HeadSpec.from_json(spec.to_json()), head_state(bank, index)).predict(FEATURES)
        np.testing.assert_array_equal(answers, again)
        if spec.labels:
            assert (answers.argmax(1) == inside[index]).mean() > 0.99
        else:
            np.testing.assert_allclose(answers, inside[index], rtol=1e-4)


def test_the_weights_of_a_layer_mix_find_the_layer_that_matters() -> None:
    targets = (FEATURES[:, 6] > np.median(FEATURES[:, 6])).astype(np.int64)  # of the layer pool
    spec = HeadSpec("layer_mix", STREAM, labels=("low", "high"), project=5, lr=1e-3, weight_decay=0)
    bank = Bank([spec], STREAM)
    bank.fit_statistics(Matrix(FEATURES), targets, np.ones((1, ROWS), dtype=np.bool_))
    optimizer = BankAdamW(bank)
    for _ in range(80):
        optimizer.zero_grad()
        bank.losses(
            torch.from_numpy(FEATURES), torch.from_numpy(targets), torch.ones(1, ROWS)
        ).sum().backward()
        optimizer.step()
    weights = layer_weights(head_of(bank, 0))
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=lambda layer: weights[layer]) == "pool"
    assert weights["pool"] > 0.5, "at the default learning rate the weights hardly leave 1 / k"
    assert layer_weights(head_of(Bank([EMOTION], STREAM), 0)) == {}


def test_smoothing_is_pytorchs_with_class_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, weight = torch.randn(2, 20, 3, generator=generator), torch.tensor([0.5, 1.0, 2.5])
    targets, rows = torch.randint(3, (20,), generator=generator), torch.ones(2, 20)
    rows[:, 15:] = 0
    found = cross_entropy(logits, targets, rows, weight.repeat(2, 1), torch.tensor([0.0, 0.3]))
    for head, smoothing in enumerate([0.0, 0.3]):
        expected = F.cross_entropy(logits[head, :15], targets[:15], weight, label_smoothing=smoothing)
        assert float(found[head]) == pytest.approx(float(expected), rel=1e-5)


def test_a_label_distribution_is_the_normal_density_over_the_bins() -> None:
    levels = Levels(torch.tensor([20.0]), torch.tensor([60.0]), 8)
    outputs = torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(0))
    centres = np.arange(22.5, 60, 5)
    wanted = norm.pdf(centres, loc=33, scale=5)
    expected = -(wanted / wanted.sum() * F.log_softmax(outputs[0, 0], 0).numpy()).sum()
    found = levels.loss(outputs, torch.tensor([[33.0]]), torch.ones(1, 1), "distribution")
    assert float(found) == pytest.approx(expected, rel=1e-5)
    shares = torch.softmax(outputs[0, 0], 0).numpy()
    answer = levels.answers(outputs, "distribution")
    assert float(answer) == pytest.approx((shares * centres).sum(), rel=1e-5)


def test_ordinal_counts_the_edges_below() -> None:
    levels = Levels(torch.tensor([20.0]), torch.tensor([60.0]), 4)
    sure = torch.tensor([[[50.0, 50.0, -50.0]]])  # above 30 and 40, not above 50
    assert float(levels.answers(sure, "ordinal")) == pytest.approx(45)
    unsure = torch.tensor([[[1.0, -0.5, 2.0]]])
    found = levels.loss(unsure, torch.tensor([[45.0]]), torch.ones(1, 1), "ordinal")
    expected = F.binary_cross_entropy_with_logits(unsure[0, 0], torch.tensor([1.0, 1.0, 0.0]))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("loss", ["distribution", "ordinal"])
def test_levels_learn_years(loss: str) -> None:
    spec = replace(AGE, loss=loss, bins=16, lr=0.05)
    answers = head_of(train([spec], epochs=40), 0).predict(FEATURES)
    constant = abs(YEARS - np.median(YEARS)).mean()
    assert abs(answers - YEARS).mean() < 0.35 * constant


def test_mixup_draws_beta_shares_and_partners_among_the_heads_own_rows() -> None:
    spec = replace(EMOTION, mixup=0.4)
    generator = torch.Generator().manual_seed(0)
    weights = torch.from_numpy(TRAIN[:2]).float()
    drawn = [draw_mixing([EMOTION, spec], [generator, generator], weights) for _ in range(300)]
    shares = [float(mixing.share[1]) for mixing in drawn]
    assert kstest(shares, beta(0.4, 0.4).cdf).pvalue > 0.001
    for mixing in drawn[:20]:
        assert mixing.share[0] == 1
        assert mixing.partner[0].tolist() == list(range(ROWS))
        inside = TRAIN[1].nonzero()[0]
        assert sorted(mixing.partner[1, inside].tolist()) == inside.tolist()


def test_balanced_speakers_weigh_the_same() -> None:
    weights = group_weights(SPEAKERS, TRAIN[0])
    sums = np.bincount(SPEAKERS, weights)
    np.testing.assert_allclose(sums, TRAIN[0].sum() / 4, rtol=1e-5)
    assert (weights[~TRAIN[0]] == 0).all()
    with pytest.raises(ConfigError, match=r"head\.balance=speaker"):
        Bank([replace(EMOTION, balance="speaker")], STREAM).fit_statistics(Matrix(FEATURES), CLASSES, TRAIN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": "ordinal", "labels": (), "class_weights": False}, "head.bins=0"),
        ({"bins": 4}, "head.bins=4"),
        ({"balance": "speakers"}, "speaker"),
        ({"architecture": "layer_mix"}, "head.project=0"),
        ({"loss": "l2", "labels": (), "label_smoothing": 0.1}, "label_smoothing"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(EMOTION, **change)
