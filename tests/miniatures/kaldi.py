"""A Kaldi data directory with segments, labels by speaker and by utterance."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text


def build(folder: Path) -> Path:
    """Two segments of one recording and a whole other one."""
    record(folder, "audio/r1.wav", "audio/r2.wav")
    lists = {
        "wav.scp": "r1 audio/r1.wav\nr2 audio/r2.wav\n",
        "segments": "u1 r1 0.0 0.1\nu2 r1 0.1 -1\nu3 r2 0.05 0.15\n",
        "utt2spk": "u1 s1\nu2 s1\nu3 s2\n",
        "spk2gender": "s1 f\ns2 m\n",
        "spk2age": "s1 31\ns2 40\n",
        "utt2age": "u3 41\n",
        "utt2emotion": "u1 angry\nu2 sad\n",
        "text": "u1 WE CALL IT BEAR\nu2\n",
    }
    for name, text in lists.items():
        write_text(folder, name, text)
    return folder


FACTS = Facts(
    rows=3,
    row={
        "utt_id": "mini/u1",
        "speaker_id": "mini/s1",
        "text_id": "WE CALL IT BEAR",
        "gender": "female",
        "age_years": 31.0,
        "emotion": "angry",
    },
    odd={
        "stray": Odd(copy("audio/r1.wav", "audio/r3.wav")),
        "pipe": Odd(
            edit("wav.scp", "r1 audio/r1.wav", "r1 sph2pipe -f wav r1.sph |"), "are commands .* never run"
        ),
        "archive": Odd(edit("wav.scp", "audio/r1.wav", "wav.ark:17"), "lies inside an archive"),
        "no speaker": Odd(edit("utt2spk", "u3 s2\n", ""), "no speaker for u3"),
        "twice": Odd(edit("utt2spk", "u3 s2\n", "u3 s2\nu3 s1\n"), "'u3' is 's1' here and 's2' above"),
        "recording": Odd(edit("segments", "u3 r2", "u3 r9"), "u3 is of 'r9', which wav.scp does not name"),
        "channel": Odd(edit("segments", "0.05 0.15", "0.05 0.15 A"), "a channel .A. is named"),
        "span": Odd(edit("segments", "0.05 0.15", "0.15 0.05"), "is no span"),
        "no recording": Odd(remove("audio/r2.wav"), "sample rate of r2 is needed"),
        "no list": Odd(remove("wav.scp"), "no wav.scp there"),
    },
)
