"""Generated corpora and runs on them, shared by the tests of training, evaluation, bundles and prediction."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from profiling.cli import main
from profiling.corpora.generated import generate_corpus

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def call(*arguments: str, pictures: bool = False) -> Said:
    """A command in this process; drawing takes half of a small run's time, so pictures are empty files."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.ExitStack() as undrawn:
        if not pictures:
            undrawn.enter_context(patch("profiling.evaluation.figures.save", _undrawn))
            undrawn.enter_context(patch("profiling.training.score.write_html"))
        code = main(arguments)
    return Said(code, out.getvalue(), err.getvalue())


def _undrawn(figure: object, path: Path) -> None:
    path.write_bytes(b"")


def rewrite(manifest: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> Path:
    """Changes every row of a manifest; a row that becomes None is left out."""
    with manifest.open(newline="") as file:
        rows = [new for row in csv.DictReader(file) if (new := change(row)) is not None]
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return manifest


@dataclass
class Lab:
    """A folder with corpora, features and runs.

    Attributes:
        folder: of everything.
        made: runs that tests share, by their folder's name.
    """

    folder: Path
    made: dict[str, Said] = field(default_factory=dict)

    def corpus(self, name: str, speakers: int, utterances: int, seed: int = 0) -> Path:
        """The manifest of a generated corpus of that name."""
        return generate_corpus(self.folder / "corpora" / name, speakers, utterances, seed)

    @property
    def few(self) -> Path:
        """7 speakers, 8 utterances each, no split: leave one speaker out."""
        return self.corpus("few", 7, 8, seed=3)

    @property
    def many(self) -> Path:
        """24 speakers, 4 utterances each, with an official split."""
        return self.corpus("many", 24, 4, seed=4)

    @property
    def other(self) -> Path:
        """10 other speakers, 4 utterances each, to hold out."""
        return self.corpus("other", 10, 4, seed=5)

    def copy(self, manifest: Path, name: str) -> Path:
        """A corpus of its own that may be spoiled."""
        target = self.folder / "corpora" / name
        shutil.copytree(manifest.parent, target)
        return target / "manifest.csv"

    @property
    def paths(self) -> list[str]:
        """Settings that keep everything in the folder."""
        names = ("features", "runs", "cache")
        return [f"paths.{name}={self.folder / name}" for name in names]

    @property
    def cheap(self) -> list[str]:
        """The cheap backbone and few epochs."""
        return ["backbone=spectral_stats", "features.layers=embedding", "trainer.max_epochs=8", *self.paths]

    def train(
        self,
        run: Path,
        *settings: str,
        train: Sequence[Path],
        heldout: Sequence[Path] = (),
        pictures: bool = False,
    ) -> Said:
        """Trains with the cheap backbone into the folder ``run``."""
        corpora = [corpora_setting("train", train), corpora_setting("heldout", heldout)]
        return call("train", *self.cheap, *corpora, f"hydra.run.dir={run}", *settings, pictures=pictures)

    def run(self, task: str) -> Path:
        """A finished run that no test may change: emotion (loso), gender (official) or age (random)."""
        folder = self.folder / "shared" / task
        if task not in self.made:
            corpus = self.few if task == "emotion" else self.many
            settings = ["split.kind=random"] if task == "age" else []
            self.made[task] = self.train(
                folder, f"task={task}", *settings, train=[corpus], heldout=[self.other], pictures=True
            )
        assert self.made[task].code == 0, self.made[task].err
        return folder


def corpora_setting(kind: str, manifests: Sequence[Path]) -> str:
    """``corpus.train=[csv:...]``."""
    return f"corpus.{kind}=[{','.join(f'csv:{manifest}' for manifest in manifests)}]"
