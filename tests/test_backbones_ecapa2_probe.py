"""The contract probe against small networks that keep the contract, and that break it in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from profiling.backbones import contract as contract_module
from profiling.backbones.contract import Contract, probed
from profiling.backbones.probe import probe, relative_l2, split
from profiling.backbones.probe_signals import noise, voice
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.backbones.scripted import ScriptedNetwork
from profiling.errors import BackboneError
from tests.scripted_networks import MIN_SAMPLES, save_tiny_network

Ask = Callable[[str], Contract]

KEY = {"weights_sha256": "0" * 64, "device": "cpu", "precision": "fp32", "torch": torch.__version__}


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Probes the tiny network with one flaw, through a file, as a user's file would be."""

    def from_file(flaw: str) -> Contract:
        return probe(ScriptedNetwork(save_tiny_network(tmp_path / "some.pt", flaw), "cpu", "fp32"), "some.pt")

    return from_file


def test_a_network_that_keeps_the_contract(ask: Ask) -> None:
    assert ask("none") == Contract(batching="equal", layout="mean_variance", min_samples=MIN_SAMPLES)


@pytest.mark.parametrize("flaw", ["rows_mix", "batch_refused", "batch_pooled"])
def test_rows_that_depend_on_each_other_run_alone(ask: Ask, flaw: str) -> None:
    assert ask(flaw) == Contract(batching="single", layout="mean_variance", min_samples=MIN_SAMPLES)


@pytest.mark.parametrize("flaw", ["negative_variance", "positive_mean"])
def test_halves_that_are_not_mean_and_variance(ask: Ask, flaw: str) -> None:
    assert ask(flaw) == Contract(batching="equal", layout="unknown", min_samples=MIN_SAMPLES)


def test_a_length_that_gives_no_numbers_is_too_short(ask: Ask) -> None:
    assert ask("nan_below_500").min_samples == 500


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ("no_pool", r"some\.pt: label='pool' is refused \(.*no label pool"),
        ("wrong_dim", r"some\.pt: label='gfe_2' gives 2047 numbers, expected 2048"),
        ("asked_order", r"gives the order asked, expected .*order gfe_1\|gfe_2\|pool\|attention\|embedding"),
        ("one_label", r"five labels give 192 numbers, expected 10432"),
        ("random", r"gives other numbers, expected what each label gives alone"),
        ("not_finite", r"label='attention' gives 3 numbers that are not finite"),
        ("long_only", r"label='gfe_1' is refused \(.*too short"),
    ],
)
def test_a_broken_contract_says_what_was_expected_and_what_came(ask: Ask, flaw: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message) as error:
        ask(flaw)
    assert "\n" not in str(error.value)


def test_split_follows_the_network_order() -> None:
    row = np.arange(3072 + 192, dtype=np.float32)[None]
    parts = split(row, ["pool", "embedding"])
    assert list(parts) == ["pool", "embedding"]
    assert (parts["pool"][0, 0], parts["pool"][0, -1]) == (0, 3071)
    assert (parts["embedding"][0, 0], parts["embedding"].shape) == (3072, (1, 192))
    assert sum(ECAPA2_LAYERS.values()) == 10_432


def test_relative_l2_of_nothing() -> None:
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert (relative_l2(zero, zero), relative_l2(one, zero), relative_l2(zero, one)) == (
        0.0,
        float("inf"),
        1.0,
    )


def test_the_signals_are_deterministic_and_differ() -> None:
    for signal in (voice, noise):
        assert signal(8000).dtype == np.float32
        assert np.array_equal(signal(8000), signal(8000))
        assert 0.05 < signal(8000).std() < 0.5
    assert np.abs(voice(8000)).max() == pytest.approx(0.5, abs=0.03)
    spectrum = np.abs(np.fft.rfft(voice(16_000)[:8000] * np.hanning(8000)))
    assert spectrum[:2000].max() > 100 * np.median(spectrum)  # peaks, as a voice has


class TestMemory:
    def test_the_second_time_nothing_is_measured(self, tmp_path: Path) -> None:
        contract = Contract("equal", "mean_variance", 350)
        assert probed(lambda: contract, KEY, tmp_path) == contract
        assert probed(lambda: pytest.fail("measured again"), KEY, tmp_path) == contract

    @pytest.mark.parametrize("field", ["weights_sha256", "device", "precision", "torch"])
    def test_another_key_is_measured(self, tmp_path: Path, field: str) -> None:
        probed(lambda: Contract("equal", "mean_variance", 350), KEY, tmp_path)
        other = Contract("single", "unknown", 500)
        assert probed(lambda: other, {**KEY, field: "another"}, tmp_path) == other

    def test_a_newer_probe_measures_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        probed(lambda: Contract("equal", "mean_variance", 350), KEY, tmp_path)
        monkeypatch.setattr(contract_module, "PROBE_VERSION", 999)
        other = Contract("single", "unknown", 500)
        assert probed(lambda: other, KEY, tmp_path) == other

    @pytest.mark.parametrize(
        "damage",
        [
            "",
            "[]",
            "{}",
            {"batching": "masked", "layout": "unknown", "min_samples": 1},
            {"batching": "equal", "layout": "unknown", "min_samples": "many"},
            {"batching": "equal", "layout": ["x"], "min_samples": 3},
            {"batching": "equal"},
        ],
    )
    def test_a_damaged_memory_is_measured_again(
        self, tmp_path: Path, damage: str | dict[str, object]
    ) -> None:
        contract = Contract("equal", "mean_variance", 350)
        probed(lambda: contract, KEY, tmp_path)
        (memory,) = (tmp_path / "probes").iterdir()
        text = (
            damage
            if isinstance(damage, str)
            else json.dumps({**json.loads(memory.read_text()), "contract": damage})
        )
        memory.write_text(text)
        measured = Contract("single", "unknown", 500)
        assert probed(lambda: measured, KEY, tmp_path) == measured
        assert json.loads(memory.read_text())["contract"]["min_samples"] == 500

    def test_a_failed_probe_is_not_remembered(self, tmp_path: Path) -> None:
        def fail() -> Contract:
            raise BackboneError("broken")

        with pytest.raises(BackboneError, match="broken"):
            probed(fail, KEY, tmp_path)
        assert not (tmp_path / "probes").exists()
