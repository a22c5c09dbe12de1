"""speechocean762: lists in ``train`` and ``test`` beside the recordings in ``WAVE``."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record, write_text


def build(folder: Path) -> Path:
    """A boy to train on, a woman to test on."""
    record(folder, "WAVE/SPEAKER0001/000010011.WAV", "WAVE/SPEAKER0003/000030012.WAV")
    parts = (("train", "0001", "000010011", "m", 6), ("test", "0003", "000030012", "f", 43))
    for part, speaker, utterance, sex, age in parts:
        file = f"WAVE/SPEAKER{speaker}/{utterance}.WAV"
        lists = {"wav.scp": f"{utterance}\t{file}", "utt2spk": f"{utterance}\t{speaker}"}
        lists |= {"spk2gender": f"{speaker} {sex}", "spk2age": f"{speaker}\t{age}"}
        for name, line in lists.items():
            write_text(folder, f"{part}/{name}", line + "\n")
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "speechocean762/000010011",
        "speaker_id": "speechocean762/0001",
        "language": "en",
        "split": "train",
        "gender": "male",
        "age_years": 6.0,
    },
    odd={
        "duplicate": Odd(copy("WAVE/SPEAKER0001/000010011.WAV", "WAVE/SPEAKER0003/000010011.WAV")),
        "stray": Odd(copy("WAVE/SPEAKER0001/000010011.WAV", "WAVE/SPEAKER0003/000030099.WAV")),
    },
)
