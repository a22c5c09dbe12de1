"""LibriSpeech: readers' sexes between bars, comments with semicolons."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

TABLE = """\
; Some comments.
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 25.19 | A Reader
61   | M | test-clean       | 8.08  | Another | Reader
"""


def build(folder: Path) -> Path:
    """A woman to train on, a man to test on."""
    record(
        folder,
        "LibriSpeech/train-clean-100/19/198/19-198-0000.flac",
        "LibriSpeech/test-clean/61/70968/61-70968-0000.flac",
    )
    write_text(
        folder, "LibriSpeech/train-clean-100/19/198/19-198.trans.txt", "19-198-0000 NORTHANGER ABBEY\n"
    )
    write_text(folder, "LibriSpeech/SPEAKERS.TXT", TABLE)
    return folder


FILE = "LibriSpeech/train-clean-100/19/198/19-198-0000.flac"
FACTS = Facts(
    rows=2,
    row={
        "utt_id": "librispeech/19-198-0000",
        "speaker_id": "librispeech/19",
        "session": "librispeech/198",
        "language": "en",
        "split": "train",
        "gender": "female",
    },
    odd={
        "duplicate": Odd(
            copy(FILE, "LibriSpeech/train-other-500/19/198/19-198-0000.flac"), "1 duplicate utt_id"
        ),
        "stray": Odd(
            copy(FILE, "LibriSpeech/train-clean-100/19/198/x.flac"), "does not lie like train-clean-100"
        ),
        "no row": Odd(edit("LibriSpeech/SPEAKERS.TXT", "19   |", "20   |"), "no reader 19"),
        "no table": Odd(remove("LibriSpeech/SPEAKERS.TXT"), "cannot be read"),
    },
)
