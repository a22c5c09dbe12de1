"""IEMOCAP: two sessions; a turn without consensus, one without its recording, one off the scale."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

WAV = "Session1/sentences/wav/Ses01F_impro01"
IMPRO = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
LINES = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.0000, 3.0000]\n"
    "C-E2:\tNeutral;\t()\n"
    "C-E3:\tNeutral; Frustration;\t(a bit)\n"
    "C-F1:\tAnger;\t(curious)\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\n\n"
    "[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[4.5000, 5.0000, 0.5000]\n"
    "C-E2:\tExcited;\t()\n"
    "C-E3:\tSurprise;\t()\n"
    "A-E4:\tval 2; act 3; dom  ;\t()\n\n"
)
SCRIPT = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    "[1.0000 - 2.0000]\tSes02M_script01_1b_MXX0\texc\t[5.0000, 5.0000, 5.0000]\n"
    "C-E1:\tExcited;\t()\n\n"
)


def build(folder: Path) -> Path:
    """Three turns, two recordings, the evaluators' own folders and the dialogue's sound."""
    record(folder, f"{WAV}/Ses01F_impro01_F000.wav", f"{WAV}/Ses01F_impro01_M000.wav")
    record(folder, "Session1/dialog/wav/Ses01F_impro01.wav")
    record(folder, "Session2/sentences/wav/Ses02M_script01_1b/Ses02M_script01_1b_FXX9.wav")
    write_text(folder, IMPRO, LINES)
    write_text(
        folder, "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt", "x :Anger; ()\n"
    )
    write_text(folder, "Session2/dialog/EmoEvaluation/Ses02M_script01_1b.txt", SCRIPT)
    return folder


FACTS = Facts(
    rows=3,
    row={
        "utt_id": "iemocap/Ses01F_impro01_F000",
        "speaker_id": "iemocap/Ses01F",
        "session": "iemocap/Ses01",
        "language": "en",
        "gender": "female",
        "emotion": "neutral",
        "emotion_votes": '{"frustrated": 0.25, "neutral": 0.75}',
        "valence": 0.375,
        "arousal": 0.25,
        "dominance": 0.5,
    },
    missing=("iemocap/Ses02M_script01_1b_MXX0",),
    dropped={"recording without a row": 1, "dominance off its scale": 1},
    odd={
        "duplicate": Odd(
            copy(f"{WAV}/Ses01F_impro01_F000.wav", f"{WAV}/copy/Ses01F_impro01_F000.wav"), "twice"
        ),
        "stray": Odd(
            copy(f"{WAV}/Ses01F_impro01_F000.wav", f"{WAV}/Ses01F_impro01_F001.wav"),
            dropped={"recording without a row": 2},
        ),
        "line": Odd(edit(IMPRO, "neu\t[2.5000, 2.0000, 3.0000]", "neu"), "not a line of a turn"),
        "word": Odd(edit(IMPRO, "\tneu\t", "\tzzz\t"), r"emotion of iemocap: .*'zzz' \(1 rows\)", LabelError),
        "vote": Odd(
            edit(IMPRO, "Surprise", "Amazed"), r"emotion_votes of iemocap: .*'Amazed' \(1 rows\)", LabelError
        ),
        "no labels": Odd(remove(IMPRO), "EmoEvaluation: no Ses"),
    },
)
