"""Locating the weights: local file, hub cache, download, and every way that fails."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from profiling.backbones import hub, reach, weights
from profiling.backbones.hub import locate
from profiling.config import BackboneConfig
from profiling.errors import BackboneError

WEIGHTS = b"not a network, but bytes with a hash"
DIGEST = sha256(WEIGHTS).hexdigest()
REVISION = BackboneConfig().revision
OTHER_REVISION = "207cb6d137c671a12ba820ebec3b719549b06c0f"


def lay_out(cache: Path, data: bytes = WEIGHTS, revision: str = REVISION) -> Path:
    """A hub cache as huggingface_hub lays it out: blobs named by hash, snapshots of links."""
    repo = cache / "models--Jenthe--ECAPA2"
    blob = repo / "blobs" / sha256(data).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(data)
    link = repo / "snapshots" / revision / "ecapa2.pt"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(revision)
    return link


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to use the network fails the test."""

    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("the network was used")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(hub, "why_unreachable", refuse)


@pytest.mark.usefixtures("no_download")
class TestCache:
    def test_the_pinned_revision_is_found(self, tmp_path: Path) -> None:
        link = lay_out(tmp_path / "hub")
        found = locate(BackboneConfig(cache_dir=str(tmp_path / "hub"), sha256=DIGEST), tmp_path)
        assert (found.path, found.sha256, found.released) == (link, DIGEST, False)

    def test_the_same_bytes_under_another_revision_are_found(self, tmp_path: Path) -> None:
        """Who ran the model card's own code has the file under the commit of `main`."""
        link = lay_out(tmp_path / "hub", revision=OTHER_REVISION)
        assert locate(BackboneConfig(cache_dir=str(tmp_path / "hub"), sha256=DIGEST), tmp_path).path == link

    def test_other_bytes_name_both_hashes_and_what_to_do(self, tmp_path: Path) -> None:
        link = lay_out(tmp_path / "hub", b"damaged")
        with pytest.raises(BackboneError) as error:
            locate(BackboneConfig(cache_dir=str(tmp_path / "hub"), sha256=DIGEST), tmp_path)
        for part in (DIGEST, sha256(b"damaged").hexdigest(), "delete the file", f"backbone.path={link}"):
            assert part in str(error.value)

    def test_the_released_hash_makes_it_released(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "RELEASED_SHA256", DIGEST)
        lay_out(tmp_path / "hub")
        found = locate(BackboneConfig(cache_dir=str(tmp_path / "hub"), sha256=DIGEST), tmp_path)
        assert found.released
        assert found.notice is None


@pytest.mark.usefixtures("no_download")
class TestLocal:
    def test_other_weights_are_allowed_and_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.pt"
        path.write_bytes(WEIGHTS)
        found = locate(BackboneConfig(path=str(path)), tmp_path)
        assert found.sha256 == DIGEST
        assert found.notice is not None
        assert "not the released" in found.notice
        assert DIGEST[:12] in found.notice
        assert "\n" not in found.notice

    def test_a_hash_the_user_names_is_meant(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.pt"
        path.write_bytes(WEIGHTS)
        assert locate(BackboneConfig(path=str(path), sha256=DIGEST), tmp_path).sha256 == DIGEST
        with pytest.raises(BackboneError, match=rf"sha256 is {DIGEST}, but backbone\.sha256={'0' * 64}"):
            locate(BackboneConfig(path=str(path), sha256="0" * 64), tmp_path)

    def test_the_home_folder_is_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "mine.pt").write_bytes(WEIGHTS)
        assert locate(BackboneConfig(path="~/mine.pt"), tmp_path).path == tmp_path / "mine.pt"

    @pytest.mark.parametrize("name", ["absent.pt", "."])
    def test_no_file_is_an_error_that_names_it(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(BackboneError, match=r"backbone\.path=.*: no such file"):
            locate(BackboneConfig(path=str(tmp_path / name)), tmp_path)


class TestNoNetwork:
    def test_unreachable_names_both_ways_out_and_downloads_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> str:
            raise AssertionError("hf_hub_download would retry for 23 s")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
        started = time.monotonic()
        with pytest.raises(BackboneError) as error:
            locate(BackboneConfig(cache_dir=str(tmp_path / "hub")), tmp_path)
        assert time.monotonic() - started < 10  # generous: the machine may be busy
        for part in (
            "Two ways out",
            f"hf download Jenthe/ECAPA2 ecapa2.pt --revision {REVISION}",
            "backbone.path=",
        ):
            assert part in str(error.value)
        assert f"copy its folder models--Jenthe--ECAPA2 into {tmp_path / 'hub'}" in str(error.value)
        assert "refused" in str(error.value)

    @pytest.mark.usefixtures("no_download")
    def test_offline_mode_does_not_even_ask(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(BackboneError, match=r"HF_HUB_OFFLINE is set\. Two ways out"):
            locate(BackboneConfig(cache_dir=str(tmp_path / "hub")), tmp_path)

    def test_a_failing_download_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> str:
            raise OSError("disk full\nand more")

        monkeypatch.setattr(hub, "why_unreachable", lambda *_: None)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
        with pytest.raises(BackboneError, match=r"the download failed \(OSError: disk full\)") as error:
            locate(BackboneConfig(cache_dir=str(tmp_path)), tmp_path)
        assert "\n" not in str(error.value)


class TestReach:
    def test_a_listening_server_is_reachable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert reach.why_unreachable(f"http://127.0.0.1:{server.getsockname()[1]}", 10) is None

    def test_a_name_lookup_that_hangs_ends_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
        started = time.monotonic()
        reason = reach.why_unreachable("https://hub.invalid", 0.2)
        release.set()
        assert reason is not None
        assert reason.startswith("no answer within 0.2 s")
        assert time.monotonic() - started < 10

    @pytest.mark.parametrize("url", ["ftp://hub", "hub", "https://"])
    def test_an_address_that_is_none(self, url: str) -> None:
        assert reach.why_unreachable(url, 5) == "not an http or https address"

    @pytest.mark.parametrize(("status", "reachable"), [(200, True), (404, True), (403, False)])
    def test_a_proxy_is_asked_for_the_page(
        self, status: int, reachable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A refused CONNECT is unreachable although the proxy answers; a plain request's page counts."""
        with Server(answering(status)) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.delenv("no_proxy", raising=False)
            url = "http://hub.invalid" if reachable else "https://hub.invalid"
            reason = reach.why_unreachable(url, 10)
        assert (reason is None) == reachable, reason


class TestMemory:
    def test_a_file_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = settled(tmp_path / "w.pt", WEIGHTS)
        assert weights.weights_sha256(path, tmp_path / "cache") == DIGEST
        monkeypatch.setattr(weights, "sha256_file", lambda _: pytest.fail("read again"))
        assert weights.weights_sha256(path, tmp_path / "cache") == DIGEST

    def test_a_changed_file_is_read_again(self, tmp_path: Path) -> None:
        path = settled(tmp_path / "w.pt", WEIGHTS)
        weights.weights_sha256(path, tmp_path / "cache")
        settled(path, WEIGHTS[::-1], age_s=50)  # same size, another time
        assert weights.weights_sha256(path, tmp_path / "cache") == sha256(WEIGHTS[::-1]).hexdigest()

    def test_a_file_of_this_moment_is_not_remembered(self, tmp_path: Path) -> None:
        (tmp_path / "w.pt").write_bytes(WEIGHTS)
        weights.weights_sha256(tmp_path / "w.pt", tmp_path / "cache")
        assert not (tmp_path / "cache" / "weights.json").exists()

    @pytest.mark.parametrize("damage", ["{", "[1]", '{"x": 3}', "\ud800"])
    def test_a_damaged_memory_is_computed_again(self, tmp_path: Path, damage: str) -> None:
        path = settled(tmp_path / "w.pt", WEIGHTS)
        (tmp_path / "weights.json").write_bytes(damage.encode(errors="surrogatepass"))
        assert weights.weights_sha256(path, tmp_path) == DIGEST
        assert json.loads((tmp_path / "weights.json").read_text())[str(path)]["sha256"] == DIGEST

    def test_a_cache_that_cannot_be_written_is_said_and_survived(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "blocked").write_text("a file where the folder should be")
        path = settled(tmp_path / "w.pt", WEIGHTS)
        assert weights.weights_sha256(path, tmp_path / "blocked") == DIGEST
        assert "cannot remember" in caplog.text


SCRIPT = """
import json, sys
from pathlib import Path
from profiling.backbones.hub import locate
from profiling.config import BackboneConfig
from profiling.errors import BackboneError
try:
    print(locate(BackboneConfig(sha256=sys.argv[1]), Path(sys.argv[2])).path)
except BackboneError as error:
    print("error:", error)
"""


def locate_elsewhere(tmp_path: Path, **environment: str) -> str:
    """Runs ``locate`` in a fresh process: huggingface_hub reads its environment on import."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("HF_") and "proxy" not in key.lower()
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, DIGEST, str(tmp_path / "cache")],
        env=clean | {"HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("variable", "folder"), [("HF_HOME", "hub"), ("HF_HUB_CACHE", "."), (None, ".cache/huggingface/hub")]
)
def test_the_environment_is_respected(tmp_path: Path, variable: str | None, folder: str) -> None:
    base = tmp_path / "there" if variable else tmp_path
    link = lay_out(base / folder)
    environment = {variable: str(base)} if variable else {}
    assert locate_elsewhere(tmp_path, HF_HUB_OFFLINE="1", **environment) == str(link)


def test_offline_in_the_environment_is_the_error(tmp_path: Path) -> None:
    assert locate_elsewhere(tmp_path, HF_HUB_OFFLINE="1").startswith("error: ecapa2.pt of Jenthe/ECAPA2")


def test_the_file_is_downloaded_from_a_hub(tmp_path: Path) -> None:
    """A stand-in of the hub on this machine, the real client, and the second time no server at all."""
    with Server(HubStandIn) as endpoint:
        environment = {"HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        first = locate_elsewhere(tmp_path, **environment)
    assert Path(first).read_bytes() == WEIGHTS
    assert Path(first).parts[-4:] == ("models--Jenthe--ECAPA2", "snapshots", REVISION, "ecapa2.pt")
    assert locate_elsewhere(tmp_path, HF_ENDPOINT=endpoint) == first


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def settled(path: Path, data: bytes, age_s: float = 100) -> Path:
    """A file last written a while ago."""
    path.write_bytes(data)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.fixture(autouse=True)
def hub_as_shipped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own hub settings and proxies do not reach these tests."""
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield
