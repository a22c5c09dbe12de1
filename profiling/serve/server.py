"""Runs the application with uvicorn on a socket that is bound first, so that a taken port is said at once."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from profiling.errors import ConfigError

_LOCAL = ("localhost", "127.0.0.1", "::1")
_GRACE_S = 5  # for requests in work when the server is stopped


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConfigError: the port is taken or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small packets at once (TCP_NODELAY); else each answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host} --port {port}: {reason}; give another (0: a free one)") from error
    return bound


def allowed_hosts(host: str) -> tuple[str, ...]:
    """Names a server on this address may be called by; empty for any, where it was opened to a network.

    >>> allowed_hosts("127.0.0.1")
    ('localhost', '127.0.0.1', '::1')
    >>> allowed_hosts("0.0.0.0")
    ()
    """
    return _LOCAL if is_local(host) else ()


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(bound: socket.socket) -> str:
    """Where a person finds it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server that says when it takes requests.

    Args:
        app: what answers.
        ready: called then.
    """

    def __init__(self, app: FastAPI, ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # who asked for what is nobody's business
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                lifespan="on",
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then says so."""
        await super().startup(sockets=sockets)
        self._ready()


def run(app: FastAPI, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serves until it is stopped, by Ctrl-C or a termination signal.

    Args:
        app: what answers.
        bound: from :func:`bind`.
        ready: called when requests are taken.
    """
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it, not an accident
        Server(app, ready).run(sockets=[bound])
