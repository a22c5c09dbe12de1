"""Is any linear baseline better than the head we select? Every real corpus and task, paired by speaker.

    python benchmarks/baselines.py ../shared/speech --out runs/baselines

One sweep (packed) trains probes, linear heads and MLPs on two sets of layers; validation speakers choose one winner
for each corpus and task. Beside it, on the same layers, folds and standardised features, stand the constant, our probe
(``linear``), and scikit-learn's ridge and linear SVM, their penalties chosen on the validation speakers.
Test speakers are those of ``split.kind=auto``: leave one speaker out below 20 speakers, else the official split.
Differences are tested by swapping the answers of whole speakers (exactly below 14 of them), Holm's correction over all.
The command goes on where it stopped; with a finished ``--out`` it only prints.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profiling.evaluation.compare import compare_predictions
from profiling.evaluation.comparison import Comparison, correct
from profiling.provenance import read_json
from profiling.training.outcome import PREDICTIONS, Run, read_run
from profiling.training.score import BASELINES
from profiling.training.sweep_table import short

ROOT = Path(__file__).resolve().parents[1]
LAYERS = "embedding,pool|embedding"
CORPORA = ("emodb", "nemo", "speechocean762")
OURS = "selected"


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path, help="folder of the corpora, each with a manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="sweep folder")
    parser.add_argument("--backbone", default="native_mini")
    asked = parser.parse_args()
    train(asked.speech.resolve(), asked.out.resolve(), asked.backbone)
    winners = read_json(asked.out / "selection.json")["winners"]
    found = {_cell(winner): (winner, systems(read_run(Path(winner["runs"][0])))) for winner in winners}
    tested = correct([one for cell, (_, tables) in found.items() for one in against(cell, tables)])
    for line in lines(table(found, tested)):
        print(line)
    print(f"\nmean rank of {len(found)}: {ranks(tested)}")


def train(speech: Path, out: Path, backbone: str) -> None:
    """The sweep; finished jobs are skipped."""
    corpora = ",".join(f"[csv:{speech / name / 'manifest.csv'}]" for name in CORPORA)
    command = [
        sys.executable, "train.py", "-m", "hydra/launcher=packed", f"hydra.sweep.dir={out}", f"backbone={backbone}",
        "task=emotion,gender,age", f"corpus.train={corpora}", f"features.layers={LAYERS}", "head=probe,linear,mlp",
        "head.lr=1e-3", "select.by=[task,corpus.train]", "select.skip_unlabelled=true",
        "baselines=[linear,ridge,svm]", "trainer.tensorboard=false",
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def systems(run: Run) -> dict[str, pd.DataFrame]:
    """Ours and every baseline: answers on the test rows."""
    ours = pd.read_parquet(run.folder / PREDICTIONS).query("part == 'test'")
    stored = sorted((run.folder / BASELINES).glob("*.parquet"))
    found = {file.stem: pd.read_parquet(file).query("part == 'test'") for file in stored}
    return {OURS: ours, "constant": _constant(run, ours), **found}


def _constant(run: Run, ours: pd.DataFrame) -> pd.DataFrame:
    """The training majority, or median, of each row's own fold."""
    labels = "label" in ours
    answers = ours.copy()
    for fold, rows in ours.groupby("fold").groups.items():
        known = run.rows[run.part(str(fold), "train")]["label" if labels else "target"]
        answers.loc[rows, "predicted"] = known.mode()[0] if labels else known.median()
    for column in [str(name) for name in answers if str(name).startswith("p_")]:
        answers[column] = (answers["predicted"] == column.removeprefix("p_")).astype(float)
    return answers


def against(cell: str, tables: dict[str, pd.DataFrame]) -> Iterator[Comparison]:
    """Our head against each of the others; a probe that was selected is its own ``linear``."""
    for name in tables:
        if name != OURS:
            (one,) = compare_predictions({OURS: tables[OURS], name: tables[name]}, where=cell)
            yield one


def table(found: dict[str, tuple[Any, dict[str, pd.DataFrame]]], tested: list[Comparison]) -> pd.DataFrame:
    """A row for each corpus and task."""
    return pd.DataFrame([_row(cell, winner, tested) for cell, (winner, _) in found.items()])


def _row(cell: str, winner: Any, tested: list[Comparison]) -> dict[str, str]:
    own = [one for one in tested if one.where == cell]
    run = read_run(Path(winner["runs"][0]))
    head = f"{run.config['head']['name']} on {run.config['features']['layers']}".replace("|", "+")
    said = {one.b: f"{one.value_b:.3f} (p {one.p_value:.2g}, {one.verdict()})" for one in own}
    speakers = own[0].speakers
    return {
        "corpus, task": cell,
        "speakers": str(speakers),
        "selected": head,
        own[0].metric: f"{own[0].value_a:.3f}",
        **said,
    }


def lines(found: pd.DataFrame) -> Iterator[str]:
    """Markdown."""
    cells = [
        list(found.columns),
        ["---"] * found.shape[1],
        *found.fillna("the selected head").values.tolist(),
    ]
    for row in cells:
        yield "| " + " | ".join(map(str, row)) + " |"


def ranks(tested: list[Comparison]) -> dict[str, float]:
    """Mean rank of every system over the cells; equal scores share a rank, an absent system is ours."""
    scores: dict[str, dict[str, float]] = {}
    for one in tested:
        sign = -1.0 if one.larger_is_better else 1.0
        cell = scores.setdefault(one.where, {OURS: sign * float(one.value_a or np.nan)})
        cell[one.b] = sign * float(one.value_b or np.nan)
    frame = pd.DataFrame(scores).T
    filled = frame.apply(lambda column: column.fillna(frame[OURS]))
    return {str(name): round(float(rank), 2) for name, rank in filled.rank(axis=1).mean().items()}


def _cell(winner: Any) -> str:
    return f"{short(winner['cell']['corpus.train'])}, {winner['cell']['task']}"


if __name__ == "__main__":
    main()
