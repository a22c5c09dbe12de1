"""Whether something answers: directly, through a proxy, and in time."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from profiling.backbones import reach
from tests.hub_stand_in import Server, answering


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)


def test_a_listening_server_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert reach.why_unreachable(f"http://127.0.0.1:{server.getsockname()[1]}", 10) is None


def test_a_name_lookup_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
    started = time.monotonic()
    reason = reach.why_unreachable("https://hub.invalid", 0.2)
    release.set()
    assert reason is not None
    assert reason.startswith("no answer within 0.2 s")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("url", ["ftp://hub", "hub", "https://"])
def test_an_address_that_is_none(url: str) -> None:
    assert reach.why_unreachable(url, 5) == "not an http or https address"


@pytest.mark.parametrize(("status", "reachable"), [(200, True), (404, True), (403, False)])
def test_a_proxy_is_asked_for_the_page(status: int, reachable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused CONNECT is unreachable although the proxy answers; a plain request's page counts."""
    with Server(answering(status)) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        url = "http://hub.invalid" if reachable else "https://hub.invalid"
        reason = reach.why_unreachable(url, 10)
    assert (reason is None) == reachable, reason
