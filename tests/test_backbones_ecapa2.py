"""The TorchScript backbone: loading, what it says of itself, and its numbers against the card's own loop."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from profiling.backbones import ecapa2
from profiling.backbones.build import build_backbone
from profiling.backbones.ecapa2 import Ecapa2
from profiling.backbones.protocol import ECAPA2_LAYERS, Backbone, Waveform
from profiling.config import BackboneConfig, NativeConfig
from profiling.errors import BackboneError
from tests.scripted_networks import MIN_SAMPLES, save_tiny_network


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_network(tmp_path_factory.mktemp("weights") / "tiny.pt")


def load(path: Path, cache: Path, **settings: str) -> Ecapa2:
    return Ecapa2.load(BackboneConfig(path=str(path), **{"device": "cpu", **settings}), cache)


def waveforms(*lengths: int) -> list[Waveform]:
    generator = np.random.default_rng(1)
    return [generator.normal(0, 0.1, length).astype(np.float32) for length in lengths]


def card_loop(path: Path, signals: list[Waveform], label: str) -> np.ndarray:
    """The model card's own code, one recording at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        network = torch.jit.load(str(path), map_location="cpu")
    with torch.no_grad():
        return np.stack(
            [network(torch.from_numpy(signal)[None], label=label)[0].numpy() for signal in signals]
        )


class TestExtract:
    @pytest.mark.parametrize("lengths", [(4000, 4000, 4000), (MIN_SAMPLES,)])
    def test_each_layer_equals_the_card(self, file: Path, tmp_path: Path, lengths: tuple[int, ...]) -> None:
        signals = waveforms(*lengths)
        found = load(file, tmp_path).extract(signals, ["embedding", "pool", "gfe_1", "gfe_2", "attention"])
        assert list(found) == list(ECAPA2_LAYERS)
        for layer, dim in ECAPA2_LAYERS.items():
            assert found[layer].shape == (len(lengths), dim)
            assert found[layer].dtype == np.float32
            np.testing.assert_allclose(found[layer], card_loop(file, signals, layer), rtol=1e-4, atol=1e-5)

    def test_one_call_with_all_labels_in_the_network_order(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backbone = load(file, tmp_path)
        network, calls = backbone._network, []
        monkeypatch.setattr(
            backbone,
            "_network",
            lambda batch, label: calls.append((batch.shape, label)) or network(batch, label),
        )
        backbone.extract(waveforms(4000, 4000), ["embedding", "gfe_1"])
        assert calls == [((2, 4000), "gfe_1|embedding")]

    def test_rows_that_depend_on_each_other_run_alone(self, tmp_path: Path) -> None:
        path = save_tiny_network(tmp_path / "mix.pt", "rows_mix")
        backbone = load(path, tmp_path)
        signals = waveforms(4000, 5000, 4000)
        assert backbone.batching == "single"
        found = backbone.extract(signals, ["pool"])["pool"]
        np.testing.assert_array_equal(found, card_loop(path, signals, "pool"))

    def test_read_only_audio_is_fine(self, file: Path, tmp_path: Path) -> None:
        signal = np.frombuffer(waveforms(4000)[0].tobytes(), dtype=np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(file, tmp_path).extract([signal], ["embedding"])

    @pytest.mark.parametrize(
        ("lengths", "layers", "message"),
        [
            ((4000, 4001), ["pool"], r"lengths \[4000, 4001\] in one batch"),
            ((4000, MIN_SAMPLES - 1), ["pool"], r"349 samples, shortest accepted is 350"),
            ((4000,), ["pol"], r"no layer 'pol'; did you mean pool"),
            ((), ["pool"], r"0 waveforms and 1 layers"),
            ((4000,), [], r"1 waveforms and 0 layers"),
        ],
    )
    def test_what_cannot_be_computed_is_an_error(
        self, file: Path, tmp_path: Path, lengths: tuple[int, ...], layers: list[str], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            load(file, tmp_path).extract(waveforms(*lengths), layers)


class TestIdentity:
    def test_what_it_says_of_itself(self, file: Path, tmp_path: Path) -> None:
        backbone: Backbone = load(file, tmp_path)
        assert (backbone.name, backbone.device, backbone.precision) == ("ecapa2", "cpu", "fp32")
        assert (backbone.batching, backbone.min_samples) == ("equal", MIN_SAMPLES)
        assert dict(backbone.layers) == dict(ECAPA2_LAYERS)
        digest = backbone.identity()["weights_sha256"]
        assert isinstance(digest, str)
        assert len(digest) == 64
        assert len(backbone.identity()) == 1  # device, path and layout are not what the weights are

    @pytest.mark.parametrize(
        ("extra", "training"),
        [
            (None, "local"),
            ('{"training": "untrained"}', "untrained"),
            ('{"training": "mini", "seed": 0}', "mini"),
            ('{"training": "released"}', "local"),  # only the authors' bytes are that
        ],
    )
    def test_training_is_read_from_the_archive(
        self, tmp_path: Path, extra: str | None, training: str
    ) -> None:
        backbone = load(save_tiny_network(tmp_path / "x.pt", extra=extra), tmp_path)
        assert backbone.training == training
        assert backbone.notice is not None
        assert backbone.notice.endswith(f"({training})")

    def test_the_released_bytes_are_released_without_notice(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = str(load(file, tmp_path).identity()["weights_sha256"])
        monkeypatch.setattr("profiling.backbones.hub.RELEASED_SHA256", digest)
        backbone = load(file, tmp_path, sha256=digest)
        assert (backbone.training, backbone.notice) == ("released", None)

    @pytest.mark.parametrize("extra", ["{", "[1]", '"untrained"'])
    def test_a_damaged_extra_file_is_an_error(self, tmp_path: Path, extra: str) -> None:
        path = save_tiny_network(tmp_path / "x.pt", extra=extra)
        with pytest.raises(BackboneError, match=r"x\.pt: profiling\.json inside of it is not a JSON object"):
            load(path, tmp_path)


class TestLoading:
    def test_the_second_load_measures_nothing(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = load(file, tmp_path)
        monkeypatch.setattr(ecapa2, "probe", lambda *_: pytest.fail("probed again"))
        second = load(file, tmp_path)
        assert (second.batching, second.layout, second.min_samples) == (first.batching, "mean_variance", 350)

    def test_a_broken_contract_names_the_file(self, tmp_path: Path) -> None:
        path = save_tiny_network(tmp_path / "broken.pt", "wrong_dim")
        with pytest.raises(
            BackboneError, match=r"broken\.pt: label='gfe_2' gives 2047 numbers, expected 2048"
        ):
            load(path, tmp_path)

    @pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
    def test_a_cut_off_file_names_the_file(self, file: Path, tmp_path: Path, keep: float) -> None:
        data = file.read_bytes()
        (tmp_path / "cut.pt").write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
        with pytest.raises(BackboneError, match=r"cut\.pt: not a TorchScript file, or cut off") as error:
            load(tmp_path / "cut.pt", tmp_path)
        assert "\n" not in str(error.value)

    def test_another_kind_of_file_names_the_file(self, tmp_path: Path) -> None:
        torch.save({"weight": torch.zeros(3)}, tmp_path / "state.pt")
        with pytest.raises(BackboneError, match=r"state\.pt: not a TorchScript file"):
            load(tmp_path / "state.pt", tmp_path)

    def test_changed_bytes_inside_are_found(self, file: Path, tmp_path: Path) -> None:
        """torch.jit.load alone accepts this file and computes other numbers."""
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        (tmp_path / "flipped.pt").write_bytes(data)
        with pytest.raises(BackboneError, match=r"flipped\.pt: damaged, .*data/.* does not fit its checksum"):
            load(tmp_path / "flipped.pt", tmp_path)

    @pytest.mark.parametrize("precision", ["fp16", "tf32"])
    def test_low_precision_on_a_cpu_is_refused(self, file: Path, tmp_path: Path, precision: str) -> None:
        with pytest.raises(BackboneError, match=f"precision={precision} needs CUDA"):
            load(file, tmp_path, precision=precision)

    def test_nothing_is_said_to_be_deprecated(self, file: Path, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(file, tmp_path).extract(waveforms(4000), ["embedding"])

    def test_a_warm_start_reads_no_weights_twice(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.utime(file, (time.time() - 100,) * 2)
        load(file, tmp_path)
        monkeypatch.setattr("profiling.backbones.weights.sha256_file", lambda _: pytest.fail("hashed again"))
        load(file, tmp_path)


class TestBuild:
    def test_the_name_chooses(self, file: Path, tmp_path: Path) -> None:
        assert isinstance(build_backbone(BackboneConfig(path=str(file), device="cpu"), tmp_path), Ecapa2)

    def test_the_other_backbones(self, tmp_path: Path) -> None:
        narrow = NativeConfig(widths=[4, 8], strides=[2, 2])
        native = build_backbone(BackboneConfig(name="native", native=narrow, device="cpu"), tmp_path)
        signal = build_backbone(BackboneConfig(name="spectral_stats", device="cpu"), tmp_path)
        assert (native.name, native.training, signal.name, signal.training) == (
            "native",
            "untrained",
            "spectral_stats",
            "signal",
        )

    def test_an_unknown_name_lists_the_known(self, tmp_path: Path) -> None:
        with pytest.raises(BackboneError, match=r"backbone=ecapa: did you mean ecapa2\?"):
            build_backbone(BackboneConfig(name="ecapa"), tmp_path)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_on_cuda_it_stays_near_the_card(file: Path, tmp_path: Path, precision: str) -> None:
    signals = waveforms(4000, 4000)
    found = load(file, tmp_path, device="cuda", precision=precision).extract(signals, list(ECAPA2_LAYERS))
    for layer in ECAPA2_LAYERS:
        reference = card_loop(file, signals, layer)
        error = np.linalg.norm(found[layer] - reference) / np.linalg.norm(reference)
        assert error < (1e-4 if precision == "fp32" else 1e-2)
