"""Every command and program of docs/predict.md runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from profiling.corpora.generated import generate_corpus
from tests.trained import ROOT, call

TEXT = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_transcript_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROFILING_CACHE", str(tmp_path / "cache"))
    corpus = generate_corpus(tmp_path / "recordings", speakers=2, utterances=1, seed=3)
    for name, voice in zip(("call.wav", "other.wav"), sorted(corpus.parent.rglob("*.wav")), strict=False):
        (tmp_path / name).write_bytes(voice.read_bytes())
    (shell,), (program,) = blocks("sh"), blocks("python")
    install, *commands = [line.split("  #")[0].strip() for line in shell.splitlines()]
    assert install == "pip install ."
    assert len(commands) == 4
    for command in commands:
        said = call(*shlex.split(command)[1:])
        assert said.code == 0, f"{command}\n{said.err}"
        assert said.out or (tmp_path / "answers.csv").exists()
    exec(compile(program, "docs/predict.md", "exec"), {})
