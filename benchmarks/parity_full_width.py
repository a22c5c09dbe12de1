"""Acceptance at full width: `profiling extract backbone=ecapa2` against the model card's own loop.

    python benchmarks/parity_full_width.py ../shared/speech/emodb/manifest.csv --files 20

Exports the native network (27,107,708 parameters, untrained) with the released call interface, extracts the
shortest recordings of a corpus through the command line, asks the file itself for each of them, one by one as
on the card, and prints the relative L2 distance per layer. Takes 5 to 10 s per second of audio on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import torch

from profiling.audio import hash_file
from profiling.backbones.calibration import untrained
from profiling.backbones.export import export_torchscript
from profiling.backbones.probe import TOLERANCE, relative_l2
from profiling.backbones.protocol import ECAPA2_LAYERS
from profiling.cli import main as profiling
from profiling.config import NativeConfig
from profiling.features.maintenance import ls
from profiling.features.store import FeatureStore, RowKey

Rows = dict[str, np.ndarray]  # layer -> (files, dim)


@dataclass(frozen=True)
class Parity:
    """Distances between two sets of rows.

    Attributes:
        distances: layer -> (files,) relative L2.
    """

    distances: Rows

    @property
    def holds(self) -> bool:
        """Whether every row is within DESIGN 4."""
        return all(bool((self.distances[layer] <= bound).all()) for layer, bound in TOLERANCE.items())

    def table(self) -> str:
        """Markdown, one line per layer."""
        lines = ["| layer | rows | median | largest | allowed |", "|---|---|---|---|---|"]
        for layer, bound in TOLERANCE.items():
            found = self.distances[layer]
            lines.append(
                f"| {layer} | {len(found)} | {np.median(found):.1e} | {found.max():.1e} | {bound:.0e} |"
            )
        return "\n".join(lines)


def shortest(manifest: Path, files: int) -> list[Path]:
    """The shortest recordings of a manifest."""
    paths = [manifest.parent / path for path in pd.read_csv(manifest, dtype=str)["path"]]
    return sorted(paths, key=lambda path: sf.info(path).frames)[:files]


def extract(paths: list[Path], file: Path, folder: Path) -> Rows:
    """The features of recordings through ``profiling extract``."""
    csv = folder / "mine" / "manifest.csv"
    csv.parent.mkdir()
    csv.write_text("path\n" + "".join(f"{path.resolve()}\n" for path in paths), encoding="utf-8")
    settings = [f"backbone.path={file}", f"paths.features={folder}/features", f"paths.cache={folder}/cache"]
    code = profiling(["extract", f"corpus.train=[csv:{csv}]", "backbone=ecapa2", "features=all", *settings])
    if code:
        raise SystemExit(code)
    store = FeatureStore.load(ls(folder / "features")[0].folder)
    return store.read([RowKey(hash_file(path)) for path in paths], list(ECAPA2_LAYERS), verify="all")


def ask_as_the_card(paths: list[Path], file: Path) -> Rows:
    """The features of recordings as the model card computes them, one by one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ecapa2 = torch.jit.load(str(file), map_location="cpu")
    rows = []
    for path in paths:
        audio = torch.from_numpy(sf.read(path, dtype="float32", always_2d=True)[0].T)  # (1, samples)
        with torch.jit.optimized_execution(False):
            rows.append(ecapa2(audio, label="|".join(ECAPA2_LAYERS)).numpy()[0])
    edges = np.cumsum(list(ECAPA2_LAYERS.values()))[:-1]
    return dict(zip(ECAPA2_LAYERS, np.split(np.stack(rows), edges, axis=1), strict=True))


def parity(paths: list[Path], folder: Path) -> Parity:
    """Extracts and asks; ``folder`` takes the exported network, the store and the cache."""
    file = folder / "ecapa2.pt"
    export_torchscript(untrained(NativeConfig()), file)
    stored, asked = extract(paths, file, folder), ask_as_the_card(paths, file)
    return Parity(
        {
            layer: np.array([relative_l2(a, b) for a, b in zip(stored[layer], asked[layer], strict=True)])
            for layer in ECAPA2_LAYERS
        }
    )


def main() -> int:
    """Prints the table; 1 where a row is beyond DESIGN 4."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="a manifest.csv with a column path")
    parser.add_argument("--files", type=int, default=20)
    arguments = parser.parse_args()
    paths, started = shortest(arguments.manifest, arguments.files), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = parity(paths, Path(folder))
    seconds = sum(sf.info(path).duration for path in paths)
    print(
        f"{len(paths)} files, {seconds:.1f} s of audio, {time.monotonic() - started:.0f} s, torch {torch.__version__}"
    )
    print(found.table())
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
