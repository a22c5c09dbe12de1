"""A stand-in of the Hugging Face hub on this machine: its cache's layout, and a server with one file."""

from __future__ import annotations

import http.server
import os
import threading
from hashlib import sha256
from pathlib import Path

from profiling.config import BackboneConfig

WEIGHTS = b"not a network, but bytes with a hash"
DIGEST = sha256(WEIGHTS).hexdigest()
REVISION = BackboneConfig().revision
OTHER_REVISION = "207cb6d137c671a12ba820ebec3b719549b06c0f"


def lay_out(cache: Path, data: bytes = WEIGHTS, revision: str = REVISION, digest: str | None = None) -> Path:
    """A hub cache as huggingface_hub lays it out: blobs named by hash, snapshots of links."""
    repo = cache / "models--Jenthe--ECAPA2"
    blob = repo / "blobs" / (digest or sha256(data).hexdigest())
    blob.parent.mkdir(parents=True)
    blob.write_bytes(data)
    link = repo / "snapshots" / revision / "ecapa2.pt"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(revision)
    return link


class HubStandIn(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does for one file: commit, etag, length, bytes."""

    def do_HEAD(self) -> None:
        found = self.path == f"/Jenthe/ECAPA2/resolve/{REVISION}/ecapa2.pt"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{DIGEST}"')
        self.send_header("Content-Length", str(len(WEIGHTS) if found else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(WEIGHTS)

    def log_message(self, *_: object) -> None:
        pass


def answering(status: int) -> type[http.server.BaseHTTPRequestHandler]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_CONNECT = do_HEAD  # noqa: N815 - the name http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    return Answer


class Server:
    """A server on a free port of this machine for the length of a ``with``; gives its address."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
