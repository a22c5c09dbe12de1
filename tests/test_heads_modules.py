"""Specs and single heads: names, JSON and tensors out and in again, and answers in the task's unit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from profiling.config import HeadConfig
from profiling.errors import BundleError, ConfigError
from profiling.heads.modules import Head, build_head
from profiling.heads.spec import HeadSpec, head_spec

LAYERS = (("pool", 6), ("embedding", 4))
EMOTION = HeadSpec("mlp", LAYERS, labels=("anger", "joy", "neutral"), hidden=(5,), dropout=0.1)
AGE = HeadSpec("linear", LAYERS, loss="l1", class_weights=False)
FEATURES = np.random.default_rng(0).normal(size=(9, 10)).astype(np.float32)


def trained_state(spec: HeadSpec) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    state = Head(spec).state_dict()
    return {name: torch.rand(t.shape, generator=generator) + 0.5 for name, t in state.items()}


def test_thirteen_close_learning_rates_have_thirteen_names() -> None:
    rates = [1e-3 + step * 1e-9 for step in range(13)]
    specs = [replace(EMOTION, lr=rate) for rate in rates]
    assert len({f"{rate:g}" for rate in rates}) < 13, "a rounded rate would have lost some"
    assert len({spec.name for spec in specs}) == 13


@pytest.mark.parametrize(
    "field", ["architecture", "layers", "seed", "fold", "weight_decay", "clip_norm", "dropout"]
)
def test_the_name_depends_on_every_field(field: str) -> None:
    other = {"architecture": "linear", "layers": LAYERS[:1], "seed": 1, "fold": 1}
    changed = {field: other.get(field, 0.5)} | (
        {"hidden": (), "dropout": 0.0} if field == "architecture" else {}
    )
    assert replace(EMOTION, **changed).name != EMOTION.name


@pytest.mark.parametrize("spec", [EMOTION, AGE])
def test_a_spec_survives_json(spec: HeadSpec) -> None:
    again = HeadSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.name == spec.name


def test_a_spec_with_a_foreign_field_is_refused() -> None:
    with pytest.raises(BundleError, match="'colour'"):
        HeadSpec.from_json(EMOTION.to_json() | {"colour": "red"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "mpl"}, "did you mean mlp"),
        ({"labels": ("anger",)}, "one class only"),
        ({"loss": "l1"}, "head.loss=l1"),
        ({"architecture": "linear"}, r"head.hidden=\[5\]"),
        ({"architecture": "linear", "hidden": ()}, "head.dropout=0.1"),
        ({"hidden": ()}, "hidden widths"),
        ({"layers": ()}, "no feature layers"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(EMOTION, **change)


def test_a_configured_head_takes_the_loss_of_its_target() -> None:
    config = HeadConfig(name="mlp", hidden=[5], lr=0.01, seed=3)
    assert head_spec(config, LAYERS, ["a", "b"], fold=2).loss == "cross_entropy"
    age = head_spec(config, LAYERS, [])
    assert head_spec(config, LAYERS, [], task="age").loss == "l1"
    for dimension in ("arousal", "valence", "dominance"):
        assert head_spec(config, LAYERS, [], task=dimension).loss == "ccc"
        assert head_spec(replace(config, loss="l2"), LAYERS, [], task=dimension).loss == "l2"
    assert (age.loss, age.class_weights, age.kind, age.widths) == ("l1", False, "regression", (10, 5, 1))


def test_probabilities_are_those_of_numpy() -> None:
    state = trained_state(EMOTION)
    got = build_head(EMOTION, state).predict(FEATURES)
    s = {name: tensor.double().numpy() for name, tensor in state.items()}
    hidden = (FEATURES - s["scaler.mean"]) / s["scaler.scale"] @ s["maps.0.weight"].T + s["maps.0.bias"]
    logits = np.maximum(hidden, 0) @ s["maps.1.weight"].T + s["maps.1.bias"]
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_years_are_in_years() -> None:
    state = trained_state(AGE)
    state["target.mean"], state["target.scale"] = torch.tensor([40.0]), torch.tensor([12.0])
    got = build_head(AGE, state).predict(torch.from_numpy(FEATURES))
    s = {name: tensor.double().numpy() for name, tensor in state.items()}
    standardised = (FEATURES - s["scaler.mean"]) / s["scaler.scale"] @ s["maps.0.weight"].T + s["maps.0.bias"]
    assert got.shape == (9,)
    np.testing.assert_allclose(got, 40 + 12 * standardised[:, 0], rtol=1e-5)


def test_no_rows_give_no_answers() -> None:
    head = build_head(EMOTION, trained_state(EMOTION))
    assert head.predict(FEATURES[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match=r"reads \(n, 10\)"):
        head.predict(FEATURES[:, :9])


def test_tensors_edited_by_hand_are_refused() -> None:
    state = trained_state(EMOTION)
    with pytest.raises(BundleError, match=r"'maps.1.bias' is missing"):
        build_head(EMOTION, {name: t for name, t in state.items() if name != "maps.1.bias"})
    with pytest.raises(BundleError, match=r"\(2,\), its spec says \(3,\)"):
        build_head(EMOTION, state | {"maps.1.bias": torch.zeros(2)})
    with pytest.raises(BundleError, match="not finite"):
        build_head(EMOTION, state | {"maps.1.bias": torch.full((3,), torch.nan)})


def test_initial_weights_come_from_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = Head(EMOTION), Head(EMOTION), Head(replace(EMOTION, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.maps[0].weight, again.maps[0].weight)
    assert not torch.equal(first.maps[0].weight, other.maps[0].weight)
    assert first.maps[0].weight.abs().max() <= 1 / np.sqrt(10)
