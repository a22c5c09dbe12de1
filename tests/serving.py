"""A server on generated profilers: in this process, or by uvicorn in a thread of it on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from profiling.predict.panel import Panel
from profiling.predict.profiler import Profiler
from profiling.serve.app import build_app
from profiling.serve.desk import Desk
from profiling.serve.limits import Limits
from profiling.serve.server import Server, allowed_hosts, bind


@dataclass
class Running:
    """A server that runs.

    Attributes:
        desk: behind it.
        port: on 127.0.0.1.
    """

    desk: Desk
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], Any]:
        """Status, headers and the JSON of one request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), json.loads(response.read())
        finally:
            connection.close()


@contextmanager
def running(profilers: Sequence[Profiler], limits: Limits | None = None) -> Iterator[Running]:
    """Serves with uvicorn while this is open."""
    desk = Desk(profilers, limits or Limits(), "energy")
    ready = threading.Event()
    with bind("127.0.0.1", 0) as bound:
        server = Server(build_app(desk, allowed_hosts("127.0.0.1")), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        assert ready.wait(20)
        try:
            yield Running(desk, bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@dataclass
class Gate:
    """Stands before the model: answers wait until it is opened.

    Attributes:
        heard: recordings whose turn came.
    """

    opened: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    heard: list[str] = field(default_factory=list)

    def around(self, panel_call: Any) -> Any:
        """``Panel.__call__`` behind this gate."""

        def gated(panel: Panel, source: Any, **options: Any) -> Any:
            self.heard.append(str(source))
            self.entered.set()
            assert self.opened.wait(60)
            return panel_call(panel, source, **options)

        return gated


def left_behind(folder: Path) -> list[Path]:
    """What is in a folder for temporary files, but for PyTorch's own, made when it is imported."""
    return [path for path in folder.iterdir() if not path.name.startswith("torchinductor_")]
