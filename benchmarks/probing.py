"""How much of gender, age, emotion and speaker a linear probe finds in each layer, on speakers it never heard.

Every source (trained mini network, the same network untrained, ``spectral_stats``, openSMILE eGeMAPS
functionals) gets the same probes: ridge with its penalty chosen inside the training speakers, standardised
on them. emodb and nemo leave one speaker out; speechocean762 (its test split) has five speaker-disjoint folds.
Predictions are pooled over the folds before they are scored; eGeMAPS needs ``pip install profiling[opensmile]``.

    python benchmarks/probing.py --speech ../shared/speech --weights profiling/backbones/mini.safetensors
    python benchmarks/probing.py --speech ../shared/speech --curve runs/pretrain_mini
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import mean_absolute_error, recall_score, roc_curve
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.preprocessing import StandardScaler

from profiling.backbones.calibration import untrained
from profiling.backbones.checkpoint import load_weights
from profiling.backbones.network import mini_config
from profiling.backbones.spectral import SpectralStats
from profiling.config import LAYERS
from profiling.provenance import environment, sha256_file, write_json

Features = dict[str, np.ndarray]
Extract = Callable[[Sequence[np.ndarray]], Features]

DISPUTED = ("2355", "2451", "2917", "2937")  # adults whose pitch contradicts their gender label
ADULT_FROM_AGE = 16
AGE_BANDS = ((0, 10), (10, 16), (16, 20), (20, 30), (30, 100))  # years, from .. below
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of a ridge, in units of the dims
FOLDS, INNER_FOLDS = 5, 3
PER_SPEAKER = 8  # of speechocean762's 20: speakers count, and a probe's cost is cubic in rows
BATCH = 16
_RANK = 1e-10  # smaller eigenvalues are rounding
DEFAULT = "gfe_1|pool|embedding"  # features.layers


def read_corpus(root: Path, name: str) -> pd.DataFrame:
    """The rows that are probed; of speechocean762 its test split alone, and of each speaker a few."""
    table = pd.read_csv(root / name / "manifest.csv", dtype=str, keep_default_na=False)
    if name == "speechocean762":
        table = table[table["split"] == "test"].groupby("speaker").head(PER_SPEAKER)
    return table.assign(age=table["age"].astype(float)).reset_index(drop=True)


def extracted(extract: Extract, root: Path, name: str, table: pd.DataFrame) -> Features:
    """Features of a corpus in the order of its table; the recordings are mono 16 kHz."""
    return extract([soundfile.read(root / name / path, dtype="float32")[0] for path in table["path"]])


def network(net: torch.nn.Module) -> Extract:
    """Features of a native network: sorted by length, batches of mixed lengths masked."""

    def extract(waves: Sequence[np.ndarray]) -> Features:
        order = sorted(range(len(waves)), key=lambda i: len(waves[i]))
        done: dict[str, list[np.ndarray]] = {layer: [np.empty(0)] * len(waves) for layer in LAYERS}
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            lengths = torch.tensor([len(waves[i]) for i in rows])
            batch = torch.zeros(len(rows), int(lengths.max()))
            for k, i in enumerate(rows):
                batch[k, : lengths[k]] = torch.from_numpy(waves[i])
            with torch.inference_mode():
                outputs = net(batch, lengths)
            for layer in LAYERS:
                for k, i in enumerate(rows):
                    done[layer][i] = outputs[layer][k].numpy()
        return {layer: np.stack(rows) for layer, rows in done.items()}

    return extract


def spectral(waves: Sequence[np.ndarray]) -> Features:
    """Mean and variance of the spectrogram."""
    stats = SpectralStats()
    return {"stats": np.concatenate([stats.extract([wave], ["embedding"])["embedding"] for wave in waves])}


def egemaps(waves: Sequence[np.ndarray]) -> Features:
    """88 functionals of openSMILE's eGeMAPSv02 (research licence; nothing of it is in the package)."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    return {"functionals": np.concatenate([smile.process_signal(wave, 16_000).to_numpy() for wave in waves])}


def cached(folder: Path, source: str, name: str, make: Callable[[], Features]) -> Features:
    """Features from ``folder``, made when they are not there."""
    path = folder / f"{hashlib.sha256(f'{source}/{name}'.encode()).hexdigest()[:16]}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".tmp").open("wb") as file:
            np.savez(file, **make())
        path.with_suffix(".tmp").replace(path)
    with np.load(path) as stored:
        return dict(stored)


def folds(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Train and test rows, speaker-disjoint: one speaker out below 20 of them, else five folds."""
    small = len(np.unique(groups)) < 20
    splitter = LeaveOneGroupOut() if small else GroupKFold(FOLDS, shuffle=True, random_state=0)
    return splitter.split(groups, groups=groups)


def probe(x: np.ndarray, y: np.ndarray, groups: np.ndarray, kind: type = RidgeClassifier) -> np.ndarray:
    """Pooled predictions of speaker-disjoint ridge probes, penalty chosen in the training speakers."""
    predicted = np.empty_like(y)
    for train, test in folds(groups):
        scores = np.zeros(len(PENALTIES))
        for fit, held in GroupKFold(INNER_FOLDS, shuffle=True, random_state=1).split(
            train, groups=groups[train]
        ):
            answers = _fitted(x, y, train[fit], train[held], kind, PENALTIES)
            scores += [_score(y[train[held]], answer, kind) for answer in answers]
        best = PENALTIES[int(scores.argmax())]
        predicted[test] = _fitted(x, y, train, test, kind, (best,))[0]
    return predicted


def _fitted(
    x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, kind: type, penalties: Sequence[float]
) -> list[np.ndarray]:
    scaler = StandardScaler().fit(x[train])
    rows, asked = scaler.transform(x[train]), scaler.transform(x[test])
    if rows.shape[1] > rows.shape[0]:  # the same answers from as many dims as there are rows
        power, axes = np.linalg.eigh(rows @ rows.T)
        kept = power > _RANK * power[-1]
        turn = rows.T @ (axes[:, kept] / np.sqrt(power[kept]))  # (dims, rank), orthonormal
        rows, asked = rows @ turn, asked @ turn
    more = {"class_weight": "balanced"} if kind is RidgeClassifier else {}
    return [kind(alpha=p * x.shape[1], **more).fit(rows, y[train]).predict(asked) for p in penalties]


def _score(truth: np.ndarray, predicted: np.ndarray, kind: type) -> float:
    return uar(truth, predicted) if kind is RidgeClassifier else -float(mean_absolute_error(truth, predicted))


def uar(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Unweighted average recall over the labels present."""
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def by_speaker(right: np.ndarray, groups: np.ndarray) -> list[float]:
    """Mean of ``right`` for each speaker, sorted by name."""
    return [float(right[groups == speaker].mean()) for speaker in np.unique(groups)]


def paired_p(first: Sequence[float], second: Sequence[float], flips: int = 20_000) -> float:
    """Two-sided sign-flip test of paired values over speakers; exact up to 14 of them."""
    difference = np.array(first) - np.array(second)
    count = len(difference)
    if count <= 14:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1, 1], size=(flips, count))
    sums = np.abs(signs @ difference)
    reached = (sums >= abs(difference.sum()) - 1e-12).sum()
    return float(reached / len(signs)) if count <= 14 else float((reached + 1) / (flips + 1))


def classify(x: np.ndarray, table: pd.DataFrame, column: str) -> dict[str, Any]:
    """UAR of one label, and the right share of each speaker."""
    y, groups = table[column].to_numpy(), table["speaker"].to_numpy()
    predicted = probe(x, y, groups)
    result: dict[str, Any] = {"uar": uar(y, predicted), "speakers": by_speaker(predicted == y, groups)}
    if column == "gender" and table["age"].min() < ADULT_FROM_AGE:
        adult = (table["age"] >= ADULT_FROM_AGE).to_numpy()
        clear = adult & ~table["speaker"].isin(DISPUTED).to_numpy()
        result |= {"adults": uar(y[adult], predicted[adult]), "children": uar(y[~adult], predicted[~adult])}
        result["adults_undisputed"] = uar(y[clear], predicted[clear])
    return result


def regress(x: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """MAE of the age in years, skill against the training folds' median, and both for each age band."""
    y, groups = table["age"].to_numpy(), table["speaker"].to_numpy()
    error = np.abs(probe(x, y, groups, Ridge) - y)
    constant = np.empty_like(y)
    for train, test in folds(groups):
        constant[test] = np.abs(np.median(y[train]) - y[test])
    bands = {}
    for low, high in AGE_BANDS:
        inside = (y >= low) & (y < high)
        if not inside.any():
            continue
        bands[f"{low}-{high - 1}"] = {"mae": error[inside].mean(), "constant": constant[inside].mean()}
    skill = 1 - error.mean() / constant.mean()
    return {"mae": error.mean(), "skill": skill, "bands": bands, "speakers": by_speaker(-error, groups)}


def adult_age(x: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """As :func:`regress` with adults alone, in training and test."""
    adult = (table["age"] >= ADULT_FROM_AGE).to_numpy()
    result = regress(x[adult], table[adult])
    return {"mae": result["mae"], "skill": result["skill"]}


def equal_error_rate(x: np.ndarray, groups: np.ndarray) -> float:
    """EER of the cosine over every pair of utterances, after the corpus mean is removed."""
    unit = x - x.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    first, second = np.triu_indices(len(x), k=1)
    false_alarm, hit, _ = roc_curve(groups[first] == groups[second], (unit @ unit.T)[first, second])
    cross = int(np.argmin(np.abs(false_alarm - (1 - hit))))
    return float((false_alarm[cross] + 1 - hit[cross]) / 2)


def verification(x: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    """EER on all trials, and on trials between voices of the same gender and age group."""
    groups, alike = table["speaker"].to_numpy(), []
    for sex in ("female", "male"):
        for adult in (True, False):
            inside = ((table["gender"] == sex) & ((table["age"] >= ADULT_FROM_AGE) == adult)).to_numpy()
            alike.append(equal_error_rate(x[inside], groups[inside]))
    return {"eer": equal_error_rate(x, groups), "eer_same_gender_and_age": float(np.mean(alike))}


def tasks(name: str, x: np.ndarray, table: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything one feature matrix is asked on one corpus."""
    yield f"{name} gender", classify(x, table, "gender")
    if name == "speechocean762":
        yield f"{name} age", regress(x, table)
        yield f"{name} age, adults", adult_age(x, table)
        yield f"{name} verification", verification(x, table)
    else:
        yield f"{name} emotion", classify(x, table, "emotion")


def with_default(features: Features) -> Features:
    """Adds the default concatenation where a source has its layers."""
    parts = DEFAULT.split("|")
    if all(part in features for part in parts):
        return {**features, DEFAULT: np.concatenate([features[part] for part in parts], axis=1)}
    return features


def run(options: argparse.Namespace, sources: dict[str, Extract]) -> dict[str, dict[str, Any]]:
    """Scores of every source and layer: ``scores[source][task][layer]``."""
    scores: dict[str, dict[str, Any]] = {source: {} for source in sources}
    for name in options.corpora:
        table = read_corpus(options.speech, name)
        for source, extract in sources.items():
            started = time.perf_counter()
            make = partial(extracted, extract, options.speech, name, table)
            features = with_default(cached(options.cache, source, name, make))
            asked = options.layers or ((DEFAULT, "embedding") if source == "untrained" else features)
            wanted = [layer for layer in features if len(features) == 1 or layer in asked]
            for layer, x in ((layer, features[layer]) for layer in wanted):
                for task, score in tasks(name, x.astype(np.float64), table):
                    scores[source].setdefault(task, {})[layer] = score
            print(f"{name} {source}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return scores


def main() -> None:
    """Writes the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="safetensors of the trained network")
    parser.add_argument("--curve", type=Path, help="a pretraining run: its snapshots alone")
    parser.add_argument("--cache", type=Path, default=Path("runs/probing_features"))
    parser.add_argument("--out", type=Path, default=Path("runs/probing.json"))
    parser.add_argument("--corpora", nargs="+", default=["emodb", "nemo", "speechocean762"])
    parser.add_argument("--layers", nargs="*", default=[])
    parser.add_argument("--no-egemaps", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources: dict[str, Extract] = {}
    for path in [options.weights] if options.weights else sorted(options.curve.glob("step-*.safetensors")):
        sources[f"{path.stem} {sha256_file(path)[:12]}"] = network(load_weights(path))
    trained = next(iter(sources), None)
    if options.weights:
        sources |= {"untrained": network(untrained(mini_config())), "spectral_stats": spectral}
        sources |= {} if options.no_egemaps else {"eGeMAPS": egemaps}
    scores = run(options, sources)
    write_json(options.out, {"trained": trained, "scores": scores, "environment": environment()})


if __name__ == "__main__":
    main()
