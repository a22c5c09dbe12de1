"""``backbone.compile``: the same numbers, and a word where the compiler is not to be had."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from profiling.backbones.build import build_backbone
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.config import BackboneConfig
from profiling.errors import BackboneError
from tests.recordings import speechlike

SIGNALS = [speechlike(seconds, seed=i).astype(np.float32) for i, seconds in enumerate((0.5, 0.8, 0.61))]


def mini(**settings: object) -> BackboneConfig:
    return BackboneConfig(name="native_mini", device="cpu", **settings)  # type: ignore[arg-type]


def test_a_compiler_that_fails_is_said_and_the_numbers_are_the_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[object] = []

    def failing(*asked: object) -> None:
        calls.append(asked)
        raise TorchDynamoException("no C++ compiler\nand a page of traceback")

    monkeypatch.setattr(torch, "compile", lambda net, dynamic: failing)
    backbone = build_backbone(mini(compile=True), tmp_path)
    with caplog.at_level(logging.WARNING):
        found = [backbone.extract(SIGNALS, list(ECAPA2_LAYERS)) for _ in range(2)]
    plain = build_backbone(mini(), tmp_path).extract(SIGNALS, list(ECAPA2_LAYERS))
    for layer in ECAPA2_LAYERS:
        assert found[0][layer].tobytes() == found[1][layer].tobytes() == plain[layer].tobytes()
    assert len(calls) == 1, "it is not tried for every batch"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["backbone.compile: PyTorch computes without compiling: no C++ compiler"]


def test_what_the_network_itself_refuses_is_no_failure_of_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*asked: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch, "compile", lambda net, dynamic: out_of_memory)
    with pytest.raises(RuntimeError, match="out of memory"):
        build_backbone(mini(compile=True), tmp_path).extract(SIGNALS, ["embedding"])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (BackboneConfig(name="spectral_stats", compile=True), "spectral_stats is no network"),
        (BackboneConfig(name="ecapa2", compile=True), r"add backbone\.engine=native"),
    ],
)
def test_what_cannot_be_compiled_is_refused(tmp_path: Path, config: BackboneConfig, reason: str) -> None:
    with pytest.raises(BackboneError, match=reason):
        build_backbone(config, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_is_within_design_4_on_mixed_and_on_equal_lengths(tmp_path: Path) -> None:
    compiled, plain = build_backbone(mini(compile=True), tmp_path), build_backbone(mini(), tmp_path)
    assert compiled.identity() == plain.identity()
    for signals in (SIGNALS, SIGNALS[:1], [SIGNALS[1], SIGNALS[1][::-1].copy()]):
        found, expected = (b.extract(signals, list(ECAPA2_LAYERS)) for b in (compiled, plain))
        for layer, bound in TOLERANCE.items():
            assert relative_l2(found[layer], expected[layer]) <= bound
    assert getattr(compiled, "_forward").refused is None  # noqa: B009 - not of the protocol
