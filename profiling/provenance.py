"""What a result came from: canonical JSON, hashes, signatures, the environment, and atomic writes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import IO, Any

_READ_BYTES = 1 << 20
_PACKAGES = (
    "torch",
    "torchaudio",
    "pytorch-lightning",
    "hydra-core",
    "torchmetrics",
    "pandas",
    "numpy",
    "pyarrow",
    "soundfile",
    "soxr",
    "safetensors",
    "huggingface_hub",
)


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_bytes(data: bytes) -> str:
    """sha256 of ``data``, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def signature(value: object) -> str:
    """sha256 of the canonical JSON: the name of a thing that depends on ``value`` and nothing else."""
    return sha256_bytes(canonical_json(value).encode())


_SYNCED: ContextVar[bool] = ContextVar("synced_one_by_one", default=True)


@contextmanager
def synced_together() -> Iterator[Callable[[], None]]:
    """Within, files are written without an fsync each; the function it gives makes all of them durable at once.

    For thousands of small files: an fsync each costs more than everything else about them.
    """
    token = _SYNCED.set(False)
    try:
        yield os.sync
    finally:
        _SYNCED.reset(token)
        os.sync()


def sync_file(file: IO[bytes]) -> None:
    """Makes what was written to a file durable; within :func:`synced_together` that comes later."""
    file.flush()
    if _SYNCED.get():
        os.fsync(file.fileno())


def atomic_write(path: Path, data: bytes | str) -> None:
    """Writes a whole file or none: temporary file beside it, fsync, rename, fsync of the folder."""
    payload = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            sync_file(file)
        temporary.chmod(0o666 & ~_umask())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(temporary: Path, path: Path) -> None:
    """Renames a finished, fsynced temporary file to its name and makes the rename durable."""
    temporary.replace(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Makes created and renamed entries of a folder durable; within :func:`synced_together` that comes later."""
    if not _SYNCED.get():
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, value: object) -> None:
    """Atomic, indented, sorted JSON; refuses NaN."""
    atomic_write(
        path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def environment() -> dict[str, Any]:
    """Versions of what computed a result, the machine's kind and the exact command."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in ("profiling", *_PACKAGES)},
        "command": list(sys.argv),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_state(folder: Path) -> Mapping[str, str | bool] | None:
    """Commit and cleanliness of the git checkout around ``folder``; None outside of one."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if commit is None or status is None:
        return None
    return {"commit": commit, "dirty": bool(status)}


def code_state() -> Mapping[str, str | bool] | None:
    """:func:`git_state` of the checkout this package runs from; None where it was installed, from whatever folder."""
    package = Path(__file__).parent
    return git_state(package) if _git(package, "ls-files", Path(__file__).name) else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's own git, found on PATH
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
