"""nEMO: recordings in ``samples``, and ``data.tsv`` with a quotation mark that encloses nothing."""

from __future__ import annotations

from pathlib import Path

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

TABLE = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    'EB0_anger_1.wav\tanger\t"Lubię czytać.\tlubię czytać\t        EB0\tfemale\t27\n'
    "KS0_surprised_90.wav\tsurprised\tNie.\tnie\t        KS0\tmale\t23\n"
)


def build(folder: Path) -> Path:
    """Two recordings and their rows."""
    record(folder, "samples/EB0_anger_1.wav", "samples/KS0_surprised_90.wav", rate_hz=24_000)
    write_text(folder, "data.tsv", TABLE)
    return folder


FACTS = Facts(
    rows=2,
    row={
        "utt_id": "nemo/EB0_anger_1",
        "speaker_id": "nemo/EB0",
        "text_id": "1",
        "language": "pl",
        "gender": "female",
        "age_years": 27.0,
        "emotion": "angry",
    },
    odd={
        "duplicate": Odd(
            copy("samples/EB0_anger_1.wav", "samples/x/EB0_anger_1.wav"), "EB0_anger_1 lies twice"
        ),
        "stray": Odd(
            copy("samples/EB0_anger_1.wav", "samples/EB0_fear_7.wav"), dropped={"recording without a row": 1}
        ),
        "no recording": Odd(remove("samples/KS0_surprised_90.wav")),
        "no table": Odd(remove("data.tsv")),
        "speaker": Odd(edit("data.tsv", "speaker_id", "spk"), "column 'speaker_id' is missing"),
    },
)
