"""One-file calls of the peers beside ours: time to a first answer, files a second, on the same files in one run.

    python -m benchmarks.predict_peers FOLDER --train MANIFEST --opensmile PYTHON [--nkululeko PYTHON] [--files 60]

``FOLDER`` holds the recordings to be answered, ``MANIFEST`` (path, speaker, gender) trains the peers' gender models.
``--opensmile`` is the Python of an environment with opensmile, audinterface and scikit-learn, ``--nkululeko`` of one
with nkululeko. audEERING's own age and gender model comes from a hub and cannot be had offline: openSMILE's eGeMAPS
with a linear model stands for the way of calling, not for its quality. Two threads, rounds interleaved, medians.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.predict import seconds
from profiling.predict import Panel, PanelOptions, default_bundles, load_profilers

_THEIRS = Path(__file__).with_name("predict_opensmile.py")
_EXPERIMENT = """
[EXP]
root = {root}
name = peer
runs = 1
epochs = 1
save = True
[DATA]
databases = ['train', 'test']
train = {root}/train.csv
train.type = csv
train.absolute_path = True
train.split_strategy = train
test = {root}/test.csv
test.type = csv
test.absolute_path = True
test.split_strategy = test
target = gender
labels = ['female', 'male']
[FEATS]
type = ['os']
set = eGeMAPSv02
level = functionals
scale = standard
[MODEL]
type = svm
save = True
"""
_THREE_LINES = (
    "from profiling import Panel; import sys; print(Panel.from_pretrained()(sys.argv[1]).gender.label)"
)


def ran(command: Sequence[str | Path], folder: Path) -> str:
    """A command with two threads, in a folder of its own; what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def nkululeko_bundle(python: Path, manifest: Path, folder: Path) -> Path:
    """Trains nkululeko's SVM on eGeMAPS and exports it as nkululeko's own bundle."""
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, some in (("train", rows), ("test", rows[::10])):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "speaker", "gender"])
            writer.writerows(
                [(manifest.parent / row["path"]).resolve(), row["speaker"], row["gender"]] for row in some
            )
    (folder / "peer.ini").write_text(_EXPERIMENT.format(root=folder), encoding="utf-8")
    ran([python, "-m", "nkululeko.nkululeko", "--config", "peer.ini"], folder)
    ran([python, "-m", "nkululeko.bundle", "--config", "peer.ini", "--output", "bundle"], folder)
    return folder / "bundle"


def first_answers(asked: argparse.Namespace, one: Path, work: Path) -> dict[str, Callable[[], object]]:
    """A new process each: from nothing to an answer on one recording."""
    ways: dict[str, Callable[[], object]] = {
        "profiling predict FILE (age, gender)": lambda: ran(
            [sys.executable, "-m", "profiling", "predict", one, "--cache", "off"], work
        ),
        "three lines of Python, Panel": lambda: ran([sys.executable, "-c", _THREE_LINES, one], work),
        "openSMILE + scikit-learn (gender)": lambda: ran(
            [asked.opensmile, _THEIRS, "one", work / "model", one], work
        ),
    }
    if asked.nkululeko:
        ways["nkululeko.infer --file (gender)"] = lambda: ran(
            [asked.nkululeko, "-m", "nkululeko.infer", work / "bundle", "--file", one], work
        )
    return ways


def rounds_of_files(asked: argparse.Namespace, paths: list[Path], work: Path) -> dict[str, list[float]]:
    """Seconds for all files, by way and round."""
    profilers = load_profilers(default_bundles())
    alone = Panel(profilers, PanelOptions(cache="off"))
    kept = Panel(profilers, PanelOptions(cache="write", features=work / "features"))
    ours: dict[str, Callable[[], object]] = {
        "Panel, file by file (age, gender)": lambda: [alone(path) for path in paths],
        "Panel.profiles (age, gender)": lambda: list(alone.profiles(paths)),
        "Panel.profiles, features seen before": lambda: list(kept.profiles(paths)),
    }
    for way in ours.values():
        way()
    taken: dict[str, list[float]] = {}
    for _ in range(asked.rounds):
        found = {name: seconds(way) for name, way in ours.items()}
        found |= json.loads(ran([asked.opensmile, _THEIRS, "loop", work / "model", *paths], work))
        if asked.nkululeko:
            command = [asked.nkululeko, "-m", "nkululeko.infer", work / "bundle", "--folder", work / "files"]
            found["nkululeko.infer --folder, its start included"] = seconds(lambda c=command: ran(c, work))
        for name, value in found.items():
            taken.setdefault(name, []).append(value)
    return taken


def main() -> None:
    """Reads the command line, prints two Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--opensmile", type=Path, required=True)
    parser.add_argument("--nkululeko", type=Path)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    paths = sorted(path.resolve() for path in asked.folder.rglob("*") if path.is_file())[: asked.files]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "files").mkdir()
        for path in paths:
            (work / "files" / path.name).symlink_to(path)
        ran([asked.opensmile, _THEIRS, "fit", asked.train.resolve(), work / "model"], work)
        if asked.nkululeko:
            nkululeko_bundle(asked.nkululeko, asked.train, work)
        first = first_answers(asked, paths[0], work)
        started = [{name: seconds(way) for name, way in first.items()} for _ in range(asked.rounds + 1)][1:]
        print("| first answer of a new process | s |\n|---|---|")
        for name in first:
            print(f"| {name} | {statistics.median(one[name] for one in started):.1f} |")
        print(f"\n| {len(paths)} files, warm | files/s |\n|---|---|")
        for name, times in rounds_of_files(asked, paths, work).items():
            print(f"| {name} | {len(paths) / statistics.median(times):.1f} |")


if __name__ == "__main__":
    main()
