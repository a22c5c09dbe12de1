"""TIMIT: NIST SPHERE files named .WAV, dates of birth in SPKRINFO.TXT, one of them unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from tests.miniatures.facts import Facts, Odd, copy, edit, remove, write_text
from tests.recordings import speechlike

TABLE = """\
;  A comment.
;ID  Sex DR Use  RecDate   BirthDate  Ht    Race Edu  Comments
CJF0  F  1  TRN  02/07/86  10/28/60   5'05"  WHT  BS
DAB0  M  1  TST  03/17/86  ??/??/??   6'00"  ???  ??   birth date unknown
"""


def sphere(file: Path, seed: int, channels: int = 1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = np.stack([speechlike(0.2, seed=seed)] * channels, axis=1)
    sf.write(file, samples, 16_000, format="NIST", subtype="PCM_16")


def build(folder: Path) -> Path:
    """A woman to train on, a man to test on, saying the sentence that all say."""
    sphere(folder / "TIMIT/TRAIN/DR1/FCJF0/SA1.WAV", 1)
    sphere(folder / "TIMIT/TEST/DR1/MDAB0/SA1.WAV", 2, channels=2)
    write_text(folder, "TIMIT/TRAIN/DR1/FCJF0/SA1.TXT", "0 3200 She had.\n")
    write_text(folder, "TIMIT/DOC/SPKRINFO.TXT", TABLE)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "timit/FCJF0_SA1",
        "speaker_id": "timit/CJF0",
        "text_id": "SA1",
        "language": "en",
        "split": "train",
        "gender": "female",
        "age_years": 25.28,  # 28 October 1960 to 7 February 1986
    },
    odd={
        "duplicate": Odd(
            copy("TIMIT/TRAIN/DR1/FCJF0/SA1.WAV", "TIMIT/TRAIN/DR2/FCJF0/SA1.WAV"),
            "1 duplicate utt_id: timit/FCJF0_SA1",
        ),
        "stray": Odd(
            copy("TIMIT/TRAIN/DR1/FCJF0/SA1.WAV", "TIMIT/TRAIN/DR1/FXYZ0/SA1.WAV"), "FXYZ0 is no speaker"
        ),
        "wrong part": Odd(
            copy("TIMIT/TRAIN/DR1/FCJF0/SA1.WAV", "TIMIT/TEST/DR1/FCJF0/SA2.WAV"),
            "CJF0 is in train by SPKRINFO",
        ),
        "riff copy": Odd(
            copy("TIMIT/TRAIN/DR1/FCJF0/SA1.WAV", "TIMIT/TRAIN/DR1/FCJF0/SA1.WAV.wav"),
            dropped={"RIFF copy of a NIST file": 1},
        ),
        "no row": Odd(
            edit("TIMIT/DOC/SPKRINFO.TXT", "CJF0  F", "CJF1  F"), "FCJF0 is no speaker of SPKRINFO"
        ),
        "no table": Odd(remove("TIMIT/DOC/SPKRINFO.TXT"), "no SPKRINFO.TXT"),
        "bad date": Odd(edit("TIMIT/DOC/SPKRINFO.TXT", "10/28/60", "28/10/60"), "'28/10/60' is no date"),
    },
)
