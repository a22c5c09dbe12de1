"""aGender: lists that say .raw where the recordings were converted to .wav, a child, an unlabelled test part."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text


def build(folder: Path) -> Path:
    """A child to train on, a woman to develop on, and a recording of the test part."""
    names = ("wav_traindevel/1001/1/a11001s1.wav", "wav_test/a1.wav", "wav_traindevel/1002/1/a11002s1.wav")
    record(folder, *names, rate_hz=8_000)
    write_text(folder, "trainSampleList_train.txt", "wav_traindevel/1001/1/a11001s1.raw 1 1001 9 x\n")
    write_text(folder, "trainSampleList_devel.txt", "wav_traindevel/1002/1/a11002s1.raw 1 1002 61 f\n")
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "agender/wav_traindevel/1001/1/a11001s1",
        "speaker_id": "agender/1001",
        "language": "de",
        "split": "train",
        "gender": "child",
        "age_years": 9.0,
    },
    dropped={"recording without a row": 1},
    odd={
        "duplicate": Odd(
            copy("wav_traindevel/1001/1/a11001s1.wav", "wav_traindevel/1009/1/a11001s1.wav"),
            dropped={"recording without a row": 2},
        ),
        "stray": Odd(copy("wav_test/a1.wav", "wav_test/a2.wav"), dropped={"recording without a row": 2}),
        "headerless": Odd(
            lambda folder: (folder / "wav_traindevel/1001/1/a11001s1.wav").rename(
                folder / "wav_traindevel/1001/1/a11001s1.raw"
            ),
            "1 recordings are headerless",
        ),
        "no list": Odd(remove("trainSampleList_devel.txt"), "cannot be read"),
        "columns": Odd(
            edit("trainSampleList_train.txt", " 9 x", " x"), "is not: path, ..., speaker, age, sex"
        ),
    },
)
