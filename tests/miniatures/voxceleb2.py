"""VoxCeleb2: m4a in the original, here wav; the publisher's table with blanks around its cells."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, write_text

META = (
    "Name \tVoxCeleb2 ID \tVGGFace2 ID \tGender \tSet \n"
    "Aaron_Ashmore \tid00012 \tn000012 \tm \tdev \n"
    "Abbey_Clancy \tid00024 \tn000024 \tf \ttest \n"
)


def build(folder: Path) -> Path:
    """One segment of each part; one video is on the enrichment list."""
    record(folder, "dev/aac/id00012/21Uxsk56VDQ/00001.wav", "test/aac/id00024/abc_def-g12/00002.wav")
    write_text(folder, "vox2_meta.csv", META)
    ages = "VoxCeleb_ID,video_id,speaker_age\nid00012,21Uxsk56VDQ,41.0\n"
    write_text(folder, "dataset/final_dataframe_extended.csv", ages)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "voxceleb2/id00012/21Uxsk56VDQ/00001",
        "speaker_id": "voxceleb2/id00012",
        "split": "train",
        "gender": "male",
        "age_years": 41.0,
    },
    odd={
        "duplicate": Odd(
            copy("dev/aac/id00012/21Uxsk56VDQ/00001.wav", "dev2/id00012/21Uxsk56VDQ/00001.wav"),
            "lies twice below",
        ),
        "stray": Odd(copy("dev/aac/id00012/21Uxsk56VDQ/00001.wav", "dev/a/b/c.wav"), "does not lie like"),
        "no row": Odd(edit("vox2_meta.csv", "id00024", "id00025"), "id00024 has no row in vox2_meta.csv"),
        "set": Odd(edit("vox2_meta.csv", "dev", "eval"), "Set 'eval' is neither dev nor test"),
    },
)
