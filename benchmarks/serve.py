"""Requests a second of the REST endpoint: ``python benchmarks/serve.py FILE [--clients 1 8 50] [--seconds 10]``.

``profiling serve`` in a process of its own with the default profilers; every client keeps its connection and asks again
as soon as it is answered. Beside it the same file through ``Panel`` in this process: what the models alone allow.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from profiling.predict import Panel, PanelOptions


@contextmanager
def served() -> Iterator[int]:
    """The port of a server, while this is open."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "profiling", "serve", "--port", "0"]
    server = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield _port(server)
    finally:
        server.terminate()
        server.wait(20)


def _port(server: subprocess.Popen[str]) -> int:
    for stream in (server.stderr, server.stdout):
        for line in stream or ():
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                return int(found[1])
    raise SystemExit("the server did not start")


def ask_until(end: float, port: int, body: bytes, waits: list[float]) -> None:
    """One client; seconds of every answer that came before the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.perf_counter() < end:
        started = time.perf_counter()
        connection.request("POST", "/api/predict", body=body)
        response = connection.getresponse()
        said = response.read()
        if response.status != 200:
            raise SystemExit(f"{response.status}: {said.decode()}")
        if time.perf_counter() < end:
            waits.append(time.perf_counter() - started)
    connection.close()


def load(clients: int, seconds: float, port: int, body: bytes) -> list[float]:
    """Seconds of all answers to so many clients at once."""
    waits: list[float] = []
    end = time.perf_counter() + seconds
    people = [threading.Thread(target=ask_until, args=(end, port, body, waits)) for _ in range(clients)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    return sorted(waits)


def alone(path: Path, seconds: float) -> float:
    """Answers a second of the panel without a server."""
    panel = Panel.from_pretrained(options=PanelOptions(cache="off"))
    panel(path)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        panel(path)
        count += 1
    return count / (time.perf_counter() - started)


def main() -> None:
    """Reads the command line, prints a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 50])
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    body = asked.file.read_bytes()
    print("| clients | requests/s | median wait, s | 95 % within, s |\n|---|---|---|---|")
    with served() as port:
        load(1, 3, port, body)
        for clients in asked.clients:
            waits = load(clients, asked.seconds, port, body)
            late = waits[int(0.95 * len(waits))]
            print(
                f"| {clients} | {len(waits) / asked.seconds:.1f} | {statistics.median(waits):.2f} | {late:.2f} |"
            )
    print(f"\n`Panel` without a server, file by file: {alone(asked.file, asked.seconds):.1f} a second")


if __name__ == "__main__":
    main()
