"""The exported TorchScript file answers as the released one and computes what the module computes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch

from profiling.backbones.calibration import untrained
from profiling.backbones.export import export_torchscript
from profiling.backbones.network import NativeNet
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.config import NativeConfig

SMALL = NativeConfig(widths=[6, 8, 8], strides=[1, 4, 4], time_stride=1)


@pytest.fixture(scope="module")
def net() -> NativeNet:
    return untrained(SMALL)


@pytest.fixture(scope="module")
def file(net: NativeNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.pt"
    net.train()  # a file must not depend on the mode its module was in
    export_torchscript(net, path, training="mini")
    assert net.training
    net.eval()
    return path


@pytest.fixture(scope="module")
def released(file: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(file), map_location="cpu")


@pytest.mark.parametrize("shape", [(1, 400), (1, 5001), (3, 4000)])
def test_every_layer_equals_the_modules(
    net: NativeNet, released: torch.jit.ScriptModule, shape: tuple[int, int]
) -> None:
    audio = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = net(audio)
    for layer, dim in ECAPA2_LAYERS.items():
        answer = released(audio, label=layer)
        assert answer.shape == (shape[0], dim)
        assert (answer - expected[layer]).norm() <= 1e-5 * expected[layer].norm(), layer


def test_labels_come_in_the_networks_order_and_embedding_is_the_default(
    released: torch.jit.ScriptModule,
) -> None:
    audio = 0.1 * torch.randn(1, 3000, generator=torch.Generator().manual_seed(2))
    parts = [released(audio, label=layer) for layer in ("gfe_1", "pool", "embedding")]
    torch.testing.assert_close(released(audio, label="embedding|pool|gfe_1"), torch.cat(parts, -1))
    torch.testing.assert_close(released(audio), parts[-1])


def test_callers_need_neither_eval_nor_no_grad(released: torch.jit.ScriptModule) -> None:
    audio = 0.1 * torch.randn(1, 3000)
    first = released(audio)
    assert not released.training
    assert not first.requires_grad
    assert torch.equal(first, released(audio))


@pytest.mark.parametrize(
    ("samples", "label", "message"), [(320, "pool", "320 samples"), (400, "gfe_9", "gfe_9")]
)
def test_too_short_and_unknown_labels_are_refused(
    released: torch.jit.ScriptModule, samples: int, label: str, message: str
) -> None:
    with pytest.raises(torch.jit.Error, match=message):
        released(torch.zeros(1, samples), label=label)


def test_the_file_says_what_stands_behind_its_weights_and_export_is_silent(
    net: NativeNet, file: Path, tmp_path: Path
) -> None:
    extra = {"profiling.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.load(str(file), _extra_files=extra)
    assert json.loads(extra["profiling.json"]) == {"training": "mini", "architecture": net.architecture}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_torchscript(net, tmp_path / "silent.pt")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_precision_takes_float32_audio(file: Path, released: torch.jit.ScriptModule) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        half = torch.jit.load(str(file), map_location="cuda").half()
    audio = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(2))
    for layer in ECAPA2_LAYERS:
        expected = released(audio, label=layer)
        answer = half(audio.cuda(), label=layer).float().cpu()
        assert (answer - expected).norm() <= 3e-2 * expected.norm(), layer
