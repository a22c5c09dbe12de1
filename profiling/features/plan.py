"""What an extraction has to do: which rows are there, which are missing, without opening remembered audio."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from profiling.audio import hash_file
from profiling.audio_index import AudioIndex, Remembered
from profiling.errors import AudioError, ConfigError
from profiling.features.decode import Utterance
from profiling.features.store import FeatureStore, RowKey


@dataclass(frozen=True)
class Plan:
    """What is there and what is not.

    Attributes:
        utterances: all that were asked for.
        keys: their rows, None where the recording's hash is not known.
        todo: indices of the utterances whose row is missing or not known, spans of a file together.
        durations_s: remembered durations by index.
    """

    utterances: list[Utterance]
    keys: list[RowKey | None]
    todo: list[int]
    durations_s: dict[int, float]


def make_plan(
    utterances: Sequence[Utterance],
    store: FeatureStore,
    layers: Sequence[str],
    remembered: Mapping[Path, Remembered],
) -> Plan:
    """Compares what is asked with what the store has.

    Args:
        utterances: spans of recordings.
        store: where rows may be.
        layers: what every row must have.
        remembered: what is known of recordings without opening them.
    """
    keys = [row_key(utterance, remembered.get(utterance.path)) for utterance in utterances]
    missing = set(store.missing([key for key in keys if key is not None], layers))
    todo = _by_file(utterances, [i for i, key in enumerate(keys) if key is None or key in missing])
    durations_s = {
        i: _seconds(utterance, remembered[utterance.path])
        for i, utterance in enumerate(utterances)
        if utterance.path in remembered
    }
    return Plan(list(utterances), keys, todo, durations_s)


def _by_file(utterances: Sequence[Utterance], todo: Sequence[int]) -> list[int]:
    """Files in the order asked, the spans of each together and in the order of time: it is then read once."""
    first: dict[Path, int] = {}
    for i in todo:
        first.setdefault(utterances[i].path, i)
    return sorted(todo, key=lambda i: (first[utterances[i].path], utterances[i].start_sample))


def row_key(utterance: Utterance, remembered: Remembered | None) -> RowKey | None:
    """The row of an utterance whose recording's hash is remembered; None where it is not."""
    if remembered is None:
        return None
    return RowKey(remembered.audio_sha256, utterance.start_sample, utterance.end_sample)


def _seconds(utterance: Utterance, known: Remembered) -> float:
    end = known.num_samples if utterance.end_sample < 0 else utterance.end_sample
    return (end - utterance.start_sample) / known.sample_rate_hz


def recall(
    utterances: Sequence[Utterance], index: AudioIndex, *, verify: bool, workers: int
) -> dict[Path, Remembered]:
    """What is known of the recordings.

    Args:
        utterances: spans of recordings.
        index: remembered hashes, trusted while a file's size and time are unchanged.
        verify: hash every file again; what no longer has its hash is forgotten.
        workers: threads that hash.
    """
    remembered = index.lookup_many({utterance.path for utterance in utterances})
    if not verify:
        return remembered
    with ThreadPoolExecutor(workers) as pool:
        same = list(pool.map(_still_has, remembered, (known.audio_sha256 for known in remembered.values())))
    altered = [path for path, unchanged in zip(remembered, same, strict=True) if not unchanged]
    index.forget(altered)
    return {path: known for path, known in remembered.items() if path not in set(altered)}


def _still_has(path: Path, audio_sha256: str) -> bool:
    try:
        return hash_file(path) == audio_sha256
    except AudioError:
        return False


def part_of(utterances: Sequence[Utterance], shard: str | None) -> list[Utterance]:
    """The utterances of ``extract.shard="3/16"``: whole files, spread by a hash of their first utterance's id.

    Ids hold no folder, so machines that keep a corpus in different places cut it alike.

    Raises:
        ConfigError: not of the form ``part/parts`` with 1 <= part <= parts.
    """
    if shard is None:
        return list(utterances)
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ConfigError(f"extract.shard={shard}: write part/parts, such as 3/16")
    named: dict[Path, str] = {}
    for u in utterances:
        named[u.path] = min(named.get(u.path, u.utt_id), u.utt_id)
    mine = {path for path, name in named.items() if zlib.crc32(name.encode()) % int(parts) == int(part) - 1}
    return [u for u in utterances if u.path in mine]
