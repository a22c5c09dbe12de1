"""The recording of a request, in a temporary folder that is gone when the request ends, however it ends.

The name that a client gives is only repeated in the answer; no path is ever made from it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from profiling.serve.limits import Limits, RefusedError

FOLDER_PREFIX = "profiling-serve-"
FIELD = "file"
_UNNAMED = "recording"
_LONGEST_NAME = 200
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A recording that has arrived.

    Attributes:
        path: where it is, for now.
        name: what the client calls it.
    """

    path: Path
    name: str


@asynccontextmanager
async def received(request: Request, limits: Limits) -> AsyncIterator[Upload]:
    """Reads a request's recording: the file of a form, or the whole body.

    Raises:
        RefusedError: too large (before anything is read, where the client says how large), too slow, or no file in it.
    """
    _check_length(request, limits)
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        counted = Request(request.scope, _counted(request.receive, limits))
        try:
            async with asyncio.timeout(limits.upload_s):
                name = await _store(counted, Path(folder) / "recording")
        except TimeoutError as error:
            raise RefusedError(408, f"the upload took longer than {limits.upload_s:g} s") from error
        yield Upload(Path(folder) / "recording", name)


def plain_name(name: str | None) -> str:
    r"""The last part of a client's file name, without control characters.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\a\\b.wav"), plain_name("..")
    ('passwd', 'b.wav', 'recording')
    """
    last = re.split(r"[/\\]", name or "")[-1]
    printable = "".join(sign for sign in last if sign.isprintable())[:_LONGEST_NAME].strip()
    return _UNNAMED if printable in ("", ".", "..") else printable


def _check_length(request: Request, limits: Limits) -> None:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limits.max_bytes:
        raise limits.too_large(int(said))


def _counted(receive: Receive, limits: Limits) -> Receive:
    """The same messages, until there are more bytes than may come: a length may be unsaid or a lie."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > limits.max_bytes:
            raise limits.too_large()
        return message

    return counted


async def _store(request: Request, path: Path) -> str:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _store_form(request, path)
    with path.open("wb") as file:
        async for piece in request.stream():
            file.write(piece)
    return plain_name(request.query_params.get("name"))


async def _store_form(request: Request, path: Path) -> str:
    try:
        form = await request.form(max_files=1, max_fields=8)
    except (HTTPException, MultiPartException) as error:
        raise RefusedError(400, f"the form cannot be read: {getattr(error, 'detail', error)}") from error
    try:
        sent = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if sent is None:
            raise RefusedError(400, f"no file in the form; send the recording as its field {FIELD!r}")
        with path.open("wb") as file:
            while piece := await sent.read(_PIECE_BYTES):
                file.write(piece)
        return plain_name(sent.filename)
    finally:
        await form.close()
