"""A real server on a free port: many at once, uploads that are too large or stall, clients that go away."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from profiling.predict.panel import Panel
from profiling.predict.profiler import Profiler
from profiling.serve.limits import Limits
from tests.recordings import encode, speechlike
from tests.serving import Gate, Running, left_behind, running

WAV = encode(speechlike(1.2), 16_000, "wav")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(Panel, "__call__", gate.around(Panel.__call__))
    yield gate
    gate.opened.set()


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def opened(server: Running, head: str) -> socket.socket:
    """A connection on which the head of a request was sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    lines = f"POST /api/predict HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n"
    connection.sendall(lines.encode())
    return connection


def status_of(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status


def test_fifty_at_once_are_all_answered(profilers: list[Profiler], kept: Path) -> None:
    with running(profilers) as server, ThreadPoolExecutor(50) as people:
        answers = list(people.map(lambda _: server.ask("POST", "/api/predict", WAV), range(50)))
        assert [status for status, _, _ in answers] == [200] * 50
        assert all(row == answers[0][2] for _, _, row in answers)
        assert server.desk.taken == 0
    assert not left_behind(kept)


def test_small_answers_do_not_wait_for_an_acknowledgement(profilers: list[Profiler]) -> None:
    """Half of them took 44 ms where the server's socket did not name its protocol."""
    with running(profilers) as server:
        connection, waits = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20), []
        for _ in range(20):
            started = time.monotonic()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            waits.append(time.monotonic() - started)
        connection.close()
    assert sorted(waits)[5] < 0.03


def test_more_than_there_are_places_are_told_when_to_come_again(
    profilers: list[Profiler], gate: Gate
) -> None:
    with running(profilers, Limits(queue=8)) as server, ThreadPoolExecutor(50) as people:
        asked = [people.submit(server.ask, "POST", "/api/predict", WAV) for _ in range(50)]
        until(lambda: sum(one.done() for one in asked) == 42)
        assert server.ask("GET", "/healthz")[2] == {"status": "ok", "requests": 8, "queue": 8}
        gate.opened.set()
        answers = [one.result() for one in asked]
        refused = [(headers, row) for status, headers, row in answers if status == 503]
        assert sorted(status for status, _, _ in answers) == [200] * 8 + [503] * 42
        for headers, row in refused:
            assert 1 <= int(headers["retry-after"]) <= 60
            assert "requests are here already" in row["error"]
        assert server.ask("POST", "/api/predict", WAV)[0] == 200


def test_two_gigabytes_are_refused_before_they_come(profilers: list[Profiler], kept: Path) -> None:
    with running(profilers) as server:
        started = time.monotonic()
        with opened(server, "Content-Length: 2000000000") as connection:
            assert status_of(connection) == 413
        assert time.monotonic() - started < 5
        assert not left_behind(kept)


def test_an_endless_upload_is_refused_on_its_way(profilers: list[Profiler], kept: Path) -> None:
    with running(profilers, Limits(max_mb=0.5)) as server:
        with opened(server, "Transfer-Encoding: chunked") as connection:
            connection.sendall((b"20000\r\n" + bytes(0x20000) + b"\r\n") * 5)
            assert status_of(connection) == 413
        until(lambda: server.desk.taken == 0)
        assert not left_behind(kept)


def test_a_stalled_upload_gives_its_place_back(profilers: list[Profiler], kept: Path) -> None:
    with running(profilers, Limits(upload_s=0.3)) as server:
        with opened(server, "Content-Length: 1000") as connection:
            connection.sendall(b"RIFF")
            assert status_of(connection) == 408
        until(lambda: server.desk.taken == 0)
        assert not left_behind(kept)


def test_a_client_that_goes_away_while_it_sends(profilers: list[Profiler], kept: Path) -> None:
    with running(profilers) as server:
        with opened(server, f"Content-Length: {len(WAV)}") as connection:
            connection.sendall(WAV[:5000])
            until(lambda: server.desk.taken == 1)
        until(lambda: server.desk.taken == 0)
        assert not left_behind(kept)


def test_a_client_that_goes_away_while_it_waits(profilers: list[Profiler], kept: Path, gate: Gate) -> None:
    with running(profilers) as server, ThreadPoolExecutor(2) as people:
        first = people.submit(server.ask, "POST", "/api/predict", WAV)
        assert gate.entered.wait(20)
        with opened(server, f"Content-Length: {len(WAV)}") as connection:
            connection.sendall(WAV)
            until(lambda: server.desk.taken == 2 and len(left_behind(kept)) == 2)
        until(lambda: server.desk.taken == 1 and len(left_behind(kept)) == 1)
        last = people.submit(server.ask, "POST", "/api/predict", WAV)
        until(lambda: server.desk.taken == 2)
        gate.opened.set()
        assert [first.result()[0], last.result()[0]] == [200, 200]
        assert len(gate.heard) == 2, "the one that went away was computed all the same"
    assert not left_behind(kept)


def test_what_is_computed_for_nobody_ends_before_its_next_window(
    profilers: list[Profiler], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = encode(speechlike(130.0, 8_000), 8_000, "wav")
    backbone, calls = profilers[0].backbone, list[int]()
    entered, opened_again, extract = threading.Event(), threading.Event(), backbone.extract

    def slow(waveforms: list[np.ndarray], layers: list[str]) -> object:
        calls.append(len(waveforms))
        entered.set()
        assert opened_again.wait(20)
        return extract(waveforms, layers)

    monkeypatch.setattr(backbone, "extract", slow)
    with running(profilers) as server, ThreadPoolExecutor(1) as people:
        with opened(server, f"Content-Length: {len(long)}") as connection:
            connection.sendall(long)
            assert entered.wait(20)
        until(lambda: server.desk.taken == 0)
        next_one = people.submit(server.ask, "POST", "/api/predict", WAV)
        until(lambda: server.desk.taken == 1)
        opened_again.set()
        assert next_one.result()[0] == 200
    assert calls == [1, 1], "one window of five was computed for nobody, then the next recording"
    assert not left_behind(kept)
