"""The tensors of a bank in training, on disk: what a killed sweep goes on from.

- ``bank.json``: what is trained: the stream's signature and the heads, in their order
- ``state.safetensors``: parameters, moments, best parameters, flags, generators, the epoch
- ``curves.json``: losses and scores so far
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from profiling.heads.bank import Bank
from profiling.heads.optimizer import BankAdamW
from profiling.heads.spec import HeadSpec
from profiling.provenance import atomic_write, read_json, signature, write_json

if TYPE_CHECKING:
    from profiling.training.module import BankModule

FOLDER = ".banks"
CURVES = "curves.json"
_WHAT, _STATE = "bank.json", "state.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_BEST = ("score", "epoch", "epochs", "stale")
_EPOCH, _GENERATOR = "trained_epochs", "generator"
_DIGITS = 12  # of a bank's signature, 48 bits: a sweep has few banks


@dataclass(frozen=True)
class SavedBank:
    """Where a bank is kept, and what it is.

    Attributes:
        folder: of this bank alone.
        stream: signature of the rows, folds and trainer.
        specs: its heads, in their order.
    """

    folder: Path
    stream: str
    specs: tuple[HeadSpec, ...]

    @property
    def names(self) -> set[str]:
        """The heads' names."""
        return {spec.name for spec in self.specs}

    @property
    def begun(self) -> bool:
        """Something of it was trained and saved."""
        return (self.folder / _STATE).is_file()


def new_bank(sweep: Path, stream: str, specs: Sequence[HeadSpec]) -> SavedBank:
    """Notes what is going to be trained."""
    heads = [spec.to_json() for spec in specs]
    what = {"stream": stream, "heads": heads}
    folder = sweep / FOLDER / signature(what)[:_DIGITS]
    write_json(folder / _WHAT, what)
    return SavedBank(folder, stream, tuple(specs))


def find_bank(sweep: Path, stream: str, names: Collection[str]) -> SavedBank | None:
    """A begun bank of the same stream that has all these heads; the smallest such."""
    found = [
        bank for bank in _banks(sweep) if bank.begun and bank.stream == stream and bank.names >= set(names)
    ]
    return min(found, key=lambda bank: len(bank.specs), default=None)


def _banks(sweep: Path) -> Iterator[SavedBank]:
    for file in sorted((sweep / FOLDER).glob(f"*/{_WHAT}")):
        what = read_json(file)
        specs = tuple(HeadSpec.from_json(head) for head in what["heads"])
        yield SavedBank(file.parent, what["stream"], specs)


def save(folder: Path, module: BankModule, optimizer: BankAdamW, epoch: int) -> None:
    """Writes the whole state or none of it."""
    from safetensors.torch import save as as_bytes

    tensors = {_EPOCH: torch.tensor(epoch)}
    for name, tensor in (*_state(module, optimizer), *_drawn(module.bank)):
        tensors[name] = tensor.detach().to("cpu", copy=True).contiguous()
    atomic_write(folder / _STATE, as_bytes(tensors))


@torch.no_grad()
def restore(folder: Path, module: BankModule, optimizer: BankAdamW) -> int:
    """Puts a saved state back; returns its epoch."""
    from safetensors.torch import load

    tensors = load((folder / _STATE).read_bytes())
    for rates in optimizer.param_groups:
        for parameter in rates["params"]:
            optimizer.state[parameter] |= {name: torch.zeros_like(parameter) for name in _MOMENTS}
    for name, tensor in _state(module, optimizer):
        if name in tensors:  # moments of a head that never made a step are zero
            tensor.copy_(tensors[name])
    for number, group in enumerate(module.bank.groups()):
        group.restore_generators(_numbered(f"{_GENERATOR}.{number}", tensors))
    module.bank.skip_frozen_groups()
    return int(tensors[_EPOCH])


def _state(module: BankModule, optimizer: BankAdamW) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of fixed shape that the next epoch depends on, by name."""
    bank, best = module.bank, module.best
    yield from ((f"bank.{name}", tensor) for name, tensor in bank.state_dict().items())
    yield from ((f"best.{name}", getattr(best, name)) for name in _BEST)
    for group, (rates, kept) in enumerate(zip(optimizer.param_groups, best.kept, strict=True)):
        yield f"optimizer.{group}.steps", rates["steps"]
        for number, (parameter, saved) in enumerate(zip(rates["params"], kept, strict=True)):
            yield f"best.{group}.{number}", saved
            moments = optimizer.state[parameter]
            yield from ((f"optimizer.{group}.{number}.{name}", moments[name]) for name in _MOMENTS if moments)


def _drawn(bank: Bank) -> Iterator[tuple[str, Tensor]]:
    for number, group in enumerate(bank.groups()):
        yield from ((f"{_GENERATOR}.{number}.{i}", state) for i, state in enumerate(group.generator_states()))


def _numbered(prefix: str, tensors: Mapping[str, Tensor]) -> list[Tensor]:
    count = sum(name.startswith(f"{prefix}.") for name in tensors)
    return [tensors[f"{prefix}.{i}"] for i in range(count)]
