"""RAVDESS: two actors, a song, and the film of a take."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import ManifestError
from tests.miniatures.facts import Facts, Odd, copy, record

SPEECH = ("Actor_01/03-01-05-02-01-02-01.wav", "Actor_12/03-01-08-01-02-01-12.wav")


def build(folder: Path) -> Path:
    """Two spoken recordings, one sung."""
    record(folder, *SPEECH, rate_hz=48_000)
    record(folder, "Actor_12/03-02-03-01-02-01-12.wav", rate_hz=48_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "ravdess/03-01-05-02-01-02-01",
        "speaker_id": "ravdess/01",
        "text_id": "01",
        "language": "en",
        "gender": "male",
        "emotion": "angry",
    },
    dropped={"sung": 1},
    odd={
        "duplicate": Odd(copy(SPEECH[0], f"audio_speech_actors_01-24/{SPEECH[0]}"), "lies twice.*keep one"),
        "stray": Odd(copy(SPEECH[0], "Actor_01/take_1.wav"), "take_1.wav is not named like 03-01-06"),
        "film": Odd(copy(SPEECH[0], "Actor_01/01-01-05-02-01-02-01.mp4"), dropped={"not audio-only": 1}),
        "ninth emotion": Odd(
            copy(SPEECH[0], "Actor_01/03-01-09-02-01-02-01.wav"), "not named", ManifestError
        ),
    },
)
