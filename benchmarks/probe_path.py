"""Our probe path against scikit-learn's LogisticRegression: same rows, same folds, same penalties, same tolerance.

    python benchmarks/probe_path.py --features /data/features --manifest ../shared/speech/speechocean762/manifest.csv

The training split of speechocean762, gender, ``gfe_1|pool|embedding`` of native_mini (2,500 x 5,312), five folds of
speakers. scikit-learn fits one penalty after the other on the standardised rows of a fold, with its default solver and
tolerance: largest entry of the gradient 1e-4. Ours holds its Euclidean norm below the same, which is stricter. At that
tolerance scikit-learn's objective is up to 5 % above the minimum, so objectives and UAR are compared with its solutions
at ``--reference-tolerance`` too, for each ``--reference-every``-th penalty; those do not count in the times. Both with
``--threads`` threads, both warm (the first fold is run once before), taking turns fold by fold. ``--every`` leaves both
only each k-th penalty.

Extract the features first, with ``profiling extract corpus.train=[csv:MANIFEST] backbone=native_mini``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from profiling.heads.coordinates import precision, space_of
from profiling.heads.linear import LinearPath, logistic_path
from profiling.training.hydra_app import compose_config
from profiling.training.rows import load_rows, training_rows

TOLERANCE = 1e-4  # scikit-learn's default, of the largest entry of the gradient; ours of its norm
TIGHT = 1e-6  # where its objective changes by less than 1e-4 any more
MOST_STEPS = 10_000


@dataclass(frozen=True)
class Fold:
    """Standardised rows of a fold."""

    train: NDArray[np.float32]
    val: NDArray[np.float32]
    train_classes: NDArray[np.int64]
    val_classes: NDArray[np.int64]


def folds_of(manifest: str, features: str, count: int) -> list[Fold]:
    """The training split, by speaker."""
    config = compose_config(
        [
            f"corpus.train=[csv:{manifest}]",
            "backbone=native_mini",
            "task=gender",
            f"paths.features={features}",
        ]
    )
    rows = training_rows(load_rows(config, lambda line: None))
    official = (rows.table["split"] == "train").to_numpy()
    table, values = rows.table[official], rows.view.take(np.flatnonzero(official))
    classes = (table["label"] == "male").to_numpy().astype(np.int64)
    parts = GroupKFold(count).split(values, classes, table["speaker_id"])
    return [_standardised(values, classes, train, val) for train, val in parts]


def _standardised(
    values: NDArray[np.float32], classes: NDArray[np.int64], train: NDArray[np.int64], val: NDArray[np.int64]
) -> Fold:
    exact = values[train].astype(np.float64)
    mean, scale = exact.mean(0), exact.std(0)
    scale[scale == 0] = 1
    first, second = (((values[part] - mean) / scale).astype(np.float32) for part in (train, val))
    return Fold(first, second, classes[train], classes[val])


@dataclass(frozen=True)
class Spent:
    """Wall-clock and processor seconds, of all threads; on a busy machine the second says what was done."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def now(cls) -> Spent:
        """A starting point."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: Spent) -> Spent:
        """What went by."""
        return Spent(self.wall_s - start.wall_s, self.cpu_s - start.cpu_s)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def ours(fold: Fold, penalties: list[float]) -> tuple[Spent, LinearPath]:
    """What it took, and the path."""
    started = Spent.now()
    rows = torch.from_numpy(fold.train)
    space = space_of(rows, precision(len(rows), rows.shape[1], penalties))
    weights = torch.ones(len(fold.train))
    path = logistic_path(space, torch.from_numpy(fold.train_classes), 2, weights, penalties, TOLERANCE)
    return Spent.now().since(started), path


def theirs(fold: Fold, penalty: float, tolerance: float = TOLERANCE) -> tuple[Spent, LogisticRegression]:
    """What it took, and the model."""
    started = Spent.now()
    model = LogisticRegression(C=1 / penalty, tol=tolerance, max_iter=MOST_STEPS)
    model.fit(fold.train, fold.train_classes)
    return Spent.now().since(started), model


def compare(fold: Fold, penalties: list[float], asked: argparse.Namespace) -> dict[str, Any]:
    """One fold: seconds of both, and the differences at the same tolerance and to the reference."""
    seconds, path = ours(fold, penalties)
    found: dict[str, Any] = {"ours": seconds, "theirs": Spent(), "same": [], "reference": []}
    for index, penalty in enumerate(penalties):
        spent, model = theirs(fold, penalty, asked.their_tolerance)
        found["theirs"] += spent
        found["same"].append(difference(fold, path, index, model))
        if asked.reference_every and index % asked.reference_every == 0:
            _, tight = theirs(fold, penalty, asked.reference_tolerance)
            found["reference"].append(difference(fold, path, index, tight))
    return found


def difference(fold: Fold, path: LinearPath, index: int, model: LogisticRegression) -> tuple[float, float]:
    """Our objective over theirs, minus 1, and our UAR minus theirs, in points."""
    penalty = float(path.penalties[index])
    answers = path.outputs(torch.from_numpy(fold.val))[index].argmax(1).numpy()
    recall = uar(fold, answers) - uar(fold, model.predict(fold.val))
    return own_objective(fold, path, index) / objective(fold, model, penalty) - 1, recall


def own_objective(fold: Fold, path: LinearPath, index: int) -> float:
    """What our weights, as they are used, attain; in float64 from the features."""
    weight, bias = (part[index, 1] - part[index, 0] for part in (path.weight.double(), path.bias.double()))
    scores = fold.train.astype(np.float64) @ weight.numpy() + float(bias)
    losses = np.logaddexp(0, scores) - fold.train_classes * scores
    return float(losses.sum() + float(path.penalties[index]) / 2 * float(weight.square().sum()))


def objective(fold: Fold, model: LogisticRegression, penalty: float) -> float:
    """What both minimise, in float64."""
    scores = fold.train.astype(np.float64) @ model.coef_[0].astype(np.float64) + model.intercept_[0]
    losses = np.logaddexp(0, scores) - fold.train_classes * scores
    return float(losses.sum() + penalty / 2 * (model.coef_.astype(np.float64) ** 2).sum())


def uar(fold: Fold, answers: NDArray[np.int64]) -> float:
    """In per cent."""
    return 100 * float(recall_score(fold.val_classes, answers, average="macro"))


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--features", required=True, help="paths.features with the extracted features")
    parser.add_argument("--penalties", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--measured", type=int, default=5, help="folds that are measured")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--their-tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--reference-tolerance", type=float, default=TIGHT)
    parser.add_argument("--reference-every", type=int, default=3, help="0 leaves the reference out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    penalties = np.logspace(0, 6, asked.penalties).tolist()[:: asked.every]
    folds = folds_of(asked.manifest, asked.features, asked.folds)
    with threadpool_limits(asked.threads):
        ours(folds[0], penalties)
        theirs(folds[0], penalties[-1])
        found = [compare(fold, penalties, asked) for fold in folds[: asked.measured]]
    result = summary(found, folds[0], asked)
    print(json.dumps(result, indent=2))
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")


def summary(found: list[dict[str, Any]], fold: Fold, asked: argparse.Namespace) -> dict[str, Any]:
    """Times, their ratio, and the largest differences."""
    own, other = (sum((one[key] for one in found), Spent()) for key in ("ours", "theirs"))
    ratios = [one["theirs"].wall_s / one["ours"].wall_s for one in found]
    return {
        "train_rows_of_a_fold": list(fold.train.shape),
        "penalties": len(range(0, asked.penalties, asked.every)),
        "folds": len(found),
        "threads": asked.threads,
        "their_tolerance": asked.their_tolerance,
        "ours": asdict(own),
        "scikit_learn": asdict(other),
        "ratio_wall": round(other.wall_s / own.wall_s, 2),
        "ratio_wall_of_each_fold": [round(ratio, 2) for ratio in ratios],
        "ratio_cpu": round(other.cpu_s / own.cpu_s, 2),
        "at_the_same_tolerance": _differences([pair for one in found for pair in one["same"]]),
        "to_the_reference": _differences([pair for one in found for pair in one["reference"]]),
        "reference_tolerance": asked.reference_tolerance,
    }


def _differences(pairs: list[tuple[float, float]]) -> dict[str, float]:
    if not pairs:
        return {}
    objectives, recalls = (list(values) for values in zip(*pairs, strict=True))
    return {
        "penalties_and_folds": len(pairs),
        "our_objective_at_most_above": max(objectives),
        "our_objective_at_most_below": -min(objectives),
        "uar_largest_difference_points": round(max(map(abs, recalls)), 3),
        "uar_mean_difference_points": round(float(np.mean(recalls)), 3),
    }


if __name__ == "__main__":
    main()
