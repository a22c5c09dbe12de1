"""MSP-Podcast: a row of every part, an unknown speaker, no agreement, and a recording of Test3."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

FIRST = "MSP-PODCAST_0001_0008.wav"
TABLE = "Labels/labels_consensus.csv"
CONSENSUS = (
    "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
    f"{FIRST},N,2.2,4.0,2.8,127,Male,Test1\n"
    "MSP-PODCAST_0001_0019.wav,X,5.4,3.6,5.2,Unknown,Unknown,Train\n"
    "MSP-PODCAST_1023_0235_0001.wav,U,7.0,6.4,1.0,2001,Female,Development\n"
    "MSP-PODCAST_0153_0002.wav,O,4.0,4.0,4.0,33,Female,Test2\n"
)
DETAILED = (
    "FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom\n"
    f'{FIRST},WORKER0000001,Neutral,"Neutral,Confused",1,4,1\n'
    f"{FIRST},WORKER0000002,Neutral,Neutral,2,4,3\n"
    f"{FIRST},WORKER0000003,Other-Bored,Other,3,4,4\n"
    f"{FIRST},WORKER0000004,Sad,Sad,3,4,4\n"
)


def build(folder: Path) -> Path:
    """Four rows, three of their recordings and one without labels."""
    record(
        folder, f"Audios/{FIRST}", "Audios/MSP-PODCAST_0001_0019.wav", "Audios/MSP-PODCAST_1023_0235_0001.wav"
    )
    record(folder, "Audios/MSP-PODCAST_9999_0001.wav")
    write_text(folder, TABLE, CONSENSUS)
    write_text(folder, "Labels/labels_detailed.csv", DETAILED)
    write_text(folder, "Speaker_ids.txt", f"{FIRST}; 127; Male\n")
    return folder


FACTS = Facts(
    rows=4,
    row={
        "utt_id": "msp_podcast/MSP-PODCAST_0001_0008",
        "speaker_id": "msp_podcast/127",
        "session": "msp_podcast/MSP-PODCAST_0001",
        "language": "en",
        "split": "test",
        "gender": "male",
        "emotion": "neutral",
        "emotion_votes": '{"neutral": 0.5, "other": 0.25, "sad": 0.25}',
        "arousal": 0.2,
        "valence": 0.5,
        "dominance": 0.3,
    },
    missing=("msp_podcast/MSP-PODCAST_0153_0002",),
    dropped={"recording without a row": 1},
    odd={
        "duplicate": Odd(copy(f"Audios/{FIRST}", f"Audios/copy/{FIRST}"), "lies twice"),
        "stray": Odd(
            copy(f"Audios/{FIRST}", "Audios/MSP-PODCAST_0001_0009.wav"),
            dropped={"recording without a row": 2},
        ),
        "twice listed": Odd(
            edit(TABLE, "MSP-PODCAST_0153_0002", "MSP-PODCAST_0001_0008"), "1 duplicate utt_id"
        ),
        "off the scale": Odd(
            edit(TABLE, "5.4,3.6", "7.4,3.6"), r"arousal of msp_podcast: .*'7.4' \(1 rows\)", LabelError
        ),
        "part": Odd(edit(TABLE, "Test2", "Test9"), r"split 'Test9' \(1 rows\)"),
        "vote": Odd(
            edit("Labels/labels_detailed.csv", "Sad,Sad", "Blue,Sad"), r"'Blue' \(1 rows\)", LabelError
        ),
        "no table": Odd(remove(TABLE), "no Labels/labels_consensus.csv"),
    },
)
