"""AgeVoxCeleb: VoxCeleb2's segments with the two lists; one segment is on no list."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, remove, write_text


def build(folder: Path) -> Path:
    """A segment to train on, one to test on, one that nobody listed."""
    names = ("id00052/kG48a12T3Dk/00048", "id00052/kG48a12T3Dk/00099", "id00042/34f5sBShxSo/00001")
    record(folder, *(f"dev/aac/{name}.wav" for name in names))
    write_text(folder, "utt2age.train", "id00052/kG48a12T3Dk/00048 40\n")
    write_text(folder, "utt2age.test", "id00042/34f5sBShxSo/00001 70\n")
    write_text(
        folder, "vox2_meta.csv", "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00042 ,n000042 ,m ,dev \n"
    )
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "agevoxceleb/id00042/34f5sBShxSo/00001",
        "speaker_id": "agevoxceleb/id00042",
        "split": "test",
        "gender": "male",
        "age_years": 70.0,
    },
    dropped={"recording without a row": 1},
    odd={
        "duplicate": Odd(
            copy("dev/aac/id00042/34f5sBShxSo/00001.wav", "test/aac/id00042/34f5sBShxSo/00001.wav"),
            "lies twice below",
        ),
        "stray": Odd(
            copy("dev/aac/id00042/34f5sBShxSo/00001.wav", "dev/aac/id00042/34f5sBShxSo/00077.wav"),
            dropped={"recording without a row": 2},
        ),
        "no recording": Odd(remove("dev/aac/id00052/kG48a12T3Dk/00048.wav")),
        "both parts": Odd(
            lambda folder: write_text(folder, "utt2age.train", "id00042/34f5sBShxSo/00001 70\n"),
            "is in utt2age.train and in utt2age.test",
        ),
        "no list": Odd(remove("utt2age.train"), "no utt2age.train there"),
    },
)
