"""MELD: one dialogue number in all parts, a film without a row, a row without its film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from profiling.errors import LabelError
from tests.miniatures.facts import RATE_HZ, SECONDS, Facts, Odd, copy, edit, record, remove, write_text
from tests.recordings import speechlike, write_m4a

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
)
TRAIN, DEV, TEST = "train/train_splits", "dev_splits_complete", "output_repeated_splits_test"


def build(folder: Path) -> Path:
    """A film in stereo (needs PyAV) and converted recordings."""
    pytest.importorskip("av")
    record(folder, f"{DEV}/dia0_utt0.wav")
    record(folder, f"{TEST}/dia0_utt0.wav")
    record(folder, f"{TEST}/final_videos_testdia93_utt5.wav")
    film = folder / TRAIN / "dia0_utt0.mp4"
    film.parent.mkdir(parents=True)
    mono = speechlike(4 * SECONDS, RATE_HZ)
    write_m4a(film, np.stack([mono, mono], axis=1), RATE_HZ, kind="mp4")
    rows = '1,"Oh my God, he\u2019s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\n'
    gone = '2,What?,All,surprise,negative,125,3,4,7,"00:21:01,927","00:21:03,261"\n'
    write_text(folder, "train/train_sent_emo.csv", HEADER + rows + gone)
    write_text(folder, "dev_sent_emo.csv", HEADER + rows.replace("Phoebe", "Ross"))
    write_text(folder, "test_sent_emo.csv", HEADER + rows.replace("sadness", "joy"))
    return folder


FACTS = Facts(
    rows=4,
    row={
        "utt_id": "meld/train_dia0_utt0",
        "speaker_id": "meld/Phoebe",
        "session": "meld/s4e7",
        "language": "en",
        "split": "train",
        "emotion": "sad",
    },
    missing=("meld/train_dia125_utt3",),
    dropped={"recording without a row": 1},
    odd={
        "duplicate": Odd(copy(f"{TEST}/dia0_utt0.wav", f"{TEST}/dia0_utt0.mp4")),
        "stray": Odd(
            copy(f"{DEV}/dia0_utt0.wav", f"{DEV}/dia9_utt9.wav"), dropped={"recording without a row": 2}
        ),
        "twice listed": Odd(edit("train/train_sent_emo.csv", "125,3", "0,0"), "1 duplicate utt_id"),
        "word": Odd(edit("dev_sent_emo.csv", "sadness", "blue"), r"'blue' \(1 rows\)", LabelError),
        "no table": Odd(remove("test_sent_emo.csv"), "no test_sent_emo.csv"),
    },
)
