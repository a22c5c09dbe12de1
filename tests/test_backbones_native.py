"""The native network: ECAPA2's numbers, and rows of a batch that never hear each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from profiling.backbones import frame_level, local, masking
from profiling.backbones.calibration import calibration_signals, recipe_sha256, untrained
from profiling.backbones.network import NativeNet, mini_config
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.config import NativeConfig
from profiling.errors import ConfigError

#: DESIGN 4.
TOLERANCE = {"gfe_1": 1e-4, "gfe_2": 1e-4, "pool": 1e-4, "attention": 1e-3, "embedding": 1e-3}
#: All twenty blocks of the released network, a twentieth of its width.
DEEP = NativeConfig(
    widths=[8] * 9 + [12] * 11, strides=[1, 1, 1] + [2, 1, 1, 1] * 3 + [2, 1, 1, 1, 1], time_stride=1
)
COMPOSITIONS = (
    [400, 4000, 9000],
    [400, 401, 480, 560, 640, 641],
    [16000, 15999],
    [9000, 400],
    [700, 6001, 700],
)


def noise(*lengths: int, seed: int = 7) -> list[Tensor]:
    """Coloured noise with a slow loudness, so that frames differ."""
    random = np.random.default_rng(seed)
    rows = []
    for length in lengths:
        wave = np.cumsum(random.standard_normal(length)) * 0.01
        wave *= 0.2 + np.abs(np.sin(np.arange(length) / 900 + length))
        rows.append(torch.tensor(wave - wave.mean(), dtype=torch.float32))
    return rows


def trained_like(config: NativeConfig) -> NativeNet:
    """Scales and offsets away from 1 and 0, as training leaves them: padding is then never zero by itself."""
    net = untrained(config)
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4, generator=generator)
            nn.init.normal_(module.bias, 0.0, 0.3, generator=generator)
    return net


@pytest.fixture(scope="module", params=["mini", "deep"])
def net(request: pytest.FixtureRequest) -> NativeNet:
    return trained_like(mini_config() if request.param == "mini" else DEEP)


def batched(net: NativeNet, rows: Sequence[Tensor], filler: float = 0.0) -> dict[str, Tensor]:
    batch = nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=filler)
    with torch.inference_mode():
        return net(batch, torch.tensor([len(row) for row in rows]))


def worst_error(net: NativeNet, rows: Sequence[Tensor]) -> dict[str, float]:
    """Largest relative L2 between rows of a mixed batch and the same rows alone, per layer."""
    mixed, worst = batched(net, rows), dict.fromkeys(ECAPA2_LAYERS, 0.0)
    for index, row in enumerate(rows):
        with torch.inference_mode():
            alone = net(row[None])
        for layer, expected in alone.items():
            error = float((mixed[layer][index] - expected[0]).norm() / expected[0].norm())
            worst[layer] = max(worst[layer], error)
    return worst


def test_released_widths_give_the_released_parameter_count() -> None:
    assert sum(p.numel() for p in NativeNet(NativeConfig()).parameters()) == 27_107_708


def test_mini_fits_sixteen_megabytes_in_half_precision() -> None:
    assert 2 * sum(p.numel() for p in NativeNet(mini_config()).parameters()) < 15e6


def test_outputs_have_the_released_dims(net: NativeNet) -> None:
    with torch.inference_mode():
        outputs = net(torch.stack(noise(4000, 4000)))
    assert {layer: tuple(value.shape) for layer, value in outputs.items()} == {
        "gfe_1": (2, 2048),
        "gfe_2": (2, 2048),
        "pool": (2, 3072),
        "attention": (2, 3072),
        "embedding": (2, 192),
    }
    assert list(outputs) == list(ECAPA2_LAYERS)


def test_320_samples_are_refused_and_400_accepted(net: NativeNet) -> None:
    with pytest.raises(ValueError, match="320 samples: at least 400"):
        net(torch.zeros(1, 320))
    with torch.inference_mode():
        assert all(value.isfinite().all() for value in net(noise(400)[0][None]).values())


@pytest.mark.parametrize("lengths", COMPOSITIONS, ids=str)
def test_rows_of_a_mixed_batch_equal_the_same_rows_alone(net: NativeNet, lengths: list[int]) -> None:
    worst = worst_error(net, noise(*lengths))
    assert all(worst[layer] <= TOLERANCE[layer] for layer in TOLERANCE), worst


def test_what_lies_beyond_a_rows_end_is_never_read(net: NativeNet) -> None:
    rows = noise(5000, 400, 3210)
    for layer, value in batched(net, rows, filler=float("nan")).items():
        assert torch.equal(value, batched(net, rows)[layer]), layer


def unpadded_mean(x: Tensor, padding: Tensor | None) -> Tensor:
    return x.float().mean(dim=-1, keepdim=True)


def reflected_at_the_batch_end(lengths: Tensor, size: int, pad: int) -> Tensor:
    return masking.reflection_index(torch.full_like(lengths, size), size, pad)


@pytest.mark.parametrize(
    ("module", "name", "mutant"),
    [
        (local, "zero_padding_", lambda x, padding: x),
        (local, "mean_over_time", unpadded_mean),
        (frame_level, "mean_over_time", unpadded_mean),
        (frame_level, "reflection_index", reflected_at_the_batch_end),
    ],
    ids=["no re-zeroing", "local gate", "global gate", "reflection"],
)
def test_the_tolerance_notices_each_part_of_the_masking(
    net: NativeNet, monkeypatch: pytest.MonkeyPatch, module: object, name: str, mutant: Callable[..., Tensor]
) -> None:
    rows = noise(8000, 2400)
    monkeypatch.setattr(module, name, mutant)
    worst = worst_error(net, rows)
    assert any(worst[layer] > 2 * TOLERANCE[layer] for layer in TOLERANCE), worst


def test_statistics_are_mean_population_variance_and_weighted_std(net: NativeNet) -> None:
    """Against NumPy on what the hooks saw; the second halves are never negative."""
    seen: dict[str, np.ndarray] = {}
    layers = {
        "gfe_1": net.gfe_1,
        "gfe_2": net.gfe_2.conv_out,
        "pool": net.pool,
        "score": net.attention.conv_out,
    }
    hooks = [
        layer.register_forward_hook(lambda _, __, out, key=key: seen.update({key: out[0].double().numpy()}))
        for key, layer in layers.items()
    ]
    with torch.inference_mode():
        outputs = net(noise(6000)[0][None])
    for hook in hooks:
        hook.remove()
    for key in ("gfe_1", "gfe_2", "pool"):
        expected = np.concatenate([seen[key].mean(1), seen[key].var(1)])
        np.testing.assert_allclose(outputs[key][0], expected, rtol=1e-4, atol=1e-5)
        assert outputs[key][:, outputs[key].shape[1] // 2 :].min() >= 0
        assert outputs[key][:, : outputs[key].shape[1] // 2].min() < 0
    weight = np.exp(seen["score"] - seen["score"].max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    heard = np.maximum(seen["pool"], 0)
    mean = (weight * heard).sum(1)
    std = np.sqrt(np.maximum((weight * heard**2).sum(1) - mean**2, 1e-5))
    np.testing.assert_allclose(outputs["attention"][0], np.concatenate([mean, std]), rtol=1e-3, atol=1e-4)


def test_the_shortest_rows_are_exact_at_any_time_stride() -> None:
    """At stride 4, 400 samples leave one frame, which is shorter than any reflection."""
    net = trained_like(NativeConfig(widths=[6, 8, 8], strides=[1, 4, 4], time_stride=4))
    worst = worst_error(net, noise(400, 800, 5000, 640))
    assert all(worst[layer] <= TOLERANCE[layer] for layer in TOLERANCE), worst


def test_time_stride_halves_the_frames_of_each_row() -> None:
    net, frames = NativeNet(NativeConfig(widths=[4], strides=[4], time_stride=2)).eval(), []
    hook = net.gfe_1.register_forward_hook(lambda _, __, out: frames.append(out.shape[2]))
    with torch.inference_mode():
        for samples in (400, 640, 641, 16000):
            net(torch.zeros(1, samples))
    hook.remove()
    assert frames == [2, 2, 3, 50]  # of 3, 4, 5 and 100 spectrogram frames


def test_training_changes_every_parameter_and_refuses_mixed_lengths() -> None:
    net = NativeNet(NativeConfig(widths=[4, 4, 6], strides=[1, 2, 4], time_stride=2)).train()
    rows = torch.stack(noise(3200, 3200, 3200))
    sum(value.square().mean() for value in net(rows).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    with pytest.raises(ValueError, match="only in eval mode"):
        net(rows, torch.tensor([3200, 3200, 400]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (NativeConfig(widths=[8], strides=[1, 2]), "1 widths and 2 strides"),
        (NativeConfig(widths=[], strides=[]), "0 widths and 0 strides"),
        (NativeConfig(widths=[8, 0], strides=[1, 2]), r"widths=\[8, 0\]"),
        (NativeConfig(widths=[8], strides=[0]), r"strides=\[0\]"),
        (NativeConfig(time_stride=0), "time_stride=0: must be at least 1"),
    ],
)
def test_an_impossible_architecture_names_the_key(config: NativeConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NativeNet(config)


def test_seeds_repeat_and_differ_and_leave_the_callers_random_numbers_alone() -> None:
    config = NativeConfig(widths=[4, 6], strides=[2, 2], time_stride=1, seed=5)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, again = untrained(config), untrained(config)
    assert torch.equal(torch.rand(3), expected)
    other = untrained(NativeConfig(widths=[4, 6], strides=[2, 2], time_stride=1, seed=6))
    for name, value in first.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], rtol=1e-5, atol=1e-7), name
    assert not torch.equal(first.gfe_1.weight, other.gfe_1.weight)


def test_the_recipe_is_the_identity_of_an_untrained_network() -> None:
    recipes = {
        recipe_sha256(config)
        for config in (NativeConfig(), NativeConfig(seed=1), NativeConfig(time_stride=2), mini_config())
    }
    assert len(recipes) == 4
    assert recipe_sha256(NativeConfig()) == recipe_sha256(NativeConfig())


def test_calibration_signals_have_the_dynamics_of_speech_at_several_levels() -> None:
    signals = calibration_signals()
    assert signals.dtype == np.float32
    assert np.abs(signals).max() <= 1
    level_db = 20 * np.log10(np.sqrt((signals.astype(float) ** 2).mean(1)))
    assert np.ptp(level_db) > 15
    blocks = (signals.astype(float).reshape(len(signals), -1, 160) ** 2).mean(2)
    assert (10 * np.log10(blocks.max(1) / blocks.min(1)) > 15).all()


def test_calibrated_outputs_neither_explode_nor_shrink_nor_agree() -> None:
    for config in (mini_config(), DEEP):
        with torch.inference_mode():
            outputs = untrained(config)(torch.stack(noise(8000, 8000, 8000)))
        for layer, value in outputs.items():
            assert value.isfinite().all()
            assert value.abs().max() < 100, layer
            spread = (value[0] - value[1]).norm() / value[0].norm()
            assert spread > 0.02, (layer, spread)


@pytest.mark.slow
def test_released_widths_keep_rows_apart_too() -> None:
    worst = worst_error(trained_like(NativeConfig()), noise(400, 4800, 3000))
    assert all(worst[layer] <= TOLERANCE[layer] for layer in TOLERANCE), worst
