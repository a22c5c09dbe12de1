"""How fast a bank trains: data delivery, what Lightning costs, and a hundred heads against one.

    python benchmarks/training.py

- delivery: an epoch of shuffled batches from placed features against one ``.pt`` file per utterance through a
  DataLoader, 5,312 dims in float16; alone, and with the training of a linear head. ``--pt`` files are written and
  their time is scaled to ``--rows``; the files are removed.
- lightning: a fit through the Trainer against a plain loop over the same bank, batches and validation.
- bank: a hundred linear heads trained as one bank against one head, whole fits.

Random features: nothing here depends on their values. Everything is in the page cache. Medians of ``--repeats``
runs, the ways taking turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from profiling.config import DataConfig, TrainerConfig
from profiling.heads.bank import Bank
from profiling.heads.optimizer import BankAdamW
from profiling.heads.scaler import Matrix
from profiling.heads.spec import HeadSpec
from profiling.training.best import Best
from profiling.training.data import BankData, Batch
from profiling.training.fit import fit_bank
from profiling.training.module import head_uar

STREAM = (("gfe_1", 2048), ("pool", 3072), ("embedding", 192))
DIM = sum(dim for _, dim in STREAM)
LABELS = ("a", "b", "c", "d")


class PtFiles(Dataset[Tensor]):
    """One file per utterance."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        loaded: Tensor = torch.load(self.files[index], weights_only=True)
        return loaded


def bank_data(rows: int, dim: int, batch_size: int) -> BankData:
    """Random features of float32, nine tenths to train on."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((rows, dim), np.float32)
    targets = generator.integers(0, len(LABELS), rows)
    val = np.arange(rows)[None] % 10 == 0
    return BankData(Matrix(features), targets, ~val, val, DataConfig(batch_size=batch_size))


def heads(count: int, layers: tuple[tuple[str, int], ...]) -> list[HeadSpec]:
    """Linear heads that differ in their learning rate."""
    return [HeadSpec("linear", layers, labels=LABELS, lr=1e-4 * (1 + index)) for index in range(count)]


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternating(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way, taking turns, after one unmeasured round."""
    for work in ways.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            found[name].append(seconds(work))
    return {name: median(times) for name, times in found.items()}


def epoch(batches: Iterable[Batch], bank: Bank | None, optimizer: BankAdamW | None) -> None:
    """One pass, with or without training."""
    for batch in batches:
        if bank is None or optimizer is None:
            continue
        optimizer.zero_grad()
        bank.losses(batch.features, batch.targets, batch.folds[bank.folds].float()).sum().backward()
        optimizer.step()


def of_files(loader: DataLoader[Tensor], bank: Bank | None, optimizer: BankAdamW | None) -> None:
    """The same from a DataLoader; the targets are made up."""
    folds = torch.ones(1, 1, dtype=torch.bool)
    for features in loader:
        size = len(features)
        targets, rows = torch.zeros(size, dtype=torch.int64), torch.arange(size)
        epoch([Batch(features.float(), targets, folds.expand(1, size), rows)], bank, optimizer)


def delivery(rows: int, pt: int, batch: int, workers: int, repeats: int, folder: Path) -> dict[str, float]:
    """Ratios of an epoch's time, one file per utterance to placed features."""
    files = [folder / f"{index}.pt" for index in range(pt)]
    generator = torch.Generator().manual_seed(0)
    for file in files:
        torch.save(torch.randn(DIM, generator=generator).half(), file)
    loader = DataLoader(PtFiles(files), batch_size=batch, shuffle=True, num_workers=workers)
    data = bank_data(rows, DIM, batch)
    data.setup("fit")
    bank = Bank(heads(1, STREAM), STREAM)
    optimizer = BankAdamW(bank)
    scale = len(data.train_rows) / pt
    ways: dict[str, Callable[[], object]] = {
        "placed": lambda: epoch(data.train_dataloader(), None, None),
        "files": lambda: of_files(loader, None, None),
        "placed_training": lambda: epoch(data.train_dataloader(), bank, optimizer),
        "files_training": lambda: of_files(loader, bank, optimizer),
    }
    times = alternating(ways, repeats)
    return {
        "placed_epoch_s": times["placed"],
        "files_epoch_s": times["files"] * scale,
        "delivery_ratio": times["files"] * scale / times["placed"],
        "epoch_of_a_linear_head_ratio": times["files_training"] * scale / times["placed_training"],
    }


def plain_fit(specs: list[HeadSpec], data: BankData, epochs: int) -> None:
    """What ``fit_bank`` does, without Lightning."""
    bank = Bank(specs, specs[0].layers)
    bank.fit_statistics(data.source, data.targets, data.train)
    data.setup("fit")
    best, optimizer = Best(bank, epochs), BankAdamW(bank)
    for number in range(epochs):
        bank.train()
        epoch(data.train_dataloader(), bank, optimizer)
        bank.eval()
        found = [
            (bank.predictions(b.features), b.targets, b.folds[bank.folds]) for b in data.val_dataloader()
        ]
        parts = (torch.cat(part, dim=-1).numpy() for part in zip(*found, strict=True))
        best.observe(number + 1, torch.from_numpy(head_uar(*parts, len(LABELS))))
    best.restore()


def lightning_fit(specs: list[HeadSpec], data: BankData, epochs: int) -> None:
    """Ours."""
    config = TrainerConfig(
        max_epochs=epochs, patience=epochs, device="cpu", progress=False, tensorboard=False
    )
    fit_bank(Bank(specs, specs[0].layers), data, config, [])


def fits(rows: int, epochs: int, batch: int, count: int, repeats: int) -> dict[str, float]:
    """Ratios of whole fits: Lightning to a plain loop, many heads to one."""
    data = bank_data(rows, DIM, batch)
    one, many = heads(1, STREAM), heads(count, STREAM)
    times = alternating(
        {
            "plain_one": lambda: plain_fit(one, data, epochs),
            "lightning_one": lambda: lightning_fit(one, data, epochs),
            "plain_many": lambda: plain_fit(many, data, epochs),
            "lightning_many": lambda: lightning_fit(many, data, epochs),
        },
        repeats,
    )
    return {
        **{f"{name}_s": value for name, value in times.items()},
        "lightning_over_plain_one_head": times["lightning_one"] / times["plain_one"],
        f"lightning_over_plain_bank_of_{count}": times["lightning_many"] / times["plain_many"],
        f"bank_of_{count}_over_one_head": times["lightning_many"] / times["lightning_one"],
    }


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000, help="of the delivery part")
    parser.add_argument("--pt", type=int, default=2_000, help="files written")
    parser.add_argument(
        "--workers", type=int, default=0, help="of the DataLoader; 0 was fastest on two cores"
    )
    parser.add_argument("--fit-rows", type=int, default=2_500)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--part", choices=("delivery", "fits", "all"), default="all")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    found: dict[str, float] = {}
    if asked.part != "fits":
        with tempfile.TemporaryDirectory(prefix="bench_training_") as folder:
            found |= delivery(asked.rows, asked.pt, asked.batch, asked.workers, asked.repeats, Path(folder))
    if asked.part != "delivery":
        found |= fits(asked.fit_rows, asked.epochs, asked.batch, asked.heads, asked.repeats)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
