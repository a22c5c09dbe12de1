"""What ``profiling cache`` does: list stores, verify, repair, compact and prune them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from profiling.errors import StoreError, did_you_mean
from profiling.features import quarantine, spec
from profiling.features.catalog import Catalog, list_shards
from profiling.features.compact import COMPACT_SHARD_BYTES, Compaction, compact
from profiling.features.index import RowIndex
from profiling.features.key import KeyArray, RowKey, pack_keys, perturbations_of
from profiling.features.rewrite import rewrite
from profiling.features.shard import DamagedShardError, Shard, open_shard
from profiling.features.spec import Spec, read_spec
from profiling.features.store import FeatureStore
from profiling.features.temporary import is_temporary, stale_reason
from profiling.features.verify import DAMAGED_FOLDER, Problem, repair, verify
from profiling.provenance import fsync_folder

__all__ = [
    "Compaction",
    "Problem",
    "Pruning",
    "StoreInfo",
    "compact",
    "ls",
    "prune",
    "remove_stores",
    "repair",
    "verify",
]


@dataclass(frozen=True)
class StoreInfo:
    """One line of ``profiling cache ls``.

    Attributes:
        folder: of the store.
        backbone, training, precision, dtype, created: of ``spec.json``; empty if that is damaged.
        perturb: steps that every recording went through, empty for recordings as they are.
        rows: layer -> rows that have it.
        shards: files that can be read.
        num_bytes: size of everything in the folder.
        problems: damaged shards and a damaged ``spec.json``, one line each.
    """

    folder: Path
    backbone: str = ""
    training: str = ""
    precision: str = ""
    dtype: str = ""
    created: str = ""
    perturb: Sequence[str] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    shards: int = 0
    num_bytes: int = 0
    problems: Sequence[str] = ()


def ls(root: Path) -> list[StoreInfo]:
    """Describes every store in a folder, damaged ones too; reads keys, not features."""
    if not root.is_dir():
        return []
    return [_info(folder) for folder in sorted(root.iterdir()) if (folder / spec.FILE_NAME).is_file()]


def _info(folder: Path) -> StoreInfo:
    num_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        found = read_spec(folder)
    except StoreError as error:
        return StoreInfo(folder, num_bytes=num_bytes, problems=[str(error)])
    shards, problems = _readable(folder, found)
    catalog = Catalog(folder, found, shards)
    rows = {label: len(catalog.rows_with([label])) for label in found.layers}
    return StoreInfo(
        folder,
        backbone=found.key.name,
        training=found.training,
        precision=found.key.precision,
        dtype=found.key.dtype,
        created=found.created,
        perturb=perturbations_of(found.key),
        rows={label: count for label, count in rows.items() if count},
        shards=len(shards),
        num_bytes=num_bytes,
        problems=problems,
    )


def _readable(folder: Path, found: Spec) -> tuple[dict[str, Shard], list[str]]:
    shards, problems = {}, []
    for name in sorted(list_shards(folder)):
        try:
            shards[name] = open_shard(folder / name, found)
        except FileNotFoundError:
            continue  # merged into another shard meanwhile
        except DamagedShardError as error:
            problems.append(f"{name}: {error.reason}")
    return shards, problems


@dataclass(frozen=True)
class Pruning:
    """What ``prune`` or ``remove_stores`` removed, or would remove.

    Attributes:
        rows: rows (times shards that hold them) without a reference.
        files: files that go.
        num_bytes: what is freed, in bytes; for rows the size of their features.
        applied: False for a dry run.
    """

    rows: int
    files: Sequence[Path]
    num_bytes: int
    applied: bool


def prune(
    store: FeatureStore,
    keep: Iterable[RowKey] | None = None,
    *,
    damaged: bool = False,
    dry_run: bool = True,
    shard_bytes: int = COMPACT_SHARD_BYTES,
) -> Pruning:
    """Removes what nobody needs: temporary files without a writer, and what is named here.

    Args:
        store: to prune.
        keep: rows that stay, such as all keys of the manifests in use; None keeps every row.
        damaged: also what ``repair`` has set aside.
        dry_run: only say what would go.
        shard_bytes: of the shards that replace those with rows to drop.

    Raises:
        StoreError: a damaged shard, or no room to write the rows that stay.
    """
    files = [path for path in store.folder.iterdir() if is_temporary(path) and stale_reason(path)]
    if damaged:
        files += sorted((store.folder / DAMAGED_FOLDER).glob("*"))
    num_bytes = sum(path.stat().st_size for path in files)
    kept = None if keep is None else pack_keys(list(keep))
    dropped = {} if kept is None else _dropped(store.refresh().shards, kept)
    itemsize = np.dtype(store.key.dtype).itemsize
    for shard, count in dropped.values():
        num_bytes += count * itemsize * sum(values.shape[1] for values in shard.layers.values())
    if not dry_run:
        if dropped:
            shards = [shard for shard, _ in dropped.values()]
            rewrite(store.folder, store.spec, shards, shard_bytes=shard_bytes, keep=kept)
        _unlink(files, store.folder)
    return Pruning(sum(count for _, count in dropped.values()), files, num_bytes, not dry_run)


def _dropped(shards: Sequence[Shard], kept: KeyArray) -> dict[str, tuple[Shard, int]]:
    index = RowIndex(kept)
    counts = {shard.path.name: int((index.find(shard.words) < 0).sum()) for shard in shards}
    return {shard.path.name: (shard, counts[shard.path.name]) for shard in shards if counts[shard.path.name]}


def remove_stores(root: Path, names: Sequence[str], *, dry_run: bool = True) -> Pruning:
    """Removes whole stores by folder name. A file that is not part of a store stays, and its folder with it.

    Raises:
        StoreError: no store of that name; nothing is removed then.
    """
    known = [info.folder.name for info in ls(root)]
    for name in names:
        if name not in known:
            raise StoreError(f"{root} has no store {name!r}; {did_you_mean(name, known)}")
    files = [path for name in names for path in _own_files(root / name)]
    num_bytes = sum(path.stat().st_size for path in files)
    if not dry_run:
        for name in names:
            _unlink(_own_files(root / name), root / name)
            _remove_if_empty(root / name / DAMAGED_FOLDER)
            _remove_if_empty(root / name)
    return Pruning(0, files, num_bytes, not dry_run)


def _own_files(folder: Path) -> list[Path]:
    """Shards first, ``spec.json`` last: a kill in between leaves a smaller store."""
    own = [folder / name for name in sorted(list_shards(folder))]
    own += [path for path in sorted(folder.iterdir()) if is_temporary(path)]
    own += sorted((folder / DAMAGED_FOLDER).glob("*"))
    named = [folder / quarantine.FILE_NAME, folder / spec.FILE_NAME]
    return own + [path for path in named if path.exists()]


def _unlink(files: Sequence[Path], folder: Path) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    fsync_folder(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
