"""Temporary files in a store: who writes them, and when nobody does any more."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import time
from functools import cache
from pathlib import Path

SUFFIX = ".tmp"
#: A temporary file older than this has no writer: a commit takes seconds.
STALE_AFTER_S = 3600.0


def temporary_path(folder: Path) -> Path:
    """A name no other process or machine uses: ``.<host>.<pid>.<random>.tmp``."""
    return folder / f".{_host()}.{os.getpid()}.{secrets.token_hex(4)}{SUFFIX}"


@cache
def _host() -> str:
    """Where a pid counts: two containers of one name, or a machine after a reboot, are different hosts."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]


def is_temporary(path: Path) -> bool:
    """Whether this is an unfinished file of ours: a reader ignores it."""
    return path.name.startswith(".") and path.name.endswith(SUFFIX)


def stale_reason(path: Path) -> str | None:
    """Why nobody will finish this temporary file; None while somebody may, or when it is gone."""
    host, pid, *_ = [*path.name.removeprefix(".").split("."), ""]
    if host == _host() and pid.isdecimal() and not _alive(int(pid)):
        return f"its writer, process {pid}, has ended"
    try:
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    return f"untouched for {age_s / 3600:.1f} h" if age_s > STALE_AFTER_S else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True
