"""A data set saved by ``datasets``: Arrow streams with recordings inside, named by a YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from tests.miniatures.facts import Facts, Odd, copy, edit, record, remove, write_text

FEATURES = {
    "audio": {"decode": False, "_type": "Audio"},
    "spk": {"dtype": "string", "_type": "Value"},
    "emotion": {"names": ["angry", "sad"], "_type": "ClassLabel"},
    "age": {"dtype": "int64", "_type": "Value"},
}
SCHEMA = pa.schema(
    {
        "audio": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "spk": pa.string(),
        "emotion": pa.int64(),
        "age": pa.int64(),
    },
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)


def save(folder: Path, rows: list[dict[str, object]]) -> None:
    """What ``save_to_disk`` of datasets 5.2 writes."""
    folder.mkdir(parents=True)
    with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), SCHEMA) as stream:
        stream.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


def build(folder: Path) -> Path:
    """Two splits; the third row has no emotion and no age."""
    record(folder, "a.wav", "b.wav", "c.wav")
    data = [{"bytes": (folder / f"{name}.wav").read_bytes(), "path": f"{name}.wav"} for name in "abc"]
    rows = [
        {"audio": d, "spk": f"0{i}", "emotion": e, "age": a}
        for i, (d, e, a) in enumerate(zip(data, [0, 1, -1], [20, 30, None], strict=True))
    ]
    save(folder / "set" / "train", rows[:1])
    save(folder / "set" / "test", rows[1:])
    write_text(folder, "set/dataset_dict.json", '{"splits": ["train", "test"]}')
    return write_text(
        folder, "set.yaml", "folder: set\nname: mini\nrecordings: out\ncolumns: {speaker: spk}\n"
    )


FACTS = Facts(
    rows=3,
    row={
        "utt_id": "mini/a",
        "speaker_id": "mini/00",
        "split": "train",
        "age_years": 20.0,
        "emotion": "angry",
    },
    odd={
        "stray": Odd(copy("a.wav", "d.wav")),
        "nowhere to write": Odd(
            edit("set.yaml", "recordings: out\n", ""), "the recordings lie inside the table"
        ),
        "column": Odd(edit("set.yaml", "spk}", "spkr}"), "no column 'spkr' for speaker; did you mean spk"),
        "not saved whole": Odd(remove("set/test/state.json"), "no state.json; was this split saved whole"),
    },
)
