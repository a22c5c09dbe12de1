"""The endpoint in this process: equal to ``profiling predict``, every refusal in words, nothing kept."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from profiling.predict.profiler import Profiler
from profiling.serve import app as application
from profiling.serve.app import PAGE, build_app
from profiling.serve.desk import Desk
from profiling.serve.limits import Limits
from profiling.serve.server import allowed_hosts
from tests.recordings import encode, speechlike, tone, write
from tests.serving import left_behind
from tests.test_predict_command import alike, odd, spoil
from tests.trained import ROOT, call

WAV = encode(speechlike(2.5), 16_000, "wav")


def client_of(profilers: list[Profiler], limits: Limits) -> TestClient:
    app = build_app(Desk(profilers, limits, "energy"), allowed_hosts("127.0.0.1"))
    return TestClient(app, base_url="http://localhost")


@pytest.fixture
def client(profilers: list[Profiler], kept: Path) -> Iterator[TestClient]:
    with client_of(profilers, Limits(max_mb=1, max_seconds=20)) as opened:
        yield opened
    assert not left_behind(kept)


@pytest.mark.parametrize("timeline", [None, 0.5])
def test_the_answer_is_that_of_predict(
    client: TestClient, tmp_path: Path, timeline: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROFILING_DATA", str(tmp_path / "nothing"))
    (tmp_path / "call.wav").write_bytes(WAV)
    monkeypatch.chdir(tmp_path)
    asked = ["--timeline", str(timeline), "--vad", "energy"] if timeline else []
    predicted = json.loads(call("predict", "call.wav", *asked).out)
    query = {"timeline": timeline} if timeline else {}
    form = client.post("/api/predict", files={"file": ("call.wav", WAV)}, params=query)
    raw = client.post("/api/predict", content=WAV, params={**query, "name": "call.wav"})
    assert (form.status_code, raw.status_code) == (200, 200)
    assert form.json() == raw.json()
    assert alike(form.json(), predicted)
    assert ("timeline" in predicted) == bool(timeline)


def test_bad_and_odd_recordings(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    wrong, fine = spoil(folder), odd(folder)
    for name, reason in wrong.items():
        answer = client.post("/api/predict", files={"file": (name, (folder / name).read_bytes())})
        assert answer.status_code == 422, name
        assert reason in answer.json()["error"]
        assert tempfile.gettempdir() not in answer.text
        assert name in answer.json()["error"] or "samples at 16 kHz" in answer.json()["error"]
    for name in fine:
        data = (folder / name).read_bytes()
        if len(data) < 1_000_000:
            answer = client.post("/api/predict", files={"file": (name, data)})
            assert (answer.status_code, answer.json()["path"]) == (200, name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/cron.d/evil.wav", "evil.wav"),
        ("..\\..\\windows\\a.wav", "a.wav"),
        ("..", "recording"),
        ("", "recording"),
        ("a\x00b\n.wav", "ab.wav"),
        ("%2e%2e%2fa.wav", "%2e%2e%2fa.wav"),
        ("x" * 5000 + ".wav", "x" * 200),
    ],
)
def test_a_name_is_never_a_path(client: TestClient, kept: Path, name: str, shown: str) -> None:
    answer = client.post("/api/predict", content=WAV, params={"name": name})
    assert (answer.status_code, answer.json()["path"]) == (200, shown)
    if name and "\n" not in name and len(name) < 1000:  # a longer one does not fit into a header
        form = client.post("/api/predict", files={"file": (name, WAV)})
        assert form.json()["path"] == shown
    assert not list(kept.parent.rglob("passwd"))


def test_too_large_is_refused_by_its_header_and_while_it_comes(client: TestClient) -> None:
    data = bytes(1_000_001)
    said = client.post("/api/predict", content=data)
    assert (said.status_code, said.json()["error"][:6]) == (413, "1.0 MB")
    pulled = 0

    def pieces() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield bytes(100_000)

    endless = client.post(
        "/api/predict", content=(piece for piece, _ in zip(pieces(), range(50), strict=False))
    )
    assert endless.status_code == 413
    assert "up to 1 MB" in endless.json()["error"]


def test_too_long(client: TestClient) -> None:
    flac = encode(tone(30.0, level=0.01), 16_000, "flac")
    answer = client.post("/api/predict", files={"file": ("a.flac", flac)})
    assert answer.status_code == 413
    assert "30 s: this server takes up to 20 s" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/page/../app.py", 404, "Not Found"),
        ("GET", "/page/%2e%2e/app.py", 404, "Not Found"),
        ("GET", "/api/predict", 405, "Method Not Allowed"),
        ("POST", "/api/predict?timeline=x", 400, "timeline=x"),
        ("POST", "/api/predict?timeline=0.1", 400, "timeline=0.1: at least 0.5"),
        ("POST", "/api/predict?timeline=nan", 400, "timeline=nan"),
        ("POST", "/api/predict?channel=left", 400, "channel=left"),
        ("POST", "/api/predict?channel=each", 400, "one channel at a time"),
        ("POST", "/api/predict", 422, "0 bytes"),
    ],
)
def test_errors_are_json(client: TestClient, method: str, path: str, status: int, reason: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_forms_that_are_none(client: TestClient) -> None:
    no_file = client.post("/api/predict", data={"a": "b"}, files={"": ("", b"")})
    two = client.post("/api/predict", files=[("file", ("a.wav", WAV)), ("file", ("b.wav", WAV))])
    broken = client.post(
        "/api/predict", content=b"nothing", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    for answer in (no_file, two, broken):
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["error"]
    assert "Too many files" in two.json()["error"]


def test_a_channel_of_its_own(client: TestClient, tmp_path: Path) -> None:
    import numpy as np

    both = np.stack([speechlike(1.5, seed=1), speechlike(1.5, seed=2)], 1)
    stereo = write(tmp_path / "a.wav", both).read_bytes()
    rows = [client.post(f"/api/predict?channel={c}", content=stereo).json() for c in ("0", "1", "mix")]
    assert [row["channel"] for row in rows] == ["0", "1", "mix"]
    assert len({row["age"]["value"] for row in rows}) == 3
    missing = client.post("/api/predict?channel=7", content=stereo)
    assert (missing.status_code, "no channel '7'" in missing.json()["error"]) == (422, True)


def test_who_answers(client: TestClient, profilers: list[Profiler]) -> None:
    said = client.get("/api/profilers").json()
    assert [one["profiler"] for one in said["profilers"]] == [one.name for one in profilers]
    age, gender = said["profilers"]
    assert (gender["labels"], age["unit"]) == (list(profilers[1].bundle.spec.head.labels), "years")
    assert "check anybody's age" in age["not_for"]
    assert age["backbone"] == profilers[0].backbone_name
    assert said["limits"] == {"max_mb": 1, "max_seconds": 20, "queue": 64}
    assert client.get("/healthz").json() == {"status": "ok", "requests": 0, "queue": 64}


def test_another_name_of_the_server_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "[::1]:8000"}).status_code == 200


def test_openapi_names_the_routes(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/api/predict", "/api/profilers", "/healthz"}
    predict = schema["paths"]["/api/predict"]["post"]
    assert {"multipart/form-data", "application/octet-stream"} == set(predict["requestBody"]["content"])
    assert {"200", "400", "408", "413", "422", "503"} <= set(predict["responses"])


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    pages = {"/": client.get("/"), "/docs": client.get("/docs")}
    for answer in pages.values():
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for link in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
            assert link.startswith(("/", "data:,")), link
            if link.startswith("/"):
                assert client.get(link).status_code == 200, link
    for file in PAGE.iterdir():
        assert not re.search(r"(https?:)?//[a-z]+\.", file.read_text(encoding="utf-8")), file.name
        for module in re.findall(r'from "\./([^"]+)"', file.read_text(encoding="utf-8")):
            assert (PAGE / module).is_file()


def test_a_mistake_of_ours_is_json_too(
    profilers: list[Profiler], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiling.serve.desk.Panel.__call__", lambda *_: 1 // 0)
    app = build_app(Desk(profilers, Limits(), "energy"))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.post("/api/predict", content=WAV)
        assert (answer.status_code, "log says more" in answer.json()["error"]) == (500, True)
        assert client.get("/healthz").json()["requests"] == 0
    assert not left_behind(kept)
    assert application.PAGE.is_dir()


def test_the_docs_name_the_defaults() -> None:
    text = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    most = Limits()
    for said in (
        f"`--max-mb` ({most.max_mb:g})",
        f"`--max-seconds` ({most.max_seconds:g})",
        f"`--queue` ({most.queue})",
        f"longer than {most.upload_s:g} s",
    ):
        assert said in text
    for picture in re.findall(r"\((screenshots/[^)]+)\)", text):
        assert (ROOT / "docs" / picture).is_file()
