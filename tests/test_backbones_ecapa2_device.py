"""Devices and precisions: what is refused, and that TF32 is off unless asked for."""

from __future__ import annotations

import pytest
import torch

from profiling.backbones.device import check_precision, matmul_precision, resolve_device, to_device
from profiling.errors import BackboneError


def test_auto_is_cuda_only_where_there_is_one() -> None:
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize("asked", ["gpu", "cpu:1", "cuda:x", "", "mps"])
def test_a_name_that_is_no_device_is_refused(asked: str) -> None:
    with pytest.raises(BackboneError, match=r"backbone\.device=.*valid: auto, cpu, cuda"):
        resolve_device(asked)


def test_cuda_without_cuda_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackboneError, match=r"cuda:0: no CUDA device here; use backbone\.device=cpu"):
        resolve_device("cuda:0")


def test_an_index_beyond_the_last_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(BackboneError, match=r"cuda:2: 2 CUDA device"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_low_precision_needs_cuda(precision: str) -> None:
    with pytest.raises(BackboneError, match=f"{precision} needs CUDA, the device is cpu"):
        check_precision("cpu", precision)
    check_precision("cuda:0", precision)


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("fp16", False), ("tf32", True)])
def test_tf32_is_allowed_only_inside_and_only_when_asked(precision: str, allowed: bool) -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with matmul_precision(precision):
        assert torch.backends.cuda.matmul.allow_tf32 is allowed
        assert torch.backends.cudnn.allow_tf32 is allowed
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_streams_that_overlap_put_tf32_back_when_the_last_one_leaves() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        first, second = matmul_precision("fp32"), matmul_precision("fp32")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.backends.cudnn.allow_tf32 is False, "the second one still computes"
        second.__exit__(None, None, None)
        assert torch.backends.cudnn.allow_tf32 is True
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


class Host:
    """Stands in for a tensor: says how it was copied."""

    def __init__(self, said: tuple[object, ...] = ()) -> None:
        self.said = said

    def pin_memory(self) -> Host:
        return Host((*self.said, "pinned"))

    def to(self, device: str, non_blocking: bool = False) -> Host:
        return Host((*self.said, device, non_blocking))


def test_only_copies_to_cuda_go_through_pinned_memory_and_do_not_wait() -> None:
    assert to_device(Host(), "cuda:1").said == ("pinned", "cuda:1", True)  # type: ignore[arg-type,attr-defined]
    assert to_device(Host(), "cpu").said == ("cpu", False)  # type: ignore[arg-type,attr-defined]


@pytest.mark.gpu
def test_a_batch_arrives_on_cuda_as_it_was() -> None:
    batch = torch.randn(4, 16_000)
    assert torch.equal(to_device(batch, "cuda").cpu(), batch)
