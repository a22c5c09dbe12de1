"""A tiny network with ECAPA2's call interface, sound or with one flaw, for the tests of the loading path."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_SAMPLES = 350  # reflection by 349 samples needs one more


class TinyNetwork(torch.nn.Module):
    """Random projections of frames, their mean and variance; 0.4 M parameters."""

    def __init__(self, flaw: str) -> None:
        super().__init__()
        self.flaw = flaw
        generator = torch.Generator().manual_seed(0)
        self.gfe = torch.nn.Parameter(torch.randn(100, 1024, generator=generator))
        self.pool = torch.nn.Parameter(torch.randn(100, 1536, generator=generator))
        self.embedding = torch.nn.Parameter(torch.randn(1536, 192, generator=generator))

    def statistics(self, x: Tensor) -> Tensor:
        mean, variance = x.mean(1), x.var(1, unbiased=False)
        if self.flaw == "negative_variance":
            variance = -variance
        if self.flaw == "positive_mean":
            mean = mean.abs()
        return torch.cat([mean, variance], dim=1)

    def layer(self, frames: Tensor, label: str) -> Tensor:
        if label == "gfe_1" or label == "gfe_2":
            out = self.statistics(frames @ self.gfe * (1.0 if label == "gfe_1" else -0.5))
            return out[:, :-1] if self.flaw == "wrong_dim" and label == "gfe_2" else out
        pool = frames @ self.pool
        if label == "pool" and self.flaw != "no_pool":
            return self.statistics(pool)
        if label == "attention":
            out = self.statistics(pool.relu())
            if self.flaw == "not_finite":
                out[:, :3] = out[:, :3].log() * float("inf") * 0.0
            return out
        if label == "embedding":
            return pool.mean(1) @ self.embedding
        raise RuntimeError("no label " + label)

    def forward(self, audio: Tensor, label: str = "embedding") -> Tensor:
        if self.flaw == "long_only" and audio.size(1) < 2000:
            raise RuntimeError("too short")
        if self.flaw == "batch_refused" and audio.size(0) > 1:
            raise RuntimeError("one at a time")
        padded = F.pad(audio.to(self.gfe.dtype).unsqueeze(1), [349, 349], mode="reflect").squeeze(1)
        frames = padded.unfold(1, 100, 50)  # (batch, frames, 100)
        asked = label.split("|")
        names = ["gfe_1", "gfe_2", "pool", "attention", "embedding"]
        if self.flaw == "asked_order":
            names = asked
        if self.flaw == "one_label" and len(asked) > 1:
            names = ["embedding"]
        parts: list[Tensor] = []
        for name in names:
            if name in asked:
                parts.append(self.layer(frames, name))
        found = torch.cat(parts, dim=1)
        return self.spoil(audio, found)

    def spoil(self, audio: Tensor, found: Tensor) -> Tensor:
        if self.flaw == "rows_mix":
            found = found + 0.01 * found.mean(0, keepdim=True) * (audio.size(0) - 1)
        if self.flaw == "batch_pooled":
            found = found.mean(0, keepdim=True)
        if self.flaw == "random":
            found = found + 0.01 * torch.randn_like(found)
        if self.flaw == "nan_below_500" and audio.size(1) < 500:
            found = found * float("nan")
        return found


def tiny_network(flaw: str = "none") -> torch.jit.ScriptModule:
    """The network as TorchScript; ``flaw`` names the one thing it does wrong."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.script(TinyNetwork(flaw))
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        return module


def save_tiny_network(path: Path, flaw: str = "none", extra: str | None = None) -> Path:
    """Writes it to a file, with ``profiling.json`` inside where ``extra`` is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tiny_network(flaw).save(str(path), _extra_files={} if extra is None else {"profiling.json": extra})
    return path
