"""The application: routes, and what each can answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from profiling import __version__
from profiling.errors import AudioError
from profiling.serve.about import about
from profiling.serve.desk import Asked, Desk, LeftError
from profiling.serve.guard import Guard
from profiling.serve.limits import RefusedError
from profiling.serve.schema import PREDICT, PROFILERS
from profiling.serve.upload import received

PAGE = Path(__file__).with_name("page")
_GONE = 499  # what proxies log for a client that went away; nobody reads it
_log = logging.getLogger("profiling.serve")


def build_app(desk: Desk, hosts: Sequence[str] = ()) -> FastAPI:
    """The application over a desk.

    Args:
        desk: what answers; closed with the application.
        hosts: names under which it may be called; empty for any. Another name is refused, so that a foreign
            page cannot reach a server on localhost through a name of its own (DNS rebinding).
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(
        title="profiling",
        version=__version__,
        summary="Age, gender and emotion from a voice",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere; /docs is one of ours
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_routes(app, desk)
    _add_errors(app)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _add_routes(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/predict", **PREDICT)
    async def predict(
        request: Request, timeline: float | None = None, channel: str | None = None, name: str | None = None
    ) -> Response:
        asked = Asked(timeline, channel)
        desk.check(asked)
        with desk.place():
            async with received(request, desk.limits) as upload:
                return JSONResponse(await desk.answer(upload, asked, _left(request)))

    @app.get("/api/profilers", **PROFILERS)
    async def profilers() -> dict[str, Any]:
        limits = desk.limits
        said = {"max_mb": limits.max_mb, "max_seconds": limits.max_seconds, "queue": limits.queue}
        listed = [about(profiler) for profiler in desk.profilers]
        return {"profilers": listed, "vad": desk.vad, "limits": said, "version": __version__}

    @app.get("/healthz", summary="Whether the server runs, and how many requests are here")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "requests": desk.taken, "queue": desk.limits.queue}

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


async def _left(request: Request) -> None:
    """Returns when the client goes away; its body has been read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(status: int, message: str, **more: str) -> JSONResponse:
    return JSONResponse({"error": message, **more}, status)


def _add_errors(app: FastAPI) -> None:
    """Every error is JSON with a line for people."""

    async def refused(_: Request, error: Any) -> Response:
        return JSONResponse({"error": error.message}, error.status, headers=error.headers)

    async def bad_audio(_: Request, error: Any) -> Response:
        return _error(422, str(error), stage=error.stage)

    async def gone(_: Request, __: Any) -> Response:
        return Response(status_code=_GONE)

    async def invalid(_: Request, error: Any) -> Response:
        first = error.errors()[0]
        return _error(400, f"{first['loc'][-1]}={first.get('input')}: {first['msg']}")

    async def other(_: Request, error: Any) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    async def ours(_: Request, error: Any) -> Response:
        _log.error("a request failed", exc_info=error)
        return _error(500, "a mistake of the server's; its log says more")

    handlers: list[tuple[type[Exception], Callable[[Request, Any], Awaitable[Response]]]] = [
        (RefusedError, refused),
        (AudioError, bad_audio),
        (LeftError, gone),
        (ClientDisconnect, gone),
        (RequestValidationError, invalid),
        (HTTPException, other),
        (Exception, ours),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
