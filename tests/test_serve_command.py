"""``profiling serve``: mistakes in one line, and the whole program once."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.trained import call


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--max-mb", "0"), "--max-mb 0.0: above 0"),
        (("--max-seconds", "nan"), "--max-seconds nan"),
        (("--queue", "0"), "--queue 0: at least 1"),
        (("--port", "99999"), "--port 99999"),
        (("--host", "203.0.113.7"), "--host 203.0.113.7"),
        (("--prot", "1"), "unrecognized arguments"),
        (("--model", "/nowhere"), "/nowhere"),
        (("--vad", "sillero"), "did you mean silero"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], reason: str) -> None:
    said = call("serve", "--port", "0", *arguments)
    assert (said.code, said.out) == (2, "")
    assert reason in said.err.splitlines()[-1]


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = call("serve", "--port", str(other.getsockname()[1]))
    assert said.code == 2
    assert "in use" in said.err
    assert "0: a free one" in said.err


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name))
    said = call("serve")
    assert said.code == 2
    assert "fastapi not installed; pip install profiling[serve]" in said.err


def test_the_program_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "profiling", "serve", "--port", "0"]
    environment = {**os.environ, "PROFILING_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    try:
        assert process.stderr is not None
        lines = []
        while not (found := re.match(r"(http://127\.0\.0\.1:\d+) ", lines[-1] if lines else "")):
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        with urllib.request.urlopen(f"{found[1]}/healthz", timeout=20) as answer:
            assert json.load(answer)["status"] == "ok"
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
        assert (process.returncode, rest) == (0, "")
    finally:
        process.kill()
