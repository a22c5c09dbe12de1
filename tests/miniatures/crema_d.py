"""CREMA-D: two actors and three tables; the second recording has the publisher's short name."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

FIRST, SECOND = "AudioWAV/1001_IEO_ANG_MD.wav", "AudioWAV/1040_ITH_SAD_X.wav"
VOTES = (
    '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n'
    '"100009",5,3,0,0,1,1,"1001_IEO_ANG_MD",10,0.5,"A"\n'
    '"200009",0,9,0,0,0,0,"1001_IEO_ANG_MD",9,1,"D"\n'
    '"103000",0,0,0,0,4,4,"1040_ITH_SAD_X",8,0.5,"N:S"\n'
    '"199999",1,0,0,0,0,0,"1091_WSI_SAD_XX",1,1,"A"\n'
)
SUMMARY = (
    '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"\n'
    '"1","1001_IEO_ANG_MD","A","37.2","A","45.5","A","44.2"\n'
)


def build(folder: Path) -> Path:
    """The folders of the publisher's repository; the mp3 is the same take again."""
    record(folder, FIRST, SECOND)
    record(folder, "AudioMP3/1001_IEO_ANG_MD.mp3")
    write_text(folder, "processedResults/tabulatedVotes.csv", VOTES)
    write_text(folder, "processedResults/summaryTable.csv", SUMMARY)
    write_text(folder, "VideoDemographics.csv", '"ActorID","Age","Sex"\n1001,51,"Male"\n')
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "crema_d/1001_IEO_ANG_MD",
        "speaker_id": "crema_d/1001",
        "text_id": "IEO",
        "language": "en",
        "gender": "male",
        "age_years": 51.0,
        "emotion": "angry",
        "emotion_votes": '{"angry": 0.5, "disgusted": 0.3, "neutral": 0.1, "sad": 0.1}',
    },
    odd={
        "duplicate": Odd(copy(FIRST, "AudioWAV/again/1001_IEO_ANG_MD.wav"), "lies twice"),
        "stray": Odd(copy(FIRST, "AudioWAV/1001.wav"), "not named like 1001_DFA_ANG_XX"),
        "actor": Odd(copy(FIRST, "AudioWAV/1099_IEO_ANG_MD.wav"), "no speaker '1099' on its card"),
        "columns": Odd(
            edit("processedResults/tabulatedVotes.csv", "fileName", "file"), "'fileName' is missing"
        ),
        "demographics": Odd(remove("VideoDemographics.csv")),
    },
)
