"""sha256 of weights files, remembered by (path, size, mtime): a start does not read 109 MB again."""

from __future__ import annotations

import time
from pathlib import Path

from profiling.backbones.memory import remember, remembered
from profiling.provenance import sha256_file

#: A file younger than this may still change without its (coarse) mtime changing.
_SETTLED_S = 2.0


def weights_sha256(path: Path, cache: Path) -> str:
    """sha256 of a file, from memory where the file has not changed since.

    Args:
        path: the file.
        cache: folder of the memory, ``weights.json``; absent, damaged or read-only is fine.
    """
    memory, real = cache / "weights.json", path.resolve()
    status = real.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    known = remembered(memory)
    entry = known.get(str(real))
    if isinstance(entry, dict) and entry.get("stamp") == stamp and isinstance(entry.get("sha256"), str):
        return str(entry["sha256"])
    digest = sha256_file(real)
    if time.time() - status.st_mtime > _SETTLED_S:
        remember(memory, known | {str(real): {"stamp": stamp, "sha256": digest}})
    return digest
