"""VoxCeleb1: the publisher's table with tabs, the enrichment list with a video it does not know."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

META = """\
VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet
id10001\tA.J._Buckley\tm\tIreland\tdev
id10270\tSomebody\tf\tNorway\ttest
"""
LIST = """\
Name,VoxCeleb_ID,video_id,gender,birth_year,recording_year,speaker_age,speaker_age_title_only
A.J._Buckley,id10001,1zcIwhmdeo4,male,1978.0,2013.0,35.0,
"""


TABLE_NAME = "final_dataframe_extended.csv"


def build(folder: Path) -> Path:
    """One segment of each part; the second video has no age."""
    record(folder, "dev/wav/id10001/1zcIwhmdeo4/00001.wav", "test/wav/id10270/5r0dWxy17C8/00001.wav")
    write_text(folder, "vox1_meta.csv", META)
    write_text(folder, "final_dataframe_extended.csv", LIST)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "voxceleb1/id10001/1zcIwhmdeo4/00001",
        "speaker_id": "voxceleb1/id10001",
        "split": "train",
        "gender": "male",
        "age_years": 35.0,
    },
    odd={
        "duplicate": Odd(
            copy("dev/wav/id10001/1zcIwhmdeo4/00001.wav", "copy/id10001/1zcIwhmdeo4/00001.wav"),
            "lies twice below",
        ),
        "stray": Odd(copy("dev/wav/id10001/1zcIwhmdeo4/00001.wav", "notes/a.wav"), "does not lie like"),
        "no row": Odd(edit("vox1_meta.csv", "id10270", "id10271"), "id10270 has no row in vox1_meta.csv"),
        "no table": Odd(remove("vox1_meta.csv"), "no vox1_meta.csv there"),
        "two ages": Odd(
            edit(
                "final_dataframe_extended.csv",
                "35.0,\n",
                "35.0,\nA,id10001,1zcIwhmdeo4,male,1978.0,2013.0,36.0,\n",
            ),
            "is 35.0 and 36.0 years old",
        ),
    },
)
