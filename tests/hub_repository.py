"""A stand-in of the hub's endpoints for one user's repositories: create, commit, list, download. In memory."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
from typing import ClassVar


class HubRepositories(http.server.BaseHTTPRequestHandler):
    """Keeps every commit of every repository; subclass it for a fresh one.

    Attributes:
        commits: repository -> commit -> file -> bytes.
        branches: (repository, branch) -> commit.
        asked: method and path of every request.
    """

    protocol_version = "HTTP/1.1"
    commits: ClassVar[dict[str, dict[str, dict[str, bytes]]]]
    branches: ClassVar[dict[tuple[str, str], str]]
    asked: ClassVar[list[str]]

    @classmethod
    def fresh(cls) -> type[HubRepositories]:
        """Without any repository."""
        return type("Fresh", (cls,), {"commits": {}, "branches": {}, "asked": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(f"POST {self.path}")
        if self.headers.get("Authorization") != "Bearer hf_stand_in":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if found := re.fullmatch(r"/api/models/(.+/.+)/preupload/(.+)", self.path):
            files = [f["path"] for f in json.loads(body)["files"]]
            listed = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]
            return self.answer(200, {"files": listed})
        if found := re.fullmatch(r"/api/models/(.+/.+)/branch/(.+)", self.path):
            repo, branch = found.groups()
            self.branches[repo, branch] = self.branches[repo, "main"]
            return self.answer(200, {})
        if found := re.fullmatch(r"/api/models/(.+/.+)/commit/(.+)", self.path):
            return self._commit(*found.groups(), body)
        return self.answer(404, {"error": f"no endpoint {self.path}"})

    def _create(self, asked: dict[str, str]) -> None:
        repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
        known = repo in self.commits
        if not known:
            self.commits[repo] = {"0" * 40: {}}
            self.branches[repo, "main"] = "0" * 40
        self.answer(409 if known else 200, {"url": f"http://{self.headers['Host']}/{repo}"})

    def _commit(self, repo: str, branch: str, body: bytes) -> None:
        files = dict(self.commits[repo][self.branches[repo, branch]])
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        commit = hashlib.sha1(body + str(len(self.commits[repo])).encode()).hexdigest()
        self.commits[repo][commit] = files
        self.branches[repo, branch] = commit
        url = f"http://{self.headers['Host']}/{repo}/commit/{commit}"
        self.answer(200, {"commitUrl": url, "commitOid": commit, "success": True})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self.path.split("?")[0]):
            repo, revision = found.groups()
            return self._info(repo, revision or "main")
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path):
            return self._file(*found.groups())
        return self.answer(200, {})  # the reachability check

    def _resolve(self, repo: str, revision: str) -> str | None:
        commit = self.branches.get((repo, revision), revision)
        return commit if commit in self.commits.get(repo, {}) else None

    def _info(self, repo: str, revision: str) -> None:
        if repo not in self.commits:
            return self.answer(404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
        commit = self._resolve(repo, revision)
        if commit is None:
            return self.answer(404, {"error": "not found"}, {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name} for name in self.commits[repo][commit]]
        return self.answer(200, {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings})

    def _file(self, repo: str, revision: str, name: str) -> None:
        commit = self._resolve(repo, revision)
        files = self.commits[repo][commit] if commit else {}
        if name not in files:
            missing = {
                True: "EntryNotFound",
                False: "RevisionNotFound" if repo in self.commits else "RepoNotFound",
            }
            self.answer(404, {"error": "not found"}, {"X-Error-Code": missing[commit is not None]})
            return
        content = files[name]
        self.send_response(200)
        self.send_header("X-Repo-Commit", str(commit))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
