"""speechocean762: Kaldi-style lists in ``train/`` and ``test/`` beside the recordings in ``WAVE/``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card, official_speakers
from profiling.errors import ManifestError

_PREFIX = "SPEAKER"  # an early release wrote SPEAKER0001 where the later ones write 0001


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder, with its official split.

    Raises:
        ManifestError: a list that is missing, an utterance without a speaker, or a speaker in another part
            than the shipped list says.
    """
    official = official_speakers(card.name)
    rows = [row for part in ("train", "test") for row in _part(path / part, official)]
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)))


def _part(folder: Path, official: dict[str, str]) -> list[dict[str, str | None]]:
    speaker_of, gender, age = (_read_list(folder / name) for name in ("utt2spk", "spk2gender", "spk2age"))
    texts = _read_list(folder / "text") if (folder / "text").is_file() else {}
    rows: list[dict[str, str | None]] = []
    for utterance, file in _read_list(folder / "wav.scp").items():
        if utterance not in speaker_of:
            raise ManifestError(f"{folder / 'utt2spk'}: no speaker for {utterance}")
        speaker = speaker_of[utterance]
        if official.get(speaker) != folder.name:
            listed = official.get(speaker, "no part")
            raise ManifestError(f"{folder}: speaker {speaker} is in {listed} of the official split")
        found = {"path": file, "utt_id": utterance, "speaker": speaker, "split": folder.name}
        found |= {"text_id": texts[utterance].casefold()} if utterance in texts else {}
        rows.append({**found, "gender": gender.get(speaker), "age": age.get(speaker)})
    return rows


def _read_list(path: Path) -> dict[str, str]:
    """``key value`` lines."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    short = [pair for pair in pairs if len(pair) < 2]
    if short:
        raise ManifestError(f"{path}: no value beside {short[0][0]!r}")
    return {_bare(key): _bare(value.strip()) for key, value in pairs}


def _bare(word: str) -> str:
    return word.removeprefix(_PREFIX) if word.startswith(_PREFIX) and "/" not in word else word
