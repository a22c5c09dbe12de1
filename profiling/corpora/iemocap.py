"""IEMOCAP: five sessions, ``SessionN/dialog/EmoEvaluation/*.txt`` beside ``SessionN/sentences/wav``.

The speaker is the session and the last letter of the turn: ``Ses01F_impro01_M003`` is the man of session 1, the
``F`` after the session only says who wore the motion-capture markers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from profiling.corpora.assembly import assemble
from profiling.corpora.cards import Card
from profiling.corpora.names import RawRow, recordings_by_stem, unlisted
from profiling.errors import ManifestError

#: ``[6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]``: valence, activation, dominance.
_TURN = re.compile(
    r"\[[\d. ]+-[\d. ]+\]\s+(?P<utt_id>(?P<session>Ses\d\d)[FM]_(?P<scene>\w+)_(?P<gender>[FM])[^_\s]+)"
    r"\s+(?P<emotion>[a-z]{3})\s+\[(?P<valence>[-\d.]+), (?P<arousal>[-\d.]+), (?P<dominance>[-\d.]+)\]"
)
#: ``C-E2:	Happiness; Excited;	()``: an evaluator's words; ``C-F1`` and ``C-M1`` are the actors' own.
_EVALUATOR = re.compile(r"C-E\d+:\s*(?P<words>[^(]*)")


def read(path: Path, card: Card, drop: Collection[str] = ()) -> pd.DataFrame:
    """Reads the sessions that are there. ``emotion`` is the publisher's consensus, none where there is none (xxx).

    Excitement stays a word of its own; ``task.scheme=superb4`` counts it as happiness.

    Raises:
        ManifestError: no session, no evaluation, a turn without its line, or a recording that lies twice.
        LabelError: a word that is not on the card.
    """
    sessions = sorted(path.glob("Session[1-9]"))
    if not sessions:
        raise ManifestError(f"{path}: no folder Session1 below it; name the folder of the full release")
    rows = [
        row for session in sessions for file in _evaluations(session) for row in _turns(file, session.name)
    ]
    found = {
        k: v for s in sessions for k, v in recordings_by_stem(s / "sentences" / "wav", card.name).items()
    }
    left_out = unlisted(found, [str(row["utt_id"]) for row in rows])
    return assemble(pd.DataFrame(rows, dtype=object), card.name, path, card.rules(tuple(drop)), left_out)


def _evaluations(session: Path) -> list[Path]:
    files = sorted(session.glob("dialog/EmoEvaluation/Ses*.txt"))
    if not files:
        raise ManifestError(f"{session / 'dialog' / 'EmoEvaluation'}: no Ses*.txt, so no labels")
    return files


def _turns(file: Path, session: str) -> Iterator[RawRow]:
    row: RawRow | None = None
    votes: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if turn := _TURN.match(line):
            yield from _finished(row, votes)
            row, votes = _row(turn, file.stem, session), Counter()
        elif line.startswith("[") and "Ses" in line:
            raise ManifestError(f"{file}: not a line of a turn: {line!r}")
        elif said := _EVALUATOR.match(line):
            words = [word.strip() for word in said["words"].split(";") if word.strip()]
            votes.update({word: 1 / len(words) for word in words})
    yield from _finished(row, votes)


def _row(turn: re.Match[str], dialog: str, session: str) -> RawRow:
    found = turn.groupdict()
    scene = str(found.pop("scene"))
    return {
        **found,
        "path": f"{session}/sentences/wav/{dialog}/{found['utt_id']}.wav",
        "speaker": f"{found['session']}{found['gender']}",
        "text_id": scene if scene.startswith("script") else None,
    }


def _finished(row: RawRow | None, votes: Counter[str]) -> Iterator[RawRow]:
    if row is not None:
        yield {**row, "emotion_votes": json.dumps(votes) if votes else None}
