"""Is a store what it was when it was written? And setting aside what is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from profiling.errors import StoreError
from profiling.features import quarantine, spec
from profiling.features.key import FeatureKey
from profiling.features.shard import NAME_DIGITS, SUFFIX, DamagedShardError, open_shard
from profiling.features.spec import Spec, read_spec, write_spec
from profiling.features.temporary import is_temporary, stale_reason
from profiling.provenance import fsync_folder, sha256_file

DAMAGED_FOLDER = "damaged"

_MAGIC = b"ARROW1"  # the first and the last six bytes of an Arrow IPC file


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a store.

    Attributes:
        kind: ``spec`` (missing, unreadable or edited), ``truncated``, ``altered``, ``unreadable``,
            ``temporary`` (left behind by a writer that has ended), ``foreign`` (no file of a store).
        path: the file.
        detail: one line.
    """

    kind: Literal["spec", "truncated", "altered", "unreadable", "temporary", "foreign"]
    path: Path
    detail: str

    @property
    def damaged_shard(self) -> bool:
        """Whether :func:`repair` sets the file aside."""
        return self.kind in ("truncated", "altered", "unreadable")

    def __str__(self) -> str:
        return f"{self.kind}: {self.path.name}: {self.detail}"


def verify(folder: Path) -> list[Problem]:
    """Reads every byte of a store: the hash of each shard, the checksum of each row, everything else there.

    Writers may be at work; what they publish meanwhile is checked next time.

    Raises:
        StoreError: there is no such folder.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such feature store")
    try:
        found: Spec | None = read_spec(folder)
        problems = []
    except StoreError as error:
        found, problems = None, [Problem("spec", folder / spec.FILE_NAME, str(error))]
    for path in sorted(folder.iterdir()):
        problems += _problems(path, found)
    return problems


def _problems(path: Path, found: Spec | None) -> Iterator[Problem]:
    if is_temporary(path):
        if reason := stale_reason(path):
            yield Problem("temporary", path, f"{reason}; `profiling cache prune` removes it")
    elif path.suffix == SUFFIX:
        yield from _shard_problems(path, found)
    elif path.name not in (spec.FILE_NAME, quarantine.FILE_NAME, DAMAGED_FOLDER):
        yield Problem("foreign", path, "not part of a store; move it elsewhere")


def _shard_problems(path: Path, found: Spec | None) -> Iterator[Problem]:
    try:
        content = sha256_file(path)[:NAME_DIGITS]
        altered = _altered(path, found) if found else []
    except FileNotFoundError:
        return  # merged into another shard meanwhile
    except DamagedShardError as error:
        yield _unreadable(path, error.reason)
        return
    except OSError as error:
        yield Problem("unreadable", path, error.strerror or str(error))
        return
    if altered:
        yield Problem("altered", path, f"checksums do not fit: {', '.join(altered)}")
    elif not path.name.startswith(content):
        yield Problem("altered", path, f"its bytes give {content}, its name says {path.name[:NAME_DIGITS]}")


def _altered(path: Path, found: Spec) -> list[str]:
    shard = open_shard(path, found)
    bad = {label: len(shard.altered_rows(label, range(len(shard)))) for label in shard.layers}
    return [f"{label} in {count} of {len(shard)} rows" for label, count in bad.items() if count]


def _unreadable(path: Path, reason: str) -> Problem:
    data = path.read_bytes()
    if data.startswith(_MAGIC) and not data.endswith(_MAGIC):
        return Problem("truncated", path, f"{len(data)} bytes, the end of the file is missing ({reason})")
    return Problem("unreadable", path, reason)


def repair(folder: Path, problems: list[Problem] | None = None) -> list[Path]:
    """Moves damaged shards to ``damaged/``, never deletes; the next extraction recomputes their rows.

    Args:
        folder: of the store.
        problems: of :func:`verify`, which is run if they are not given.

    Returns:
        Where the files are now.
    """
    moved = []
    for problem in verify(folder) if problems is None else problems:
        if problem.damaged_shard and problem.path.exists():
            moved.append(set_aside(problem.path))
    if moved:
        fsync_folder(folder / DAMAGED_FOLDER)
        fsync_folder(folder)
    return moved


def set_aside(path: Path) -> Path:
    """Moves a damaged file to ``damaged/``; another process may have been faster.

    Raises:
        StoreError: it cannot be moved, as where nobody may write.
    """
    target = path.parent / DAMAGED_FOLDER / path.name
    try:
        target.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.rename(target)
    except OSError as error:
        raise StoreError(
            f"{path} is damaged and cannot be moved to {target.parent}: {error.strerror}"
        ) from error
    return target


def mend_spec(folder: Path, key: FeatureKey, layers: Mapping[str, int], training: str) -> bool:
    """Writes an edited or unreadable ``spec.json`` anew; the old one is set aside.

    Only where every shard says by itself that it belongs to ``key``.

    Returns:
        False where there is nothing to mend: no file, or one that was not edited.
    """
    file = folder / spec.FILE_NAME
    try:
        read_spec(folder)
    except StoreError:
        if not file.exists():
            return False
    else:
        return False
    own = Spec(key, layers, training, "", {})
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            open_shard(path, own)
        except (DamagedShardError, FileNotFoundError):
            return False
    set_aside(file)
    write_spec(folder, key, layers, training)
    return True
