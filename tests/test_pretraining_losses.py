"""Margin, prosody targets and schedule against calculations of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from profiling.backbones.frontend import strided_count
from profiling.backbones.network import NativeNet
from profiling.config import NativeConfig
from profiling.pretraining.config import OptimConfig
from profiling.pretraining.contours import COPIES, OFFSET, Contours, known_loss
from profiling.pretraining.margin import SubcentreMargin, add_angle
from profiling.pretraining.module import binary_loss, rate
from profiling.pretraining.norms import folded, steady
from profiling.pretraining.prosody import CONTOURS, Prosody, prosody_targets, raw_contours
from tests.pretraining_speech import RATE, tone

NAMES = list(CONTOURS)


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


def means(waveform: torch.Tensor) -> dict[str, float]:
    """Mean of each contour where it means something, without the mirrored ends; its ``std`` beside it."""
    values, chosen = (part[..., 1:-1] for part in raw_contours(waveform[None], time_stride=4))
    found = {}
    for name, row, mask in zip(NAMES, values[0], chosen[0] > 0, strict=True):
        found[name], found[f"{name}_std"] = (
            float(row[mask].mean()),
            float(row[mask].std(correction=0)) if mask.any() else float("nan"),
        )
    return found


@pytest.mark.parametrize("f0_hz", [80.0, 130.0, 220.0, 350.0])
def test_pitch_of_a_tone(f0_hz: float) -> None:
    found = means(torch.from_numpy(tone(f0_hz, 1.0)))
    assert math.exp(found["log_f0"]) == pytest.approx(f0_hz, rel=0.03)
    assert found["log_f0_change"] < 0.02 and found["voiced"] == 1 and found["harmonicity"] > 0.95
    assert found["level_std"] < 1.0


def test_pitch_level_and_pause_of_a_tone_that_moves() -> None:
    low, high = torch.from_numpy(tone(150, 0.5)), torch.from_numpy(tone(300, 0.5, level=0.01))
    found = means(torch.cat([low, high, torch.zeros(RATE)]))
    assert found["log_f0_std"] == pytest.approx(math.log(2) / 2, abs=0.04)
    assert found["level_std"] == pytest.approx(10.0, abs=0.9), "20 dB apart, half each"
    assert found["level"] == pytest.approx(0.0, abs=0.9), "against the mean over what is active"
    assert found["active"] == pytest.approx(0.5, abs=0.04)


def test_a_spectrum_that_falls_has_a_first_cepstrum_and_white_noise_has_none() -> None:
    noise = 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    falling = torch.nn.functional.conv1d(noise[None, None], torch.full((1, 1, 8), 0.125))[0, 0]
    assert abs(means(noise)["cepstrum_1"]) < 0.2 < 2 < means(falling)["cepstrum_1"]


def test_noise_has_no_pitch_and_says_so() -> None:
    noise = 0.1 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    contours, statistics = prosody_targets(noise, time_stride=4)
    assert statistics[:, NAMES.index("log_f0")].isnan().all()
    assert not contours[:, NAMES.index("log_f0")].any()
    assert torch.isfinite(statistics[:, NAMES.index("flux")]).all()
    assert torch.isfinite(prosody_targets(torch.zeros(1, RATE), 4).contours).all()


@pytest.mark.parametrize("time_stride", [1, 2, 4])
@pytest.mark.parametrize("samples", [16_000, 24_000, 32_000, 16_161])
def test_a_frame_for_each_the_network_has(time_stride: int, samples: int) -> None:
    frames = strided_count(strided_count(torch.tensor(samples), 160), time_stride)
    assert prosody_targets(torch.rand(1, samples), time_stride).contours.shape == (1, len(NAMES), int(frames))


def test_targets_do_not_depend_on_the_level() -> None:
    speech = torch.from_numpy(tone(170, 1.0))[None] + 0.001 * torch.randn(1, RATE)
    quiet, loud = (prosody_targets(wave, 4).statistics for wave in (speech, speech * 3))
    assert torch.allclose(quiet, loud, atol=1e-2, equal_nan=True)


def watched(seed: int = 0) -> tuple[NativeNet, Contours, Prosody, dict[str, torch.Tensor]]:
    torch.manual_seed(seed)
    net = NativeNet(NativeConfig(widths=[4, 4], strides=[2, 8], time_stride=4))
    contours = Contours(net)
    waveforms = torch.from_numpy(np.stack([tone(150, 1.0), tone(250, 1.0)]))
    return net, contours, prosody_targets(waveforms, 4), net(waveforms)


def test_contours_move_their_own_channels_and_speakers_do_not() -> None:
    net, contours, prosody, layers = watched()
    asked = COPIES["pool"] * len(NAMES)
    layers["embedding"].square().sum().backward(retain_graph=True)
    assert not net.pool.weight.grad[:asked].any() and net.pool.weight.grad[asked:].any()
    net.zero_grad()
    contours.frames(prosody, torch.ones(2)).backward()
    assert net.pool.weight.grad[:asked].any() and not net.pool.weight.grad[asked:].any()


def test_the_loss_of_contours_by_hand() -> None:
    _net, contours, prosody, _ = watched()
    with torch.no_grad():  # channels that say the truth but for the level, which they miss by 2
        for name, copies in COPIES.items():
            told = contours._seen[name].clone()
            asked = copies * len(NAMES)
            told[:, :asked] = prosody.contours.repeat(1, copies, 1) + OFFSET
            told[:, NAMES.index("level") : asked : len(NAMES)] += 2.0
            contours._seen[name] = told
        assert float(contours.frames(prosody, torch.ones(2))) == pytest.approx(2 * (2.0 - 0.5), rel=1e-4)
        assert float(contours.frames(prosody, torch.zeros(2))) == 0.0


def test_what_is_unknown_or_shared_does_not_count() -> None:
    wanted = torch.tensor([[1.0, float("nan")], [5.0, 5.0]])
    assert float(known_loss(torch.zeros(2, 2), wanted, torch.tensor([1.0, 0.0]))) == pytest.approx(0.5)


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
