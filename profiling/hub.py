"""Bundles on the Hugging Face hub: fetched at a revision, pushed with their card. Never pickle.

The hub's cache is looked at first, and one quick connection says whether the hub answers at all:
its own client retries for 23 seconds before it gives up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from profiling.backbones.reach import patience_s, why_unreachable
from profiling.bundle import Bundle, bundle_files, read_bundle
from profiling.card import CARD, model_card
from profiling.errors import BundleError

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAIN = "main"


def is_hub_id(name: str) -> bool:
    """Whether a name looks like ``user/name`` and no such folder is here.

    >>> is_hub_id("somebody/emotion-head"), is_hub_id("./runs/a"), is_hub_id("a/b/c")
    (True, False, False)
    """
    return _ID.fullmatch(name) is not None and not Path(name).exists()


def locate(name: str | Path, revision: str | None = None) -> Path:
    """The folder of a bundle that is a path or a hub id, ``user/name`` or ``user/name@revision``.

    Raises:
        BundleError: a revision of a path; a hub id that is neither cached nor reachable.
    """
    if isinstance(name, str):
        repo_id, _, after = name.partition("@")
        if is_hub_id(repo_id) and not Path(name).exists():
            return fetch(repo_id, revision or after or None)
    if revision is not None:
        raise BundleError(f"revision={revision}: {name} is a folder; revisions are for user/name on the hub")
    return Path(name).expanduser()


def fetch(repo_id: str, revision: str | None = None) -> Path:
    """A bundle from the hub, or from its cache where that has the very revision.

    Args:
        repo_id: ``user/name``.
        revision: branch, tag or commit; None is ``main``. A commit in the cache is never asked for again.

    Returns:
        The folder of the snapshot.

    Raises:
        BundleError: not cached and not reachable; no such repository or revision; not a bundle.
    """
    from huggingface_hub import constants

    wanted = revision or _MAIN
    cached = _cached(repo_id, wanted)
    if cached is not None and _COMMIT.fullmatch(wanted):
        return cached
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _unreachable()
    if reason:
        raise BundleError(_way_out(repo_id, wanted, reason, cached))
    try:
        return _download(repo_id, wanted)
    except Exception as error:
        raise BundleError(f"{repo_id} at {wanted}: {_said(error)}") from error


def push(run: Path, repo_id: str, *, private: bool = False, branch: str = _MAIN) -> str:
    """Puts a bundle with its card on the hub, in one commit.

    Args:
        run: a run folder or a bundle folder; it is read and checked first.
        repo_id: ``user/name``; made when it does not exist.
        private: of a repository that is made.
        branch: made when it does not exist.

    Returns:
        The commit, 40 hex digits: the ``revision`` to load it by.

    Raises:
        BundleError: a damaged bundle; not logged in; the hub refused or cannot be reached.
    """
    from huggingface_hub import HfApi

    bundle = read_bundle(run)
    if not _ID.fullmatch(repo_id):
        raise BundleError(f"{repo_id}: name a repository as user/name")
    if reason := _unreachable():
        raise BundleError(f"{reason}; nothing was pushed")
    said = f"{bundle.spec.task['name']} profiler {bundle.signature[:16]}"
    api = HfApi()
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch != _MAIN:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        done = api.create_commit(repo_id, _additions(bundle, repo_id), commit_message=said, revision=branch)
    except Exception as error:
        raise BundleError(
            f"{repo_id}: {_said(error)}; nothing was pushed (not logged in? hf auth login)"
        ) from error
    return str(done.oid)


def _additions(bundle: Bundle, repo_id: str) -> list[Any]:
    """A bundle's own files and its card; nothing else in the folder travels."""
    from huggingface_hub import CommitOperationAdd

    files = {name: (bundle.folder / name).read_bytes() for name in bundle_files()}
    files[CARD] = model_card(bundle.spec, repo_id).encode()
    return [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]


def _download(repo_id: str, revision: str) -> Path:
    """Every file of one commit: the first says which, the others are asked of that."""
    from huggingface_hub import hf_hub_download

    first, *others = bundle_files()
    with _without_bars():  # a few kilobytes
        folder = Path(hf_hub_download(repo_id, first, revision=revision)).parent
        for name in others:
            hf_hub_download(repo_id, name, revision=folder.name)
    return folder


@contextmanager
def _without_bars() -> Iterator[None]:
    """The hub's progress bars are a switch of the whole process: left as it was found."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _cached(repo_id: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo_id, name, revision=revision) for name in bundle_files()]
    paths = [Path(path) for path in found if isinstance(path, str)]
    return paths[0].parent if len(paths) == len(found) else None


def _unreachable() -> str | None:
    from huggingface_hub import constants

    reason = why_unreachable(constants.ENDPOINT, patience_s())
    return f"{constants.ENDPOINT} cannot be reached ({reason})" if reason else None


def _way_out(repo_id: str, revision: str, reason: str, cached: Path | None) -> str:
    if cached is not None:
        return f"{repo_id} at {revision}: {reason}; what is cached is {cached.name}: ask for revision={cached.name}"
    return (
        f"{repo_id} at {revision} is no folder here and not in the hub's cache, and {reason}; give a bundle"
        " folder, or fetch it where there is a network and copy it"
    )


def _said(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
