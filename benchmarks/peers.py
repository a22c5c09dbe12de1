"""nkululeko and this package on the same recordings, labels and splits: seconds, UAR, and how much there is to write.

    python benchmarks/peers.py --manifest ../shared/speech/emodb/manifest.csv --env /tmp/nkululeko

nkululeko 1.14.1 (Burkhardt et al., LREC 2022) with opensmile's eGeMAPS functionals and its default SVM, in a Python
environment of its own: ``--env`` is made with uv where it does not exist (7 GB; ``uv venv ENV``, then ``uv pip
install -p ENV nkululeko==1.14.1``). Ours is ``train.py`` with ``backbone=native_mini head=probe``.

- **Splits**: one split after the other takes the next ``--speakers`` speakers as its test part, until every speaker was
  in one; both sides read them from a CSV of their own. nkululeko trains on all the others; ours keeps back validation
  speakers from them to choose its penalty. UAR is scikit-learn's, from the answers both wrote.
- **Times**: of whole processes, wall clock. The first run computes the features, the second finds them. The sides take
  turns, ``--rounds`` times, after one unmeasured run of each: their modules are compiled and in the page cache then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score

NKULULEKO = "nkululeko==1.14.1"
ROOT = Path(__file__).resolve().parents[1]
_TRAIN_PY = ROOT / "train.py"

_INI = """\
[EXP]
root = {root}
name = exp
[DATA]
databases = ['corpus']
corpus = {table}
corpus.type = csv
corpus.split_strategy = {speakers}
target = {task}
[FEATS]
type = ['os']
scale = standard
[MODEL]
type = svm
"""


@dataclass(frozen=True)
class Corpus:
    """The recordings, with absolute paths.

    Attributes:
        table: ``path``, ``speaker``, ``gender`` and the task's column; speakers begin with a letter, because
            nkululeko reads 03 as a number.
        task: name and column.
    """

    table: pd.DataFrame
    task: str

    def splits(self, size: int) -> list[list[str]]:
        """Test speakers of every split, women and men alternating."""
        by_gender = [list(part["speaker"].unique()) for _, part in self.table.groupby("gender")]
        longest = max(map(len, by_gender))
        mixed = [names[place] for place in range(longest) for names in by_gender if place < len(names)]
        return [mixed[start : start + size] for start in range(0, len(mixed), size)]


def read_corpus(manifest: Path, task: str) -> Corpus:
    """A manifest of this package, all columns as text."""
    table = pd.read_csv(manifest, dtype=str)
    table = table[table[task].notna()].reset_index(drop=True)
    table["path"] = [str((manifest.parent / path).resolve()) for path in table["path"]]
    table["speaker"] = "s" + table["speaker"]
    return Corpus(table[["path", "speaker", "gender", task]], task)


@dataclass(frozen=True)
class Side:
    """How one of the two is asked.

    Attributes:
        prepare: folder, test speakers -> command; writes what it reads.
        answers: folder -> table with ``true`` and ``predicted``.
        forget: folder -> None; removes the features, so that the next run is a first one.
        written: lines a user writes to get there, the labels' table not counted.
    """

    prepare: Callable[[Path, Sequence[str]], list[str]]
    answers: Callable[[Path], pd.DataFrame]
    forget: Callable[[Path], None]
    written: int


def theirs(corpus: Corpus, env: Path) -> Side:
    """nkululeko; its features are pickles in the folder of the experiment."""

    def prepare(folder: Path, speakers: Sequence[str]) -> list[str]:
        table = corpus.table.rename(columns={"path": "file"})
        table.to_csv(folder / "corpus.csv", index=False)
        text = _INI.format(
            root=folder, table=folder / "corpus.csv", speakers=list(speakers), task=corpus.task
        )
        (folder / "exp.ini").write_text(text)
        for kept in (folder / "exp" / "store").glob("*"):
            if not kept.name.startswith("corpus_os_all"):  # another split must not meet this one's tables
                kept.unlink()
        shutil.rmtree(folder / "exp" / "results", ignore_errors=True)
        return [str(env / "bin" / "nkululeko.nkululeko"), "--config", str(folder / "exp.ini")]

    def answers(folder: Path) -> pd.DataFrame:
        (file,) = (folder / "exp" / "results" / "run_0").glob("pred_*.csv")
        table = pd.read_csv(file)
        return pd.DataFrame({"true": table["truth"], "predicted": table["predicted"]})

    return Side(prepare, answers, lambda folder: _remove(folder / "exp"), len(_INI.splitlines()))


def ours(corpus: Corpus) -> Side:
    """This package; its features are a store."""

    def settings(folder: Path) -> list[str]:
        return [
            f"task={corpus.task}",
            "head=probe",
            "backbone=native_mini",
            f"corpus.train=[csv:{folder / 'corpus.csv'}]",
        ]

    def prepare(folder: Path, speakers: Sequence[str]) -> list[str]:
        table = corpus.table.copy()
        table["split"] = np.where(table["speaker"].isin(speakers), "test", "train")
        table.to_csv(folder / "corpus.csv", index=False)
        _remove(folder / "run")
        where = [f"paths.features={folder / 'features'}", f"paths.cache={folder / 'cache'}"]
        return [
            sys.executable,
            str(_TRAIN_PY),
            *settings(folder),
            *where,
            f"hydra.run.dir={folder / 'run'}",
        ]

    def answers(folder: Path) -> pd.DataFrame:
        table = pd.read_parquet(folder / "run" / "predictions.parquet")
        table = table[table["part"] == "test"]
        return pd.DataFrame({"true": table["label"], "predicted": table["predicted"]})

    def forget(folder: Path) -> None:
        _remove(folder / "features")
        _remove(folder / "cache")

    return Side(prepare, answers, forget, len(settings(Path())))


def make_env(env: Path) -> None:
    """Makes the peer's environment where it is not there."""
    if (env / "bin" / "nkululeko.nkululeko").exists():
        return
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    print(f"making {env} with {uv}: {NKULULEKO} and what it needs", file=sys.stderr)
    subprocess.run([uv, "venv", "--python", sys.executable, str(env)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-p", str(env / "bin" / "python"), "--compile-bytecode", NKULULEKO], check=True
    )


def seconds(side: Side, folder: Path, speakers: Sequence[str], asked: argparse.Namespace) -> float:
    """Wall clock of one whole process.

    Raises:
        RuntimeError: it did not end well.
    """
    command = side.prepare(folder, speakers)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": str(asked.threads), "PYTHONPYCACHEPREFIX": str(asked.env / "pycache")}
    environment |= {"PYTHONPATH": str(ROOT)} if command[0] == sys.executable else {"PYTHONPATH": ""}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return spent


def race(
    sides: dict[str, Side], work: Path, split: Sequence[str], asked: argparse.Namespace
) -> dict[str, dict[str, list[float]]]:
    """Seconds of first and second runs, the sides taking turns; a round that is not counted before."""
    found: dict[str, dict[str, list[float]]] = {name: {"first": [], "second": []} for name in sides}
    for round_number in range(asked.rounds + 1):
        for name, side in sides.items():
            side.forget(work / name)
            spent = [seconds(side, work / name, split, asked) for _ in range(2)]
            if round_number:
                for which, value in zip(("first", "second"), spent, strict=True):
                    found[name][which].append(round(value, 2))
    return found


def score(
    sides: dict[str, Side], work: Path, splits: Sequence[Sequence[str]], asked: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """UAR of every split, and of all answers together."""
    answers: dict[str, list[pd.DataFrame]] = {name: [] for name in sides}
    for split in splits:
        for name, side in sides.items():
            seconds(side, work / name, split, asked)
            answers[name].append(side.answers(work / name))
    return {
        name: {
            "rows": [len(table) for table in tables],
            "uar_of_each_split": [uar(table) for table in tables],
            "uar_mean": round(float(np.mean([uar(table) for table in tables])), 4),
            "uar_pooled": uar(pd.concat(tables)),
        }
        for name, tables in answers.items()
    }


def uar(answers: pd.DataFrame) -> float:
    """In [0, 1]."""
    recall = recall_score(answers["true"], answers["predicted"], average="macro", zero_division=0)
    return round(float(recall), 4)


def paired(mine: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Mean difference over splits with its 95 % interval by Student's t; few splits, so a wide one."""
    from scipy.stats import t

    differences = np.subtract(mine, other)
    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    mean = float(differences.mean())
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def timed(times: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Medians, and ratios ours / theirs."""
    medians = {
        name: {which: statistics.median(values) for which, values in both.items()}
        for name, both in times.items()
    }
    mine, other = medians["ours"], medians["nkululeko"]
    ratios = {which: round(mine[which] / other[which], 3) for which in mine}
    return {"seconds": times, "median_s": medians, "ours_over_theirs": ratios}


def scored(scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Both sides' UAR, and their difference over the splits."""
    mine, other = (scores[name]["uar_of_each_split"] for name in ("ours", "nkululeko"))
    return {"scores": scores, "uar_ours_minus_theirs": paired(mine, other)}


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--env", type=Path, required=True, help="nkululeko's environment; made if missing")
    parser.add_argument("--task", default="emotion")
    parser.add_argument("--speakers", type=int, default=2, help="test speakers of a split")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=("times", "scores"), default=["times", "scores"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    asked.env = asked.env.resolve()
    make_env(asked.env)
    corpus = read_corpus(asked.manifest, asked.task)
    splits = corpus.splits(asked.speakers)
    sides = {"nkululeko": theirs(corpus, asked.env), "ours": ours(corpus)}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name in sides:
            (work / name).mkdir()
        result = {"settings_written": {name: side.written for name, side in sides.items()}}
        if "times" in asked.parts:
            result |= timed(race(sides, work, splits[0], asked))
        if "scores" in asked.parts:
            result |= scored(score(sides, work, splits, asked))
    print(json.dumps(result, indent=2))
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
