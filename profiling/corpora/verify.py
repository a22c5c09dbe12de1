"""Does every row of a manifest have its recording? Three depths: it exists, its bytes, its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from profiling.audio import hash_file, load_audio
from profiling.errors import AudioError, ConfigError, did_you_mean

PROBLEM_COLUMNS = ("utt_id", "path", "stage", "reason")


class Row(NamedTuple):
    """What a check needs of a manifest row."""

    utt_id: str
    path: str
    start_sample: int
    end_sample: int
    audio_sha256: str | None


def verify_manifest(table: pd.DataFrame, depth: str = "exists", workers: int = 2) -> pd.DataFrame:
    """Checks every row.

    Args:
        table: a manifest.
        depth: ``exists`` (a file, not empty), ``hash`` (its sha256 where the manifest has one),
            ``decode`` (hash, and its span decodes to finite, audible samples).
        workers: threads.

    Returns:
        One row per problem: utt_id, path, stage, reason; empty if all is well.

    Raises:
        ConfigError: an unknown depth.
    """
    if depth not in DEPTHS:
        raise ConfigError(f"depth={depth}: {did_you_mean(depth, DEPTHS)}")
    check = DEPTHS[depth]
    rows = [Row(*values) for values in table[list(Row._fields)].itertuples(index=False, name=None)]
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(lambda row: _problem(row, check), rows))
    return pd.DataFrame(
        [problem for problem in found if problem], columns=list(PROBLEM_COLUMNS), dtype=object
    )


def _problem(row: Row, check: Callable[[Row], None]) -> tuple[str, str, str, str] | None:
    try:
        check(row)
    except AudioError as error:
        return row.utt_id, row.path, error.stage, error.reason
    return None


def _check_exists(row: Row) -> None:
    path = Path(row.path)
    try:
        if not path.is_file():
            raise AudioError("open", f"{path}: {'not a file' if path.exists() else 'no such file'}")
        if path.stat().st_size == 0:
            raise AudioError("open", f"{path}: 0 bytes")
    except OSError as error:
        raise AudioError("open", f"{path}: {error.strerror}") from error


def _check_hash(row: Row) -> None:
    _check_exists(row)
    _compare(row, hash_file(Path(row.path)))


def _check_decodes(row: Row) -> None:
    _check_exists(row)
    _compare(row, load_audio(Path(row.path), row.start_sample, row.end_sample).audio_sha256)


def _compare(row: Row, sha256: str) -> None:
    if row.audio_sha256 is not None and sha256 != row.audio_sha256:
        raise AudioError(
            "check", f"{row.path}: sha256 {sha256[:12]}…, the manifest says {row.audio_sha256[:12]}…"
        )


DEPTHS: Mapping[str, Callable[[Row], None]] = {
    "exists": _check_exists,
    "hash": _check_hash,
    "decode": _check_decodes,
}
