"""Locating the weights: local file, hub cache, download, and every way that fails."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from profiling.backbones import hub
from profiling.backbones.hub import locate
from profiling.config import BackboneConfig
from profiling.errors import BackboneError
from tests.hub_stand_in import DIGEST, OTHER_REVISION, REVISION, WEIGHTS, HubStandIn, Server, lay_out


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
        for part in (
            DIGEST,
            sha256(b"damaged").hexdigest(),
            f"delete {link.resolve()}",
            f"backbone.path={link}",
        ):
            assert part in str(error.value)

    @pytest.mark.parametrize("settings", [{"repo_id": "two words"}, {"filename": "../ecapa2.pt"}])
    def test_names_the_hub_refuses(self, tmp_path: Path, settings: dict[str, str]) -> None:
        with pytest.raises(BackboneError, match=r"^backbone\.repo_id=.*ecapa2\.pt: .") as error:
            locate(BackboneConfig(cache_dir=str(tmp_path), **settings), tmp_path)
        assert "\n" not in str(error.value)

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


SCRIPT = """
import sys
from pathlib import Path
from profiling.backbones.build import build_backbone
from profiling.backbones.hub import locate
from profiling.config import BackboneConfig
from profiling.errors import BackboneError
config, cache = BackboneConfig(sha256=sys.argv[1]), Path(sys.argv[2])
try:
    print(locate(config, cache).path)
except BackboneError:
    try:
        build_backbone(config, cache)
    except BackboneError as error:
        print("slow" if "torch" in sys.modules else "quick", "error:", error)
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
        env=clean | {"HOME": str(tmp_path), "HF_HUB_ETAG_TIMEOUT": "30", **environment},
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


def test_a_damaged_download_is_got_again_by_doing_what_the_error_says(tmp_path: Path) -> None:
    """The hub's client links a blob that is there without reading it: deleting the link is not enough."""
    link = lay_out(tmp_path / "hub", b"damaged", digest=DIGEST)
    with Server(HubStandIn) as endpoint:
        environment = {
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_CACHE": str(tmp_path / "hub"),
        }
        error = locate_elsewhere(tmp_path, **environment)
        Path(error.partition("delete ")[2].partition(",")[0]).unlink()
        assert locate_elsewhere(tmp_path, **environment) == str(link)
    assert link.read_bytes() == WEIGHTS


def test_offline_in_the_environment_is_the_error(tmp_path: Path) -> None:
    assert locate_elsewhere(tmp_path, HF_HUB_OFFLINE="1").startswith(
        "quick error: ecapa2.pt of Jenthe/ECAPA2"
    )


def test_the_file_is_downloaded_from_a_hub(tmp_path: Path) -> None:
    """A stand-in of the hub on this machine, the real client, and the second time no server at all."""
    with Server(HubStandIn) as endpoint:
        environment = {"HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        first = locate_elsewhere(tmp_path, **environment)
    assert Path(first).read_bytes() == WEIGHTS
    assert Path(first).parts[-4:] == ("models--Jenthe--ECAPA2", "snapshots", REVISION, "ecapa2.pt")
    assert locate_elsewhere(tmp_path, HF_ENDPOINT=endpoint) == first


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(autouse=True)
def hub_as_shipped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own hub settings and proxies do not reach these tests."""
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "30")  # the machine may be busy
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield
