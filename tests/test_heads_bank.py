"""A bank: each of many heads is trained as if it were alone, and a lost one takes no other with it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from profiling.errors import ConfigError, SplitError
from profiling.heads.bank import Bank, head_of, head_state
from profiling.heads.optimizer import BankAdamW
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec

STREAM = (("gfe_1", 5), ("pool", 7), ("embedding", 4))
ROWS = 240
RNG = np.random.default_rng(3)
FEATURES = (RNG.normal(size=(ROWS, 16)) * RNG.uniform(0.01, 100, 16) + RNG.normal(size=16) * 50).astype(
    np.float32
)
STANDARD = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
CLASSES = (STANDARD[:, 0] > 0).astype(np.int64) + (STANDARD[:, 6] > 0.8)
YEARS = (40 + 9 * STANDARD[:, 1] + 5 * STANDARD[:, 13] + RNG.normal(size=ROWS)).astype(np.float32)
TRAIN = np.stack([RNG.random(ROWS) < 0.8 for _ in range(3)])

EMOTION = HeadSpec("linear", STREAM, labels=("anger", "joy", "neutral"))
AGE = HeadSpec("linear", STREAM, loss="l1", class_weights=False)
MLP = {"architecture": "mlp", "hidden": (6,), "dropout": 0.3}
SIX_EMOTION = [
    EMOTION,
    replace(EMOTION, lr=0.03, seed=1, class_weights=False),
    replace(EMOTION, fold=1, weight_decay=0.5, clip_norm=0.1),
    replace(EMOTION, layers=(STREAM[0], STREAM[2]), seed=4, fold=2),
    replace(EMOTION, **MLP, lr=0.01),
    replace(EMOTION, **MLP, lr=0.02, seed=5),
]
SIX_AGE = [
    AGE,
    replace(AGE, loss="ccc", lr=0.01),
    replace(AGE, loss="ccc", fold=1, weight_decay=0.3),
    replace(AGE, layers=STREAM[1:2], seed=2, lr=0.05, fold=2),
    replace(AGE, **MLP, loss="ccc", seed=3),
    replace(AGE, **MLP, lr=0.02, clip_norm=0.2),
]


def train(specs: list[HeadSpec], epochs: int = 8) -> Bank:
    targets = CLASSES if specs[0].labels else YEARS
    bank = Bank(specs, STREAM)
    bank.fit_statistics(Matrix(FEATURES), targets, TRAIN)
    optimizer = BankAdamW(bank)
    order = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(ROWS, generator=order).split(32):
            weights = torch.from_numpy(TRAIN)[:, rows].float()[bank.folds]
            optimizer.zero_grad()
            batch = torch.from_numpy(FEATURES)[rows], torch.from_numpy(targets)[rows]
            bank.losses(*batch, weights).sum().backward()
            optimizer.step()
    return bank.eval()


def relative_distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).norm() / b[name].norm()) for name in a)


@pytest.mark.parametrize("specs", [SIX_EMOTION, SIX_AGE], ids=["emotion", "age"])
def test_each_head_is_the_same_alone_and_among_six(specs: list[HeadSpec]) -> None:
    bank = train(specs)
    for index, spec in enumerate(specs):
        alone = head_state(train([spec]), 0)
        assert relative_distance(head_state(bank, index), alone) < 1e-5
        untrained = head_state(Bank([spec], STREAM), 0)
        assert relative_distance(alone, untrained) > 1e-2, "nothing was learnt, the comparison says nothing"


@pytest.mark.parametrize("specs", [SIX_EMOTION, SIX_AGE], ids=["emotion", "age"])
def test_a_head_with_an_absurd_rate_diverges_alone(specs: list[HeadSpec]) -> None:
    absurd = replace(specs[0], lr=1e9, weight_decay=1e6)
    bank, clean = train([*specs[:3], absurd, *specs[3:]]), train(specs)
    assert bank.diverged.tolist() == [False] * 3 + [True] + [False] * 3
    assert bank.active.tolist() == [True] * 3 + [False] + [True] * 3
    for index in range(6):
        assert relative_distance(head_state(bank, index + (index >= 3)), head_state(clean, index)) < 1e-5


def test_the_same_seeds_give_the_same_bits() -> None:
    first, second = train(SIX_EMOTION), train(SIX_EMOTION)
    for index in range(6):
        a, b = head_state(first, index), head_state(second, index)
        assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("specs", [SIX_EMOTION, SIX_AGE], ids=["emotion", "age"])
def test_a_head_taken_out_answers_as_it_did_in_the_bank(specs: list[HeadSpec]) -> None:
    bank = train(specs)
    inside = bank.predictions(torch.from_numpy(FEATURES)).numpy()
    columns = {"gfe_1": slice(0, 5), "pool": slice(5, 12), "embedding": slice(12, 16)}
    for index, spec in enumerate(specs):
        own = np.concatenate([FEATURES[:, columns[label]] for label, _ in spec.layers], axis=1)
        answers = head_of(bank, index).predict(own)
        if spec.labels:
            assert (answers.argmax(1) == inside[index]).all()
        else:
            np.testing.assert_allclose(answers, inside[index], rtol=1e-5)


def test_heads_of_one_shape_and_fold_share_one_product() -> None:
    assert [group.members.tolist() for group in Bank(SIX_EMOTION, STREAM).groups()] == [
        [0, 1],
        [2],
        [3],
        [4, 5],
    ]


def test_class_weights_and_target_scalers_come_from_the_heads_own_train_rows() -> None:
    bank = Bank(SIX_EMOTION, STREAM)
    bank.fit_statistics(Matrix(FEATURES), CLASSES, TRAIN)
    for head, spec in enumerate(SIX_EMOTION):
        rows = CLASSES[TRAIN[spec.fold]]
        balanced = compute_class_weight("balanced", classes=np.arange(3), y=rows)
        expected = balanced if spec.class_weights else np.ones(3)
        np.testing.assert_allclose(bank.objective.class_weights[head].numpy(), expected, rtol=1e-6)
    bank = Bank(SIX_AGE, STREAM)
    bank.fit_statistics(Matrix(FEATURES), YEARS, TRAIN)
    expected = [YEARS[TRAIN[spec.fold]].astype(np.float64).std() for spec in SIX_AGE]
    np.testing.assert_allclose(bank.objective.target_scale.numpy(), expected, rtol=1e-6)


def test_a_frozen_group_is_no_longer_computed_and_the_others_go_on() -> None:
    bank = train(SIX_EMOTION, epochs=1).train()
    bank.freeze(torch.tensor([False, False, True, False, False, False]))
    bank.skip_frozen_groups()
    rows = torch.from_numpy(FEATURES)[:20]
    outputs = bank(rows)
    assert outputs[2].abs().max() == 0
    assert outputs[3].abs().max() > 0
    losses = bank.losses(rows, torch.from_numpy(CLASSES)[:20], torch.ones(6, 20))
    assert [bool(loss > 0) for loss in losses] == [True, True, False, True, True, True]


def test_dropout_keeps_the_mean_in_training_and_is_absent_otherwise() -> None:
    wide = replace(EMOTION, architecture="mlp", hidden=(4000,), dropout=0.3)
    group = next(Bank([wide, replace(wide, dropout=0.0)], STREAM).groups())
    dropped = group._dropped(torch.ones(2, 10, 4000))
    assert float((dropped[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.01)  # 4 standard errors
    assert float(dropped[0].mean()) == pytest.approx(1, abs=0.02)
    assert (dropped[1] == 1).all()
    assert not torch.equal(dropped, group._dropped(torch.ones(2, 10, 4000)))
    assert (group.eval()._dropped(torch.ones(2, 10, 4000)) == 1).all()


def test_the_same_head_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=re.escape(f"twice: {EMOTION.name}")):
        Bank([EMOTION, replace(EMOTION, seed=1), EMOTION], STREAM)


def test_heads_of_two_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="one target"):
        Bank([EMOTION, AGE], STREAM)


def test_a_layer_the_stream_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="'attention', 3072"):
        Bank([replace(EMOTION, layers=(("attention", 3072),))], STREAM)


def test_one_class_or_one_age_in_the_train_rows_is_refused() -> None:
    with pytest.raises(SplitError, match=r"one class only \(joy\)"):
        Bank([EMOTION], STREAM).fit_statistics(Matrix(FEATURES), np.ones(ROWS, dtype=np.int64), TRAIN)
    with pytest.raises(SplitError, match="every train row is 30 years old"):
        Bank([AGE], STREAM).fit_statistics(Matrix(FEATURES), np.full(ROWS, 30.0), TRAIN)
