"""Common Voice: the columns of release 17, a quotation mark that encloses nothing, a clip nobody validated."""

from __future__ import annotations

from pathlib import Path

from profiling.errors import LabelError
from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

HEADER = (
    "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tage\tgender\taccents\tvariant\t"
    "locale\tsegment\n"
)


def row(client: str, clip: int, sentence: str, age: str, gender: str) -> str:
    return f"{client}\tcommon_voice_de_{clip}.mp3\ts{clip}\t{sentence}\t\t2\t0\t{age}\t{gender}\t\t\tde\t\n"


def build(folder: Path) -> Path:
    """One clip a part, and one that is in no table."""
    record(folder, *(f"clips/common_voice_de_{i}.mp3" for i in (4, 2, 3, 1)), rate_hz=32_000)
    write_text(folder, "train.tsv", HEADER + row("aa", 1, '"Ja.', "fourties", "male_masculine"))
    write_text(folder, "dev.tsv", HEADER + row("bb", 2, "Nein.", "", ""))
    write_text(folder, "test.tsv", HEADER + row("cc", 3, "Doch.", "teens", "do_not_wish_to_say"))
    return folder


FACTS = Facts(
    rows=3,
    row={
        "utt_id": "common_voice/common_voice_de_1",
        "speaker_id": "common_voice/aa",
        "text_id": "s1",
        "language": "de",
        "split": "train",
        "gender": "male",
        "age_years": 45.0,
    },
    dropped={"recording without a row": 1},
    odd={
        "duplicate": Odd(
            copy("clips/common_voice_de_1.mp3", "clips/copy of common_voice_de_1.mp3"),
            dropped={"recording without a row": 2},
        ),
        "stray": Odd(
            copy("clips/common_voice_de_1.mp3", "clips/a.mp3"), dropped={"recording without a row": 2}
        ),
        "two tables": Odd(
            lambda folder: write_text(folder, "dev.tsv", HEADER + row("aa", 1, "Ja.", "", "")),
            "1 duplicate utt_id",
        ),
        "no table": Odd(remove("test.tsv"), "test.tsv: cannot be read"),
        "age": Odd(edit("train.tsv", "fourties", "hundreds"), r"'hundreds' \(1 rows\)", LabelError),
    },
)
