"""VCTK: ``wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92) or ``wav48/p225/p225_001.wav`` (0.80).

Version 0.92 holds most sentences twice, through two microphones; the first is read, the second counted. A YAML
chooses: ``folder: VCTK-Corpus-0.92`` and ``microphone: mic2``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.lists import read_lines
from profiling.corpora.names import RawRow, read_names
from profiling.corpora.options import read_options
from profiling.errors import ManifestError, did_you_mean

#: Keys of the YAML, and the microphones there are.
OPTIONS = ("folder", "microphone")
MICROPHONES = ("mic1", "mic2")
_NAME = re.compile(r"(?P<speaker>[a-z]\d+)_\d{3}(_(?P<microphone>mic[12]))?")
_FOLDERS = ("wav48_silence_trimmed", "wav48")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the publisher's folder, or the one a YAML names; speakers without a row keep no labels.

    Raises:
        ManifestError: no recordings, no ``speaker-info.txt``, or a name of another form.
    """
    options = {} if path.is_dir() else read_options(path, OPTIONS)
    if not path.is_dir() and "folder" not in options:
        raise ManifestError(f"{path}: names no folder; add a line such as folder: {path.stem}")
    folder = path.parent / str(options["folder"]) if options else path
    chosen = str(options.get("microphone", MICROPHONES[0]))
    if chosen not in MICROPHONES:
        raise ManifestError(f"{path}: microphone {chosen!r}; {did_you_mean(chosen, MICROPHONES)}")
    speakers = _speakers(folder / "speaker-info.txt")
    audio = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), folder)
    named = read_names(audio, _NAME, card.name, "p225_001_mic1 (speaker, sentence, microphone)")
    rows = [row for row in named if row.pop("microphone") in (chosen, None)]
    left_out = {f"other microphone than {chosen}": len(named) - len(rows)} if len(named) > len(rows) else {}
    labelled = [{**row, **speakers.get(str(row["speaker"]), {})} for row in rows]
    return assemble(pd.DataFrame(labelled, dtype=object), card.name, audio, card.rules(tuple(drop)), left_out)


def _speakers(table: Path) -> dict[str, RawRow]:
    """``ID AGE GENDER ...``; version 0.80 writes 225 for p225."""
    found: dict[str, RawRow] = {}
    for line in read_lines(table)[1:]:
        fields = line.split()
        if len(fields) < 3:
            raise ManifestError(f"{table}: {line.strip()!r} is not: ID AGE GENDER ...")
        name = f"p{fields[0]}" if fields[0].isdecimal() else fields[0]
        found[name] = {"age": fields[1], "gender": fields[2]}
    return found
