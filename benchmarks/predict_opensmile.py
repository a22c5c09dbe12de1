"""The peers' side of ``predict_peers.py``: openSMILE's eGeMAPS and a scikit-learn model, as audEERING's README does it.

Runs in an environment of its own: ``pip install opensmile audinterface scikit-learn``; it knows nothing of profiling.

    python benchmarks/predict_opensmile.py fit MANIFEST MODEL      # path and gender of each recording -> a model
    python benchmarks/predict_opensmile.py one MODEL FILE          # one answer: what a new process needs for it
    python benchmarks/predict_opensmile.py loop MODEL FILE...      # seconds for all files, three ways, as JSON
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import opensmile


def smile(workers: int = 1) -> Any:
    """The extractor of openSMILE's README."""
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=workers,
    )


def fit(manifest: Path, model: Path) -> None:
    """A linear model on standardised functionals."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    features = smile(2).process_files([str(manifest.parent / row["path"]) for row in rows])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    joblib.dump(pipeline.fit(features.to_numpy(), [row["gender"] for row in rows]), model)


def answer(extractor: Any, model: Any, path: str) -> Any:
    """Probabilities of one recording."""
    return model.predict_proba(extractor.process_file(path).to_numpy())


def through_audinterface(model: Any) -> Callable[[str], Any]:
    """The same behind ``audinterface.Process``, which audEERING's models come with."""
    import audinterface

    extractor = smile()

    def process(signal: Any, rate_hz: int) -> Any:
        return model.predict_proba(extractor.process_signal(signal, rate_hz).to_numpy())[0, 0]

    return audinterface.Process(process_func=process).process_file


def loop(model: Any, paths: list[str]) -> dict[str, float]:
    """Seconds for all files; each way is warmed by one file before."""
    one, both, process = smile(), smile(2), through_audinterface(model)
    ways: dict[str, Callable[[], object]] = {
        "openSMILE + scikit-learn, file by file": lambda: [answer(one, model, path) for path in paths],
        "the same through audinterface": lambda: [process(path) for path in paths],
        "openSMILE, process_files on two workers": lambda: model.predict_proba(
            both.process_files(paths).to_numpy()
        ),
    }
    answer(one, model, paths[0])
    both.process_files(paths[:1])
    process(paths[0])
    taken = {}
    for name, work in ways.items():
        started = time.perf_counter()
        work()
        taken[name] = time.perf_counter() - started
    return taken


def main(what: str, *arguments: str) -> None:
    """Reads the command line."""
    if what == "fit":
        fit(Path(arguments[0]), Path(arguments[1]))
        return
    model = joblib.load(arguments[0])
    if what == "one":
        print(answer(smile(), model, arguments[1]))
    else:
        print(json.dumps(loop(model, list(arguments[1:]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
