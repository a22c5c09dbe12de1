"""Free Spoken Digit Dataset: everything is in the name; one speaker has no known sex."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, record


def build(folder: Path) -> Path:
    """Two digits by two men."""
    record(folder, "recordings/7_jackson_32.wav", "recordings/0_lucas_0.wav", rate_hz=8_000)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "fsdd/7_jackson_32",
        "speaker_id": "fsdd/jackson",
        "text_id": "7",
        "language": "en",
        "gender": "male",
    },
    odd={
        "duplicate": Odd(
            copy("recordings/7_jackson_32.wav", "recordings/x/7_jackson_32.wav"),
            "7_jackson_32 lies twice",
        ),
        "stray": Odd(
            copy("recordings/7_jackson_32.wav", "recordings/seven.wav"), "not named like 7_jackson_32"
        ),
        "speaker": Odd(copy("recordings/7_jackson_32.wav", "recordings/7_jack_32.wav"), "no speaker 'jack'"),
    },
)
