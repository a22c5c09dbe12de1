"""NISP: two languages per speaker, the speakers' table separated by blanks with a missing waist size."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, write_text

TABLE = """\
Speaker_ID Gender Mother_Tongue Height Shoulder_size Waist_size Weight Age Native_State Native_District
Hin_0001 Female Hindi 163 40 89.5 58.5 24.24 Rajasthan Jaipur
Tel_0002 Male Telugu 167 42 NIL 71.6 20.4 Andhra_Pradesh Chittoor
"""


def build(folder: Path) -> Path:
    """A woman to test on, a man to train on."""
    record(
        folder,
        "Hindi_master/English_Hindi/RECS/Hin_0001_Eng_f/Hin_0001_Eng_f_0000.wav",
        "Telugu_master/Telugu/RECS/Tel_0002_Tel_m/Tel_0002_Tel_m_0001.wav",
    )
    write_text(folder, "Hindi_master/scripts/English_hindi_txt/Hin_0001_Eng_f.txt", "words\n")
    write_text(folder, "total_spkrinfo.list", TABLE)
    write_text(folder, "train_spkrID", "Tel_0002___TRN\n")
    write_text(folder, "test_spkrID", "Hin_0001___TST\n")
    return folder


ENGLISH = "Hindi_master/English_Hindi/RECS/Hin_0001_Eng_f/Hin_0001_Eng_f_0000.wav"
FACTS = Facts(
    rows=2,
    row={
        "utt_id": "nisp/Hin_0001_Eng_f_0000",
        "speaker_id": "nisp/Hin_0001",
        "language": "en",
        "split": "test",
        "gender": "female",
        "age_years": 24.24,
    },
    odd={
        "duplicate": Odd(copy(ENGLISH, "x/Hin_0001_Eng_f_0000.wav"), "Hin_0001_Eng_f_0000 lies twice"),
        "stray": Odd(copy(ENGLISH, "Hindi_master/noise.wav"), "not named like Hin_0001_Eng_f_0000"),
        "no row": Odd(
            edit("total_spkrinfo.list", "Hin_0001 F", "Hin_0009 F"), "Hin_0001 of .* is not in total_spkr"
        ),
        "no part": Odd(edit("test_spkrID", "Hin_0001", "Hin_0009"), "is not in train_spkrID and test_spkrID"),
        "language": Odd(copy(ENGLISH, "x/Hin_0001_Mar_f_0000.wav"), "language Mar of"),
        "column": Odd(edit("total_spkrinfo.list", " Age ", " Years "), "column 'Age' is missing"),
    },
)
