"""A sweep of linear heads as one command: the packed launcher beside Hydra's basic launcher on the same jobs.

    python benchmarks/sweeps.py                 # 100 jobs; the basic launcher's time from its 12 first jobs
    python benchmarks/sweeps.py --basic 100     # all jobs through both
    python benchmarks/sweeps.py --jobs 1000 --basic 0

Both are whole commands, imports and the opening of the winner included, on features that are cached already. Times are
processor time of the command, since a shared machine's wall clock says little; wall clock is printed beside it.
The basic launcher does the same work for every job, so its time for all jobs is extrapolated from two shorter sweeps
(the line says so); ``--basic`` equal to ``--jobs`` measures instead.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from profiling.corpora.generated import generate_corpus

ROOT = Path(__file__).resolve().parents[1]
SPEAKERS, UTTERANCES = 40, 10  # 400 recordings, as emodb has
_FEW = 2  # jobs of the shorter basic sweep


def main() -> None:
    """Prints both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--basic", type=int, default=12, help="jobs to measure through the basic launcher")
    parser.add_argument(
        "--folds", type=int, default=1, help="above 1: k-fold, a head for each fold and a final one"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.folds)
        bench.run("warm", 1)
        packed, said = bench.run("packed", options.jobs, "hydra/launcher=packed")
        for line in re.findall(r".*(?:composed in|in one bank).*", said):
            print(f"  {line}")
        print(f"packed: {options.jobs} jobs, {packed:.1f} s computing")
        if options.basic:
            basic, how = bench.basic(options.basic, options.jobs)
            print(f"basic: {options.jobs} jobs, {basic:.1f} s computing ({how})")
            print(f"ratio: {basic / packed:.1f}")


class Bench:
    """Sweeps over one corpus.

    Args:
        folder: of everything.
        folds: of the protocol.
    """

    def __init__(self, folder: Path, folds: int) -> None:
        self.folder = folder
        self.manifest = generate_corpus(folder / "corpus", SPEAKERS, UTTERANCES, seed=1)
        self.split = [f"split.kind={'kfold' if folds > 1 else 'random'}", f"split.folds={max(folds, 2)}"]

    def run(self, name: str, jobs: int, *settings: str) -> tuple[float, str]:
        """One command: seconds of processor time and what it said."""
        rates = ",".join(f"{1e-4 * 1.05**i:.6g}" for i in range(jobs))
        paths = [f"paths.{key}={self.folder / key}" for key in ("features", "runs", "cache")]
        command = [
            sys.executable, "train.py", "-m", "task=gender", f"corpus.train=[csv:{self.manifest}]", *paths, *self.split,
            "backbone=spectral_stats", "features.layers=embedding", "trainer.tensorboard=false",
            f"hydra.sweep.dir={self.folder / f'{name}-{jobs}'}", f"head.lr={rates}", *settings,
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        started, used = time.perf_counter(), _children_cpu_s()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        wall_s, cpu_s = time.perf_counter() - started, _children_cpu_s() - used
        print(f"  {name}: {jobs} jobs, {wall_s:.1f} s, of them computing {cpu_s:.1f} s", flush=True)
        return cpu_s, done.stderr

    def basic(self, measured: int, jobs: int) -> tuple[float, str]:
        """Processor seconds of all jobs through the basic launcher, and how they are known."""
        many, _ = self.run("basic", measured)
        if measured >= jobs:
            return many, "measured"
        few, _ = self.run("basic", _FEW)
        each = (many - few) / (measured - _FEW)
        return many + each * (
            jobs - measured
        ), f"extrapolated from {measured} jobs, {each:.2f} s for each further one"


def _children_cpu_s() -> float:
    """Processor time of the commands so far, in seconds: other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
