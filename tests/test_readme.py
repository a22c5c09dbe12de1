"""Every command of the README is executed, in order, as a newcomer would; only long corpora are shortened."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from profiling.corpora.generated import generate_corpus

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS_PER_SPEAKER = 6


def blocks(language: str) -> Iterator[str]:
    yield from re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def place(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout beside shortened copies of the manifests, so that ../shared/speech means them."""
    top = tmp_path_factory.mktemp("readme")
    main = top / "main"
    main.mkdir()
    for name in ("train.py", "conf", "profiling", "data"):
        (main / name).symlink_to(ROOT / name)
    for corpus in ("nemo", "emodb"):
        shortened(speech / corpus, top / "shared" / "speech" / corpus)
    own = generate_corpus(main / "my", speakers=8, utterances=4, seed=5)
    (main / "call.wav").symlink_to(next(own.parent.rglob("*.wav")))
    return main


def shortened(corpus: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    table = pd.read_csv(corpus / "manifest.csv", dtype=str, keep_default_na=False)
    kept = table.groupby(["speaker", "emotion"]).head(ROWS_PER_SPEAKER // 3 + 1)
    kept.to_csv(folder / "manifest.csv", index=False)
    for entry in corpus.iterdir():
        if entry.is_dir():
            (folder / entry.name).symlink_to(entry)


def environment(place: Path) -> dict[str, str]:
    own = {"PROFILING_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    without = {k: v for k, v in os.environ.items() if not k.startswith("PROFILING_")}
    return {**without, **own, "PATH": path}


def filled_in(command: str, place: Path) -> str:
    runs = sorted(path.parent.parent for path in place.glob("runs/2*/*/bundle/profiler.json"))
    if runs:
        command = command.replace("runs/<date>/<run>", str(runs[0].relative_to(place)))
    return command.replace("corpus.train=[...]", "corpus.train=[csv:my/manifest.csv]")


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    words = [
        word if "=" not in word else word.replace('"', "") for word in shlex.split(filled_in(command, place))
    ]
    return subprocess.run(
        words, cwd=place, env=environment(place), capture_output=True, text=True, timeout=540, check=False
    )


@pytest.mark.data
@pytest.mark.timeout(1800)
def test_every_command_works(place: Path) -> None:
    listed = commands()
    assert len(listed) >= 9
    for command in listed:
        if command.startswith("make "):
            continue  # test_the_make_targets_exist; .ci/run runs both
        done = run(command, place)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", filled_in(block, place)],
            cwd=place,
            env=environment(place),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] in {"angry", "fearful", "happy", "neutral", "sad", "surprised"}


def test_the_make_targets_exist() -> None:
    targets = [command.split()[1] for command in commands() if command.startswith("make ")]
    assert targets == ["demo", "test"]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
        assert f"make {target}" in ci


@pytest.mark.parametrize("target", re.findall(r"\]\(((?:docs|conf)/[^)]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).is_file()


def test_the_licences_are_said() -> None:
    for fact in ("Apache-2.0", "CC-BY-NC-4.0", "arXiv 2401.08342", "untrained"):
        assert fact in README
