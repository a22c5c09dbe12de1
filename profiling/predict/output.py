"""Where answers go: standard output as they come, or a file that is whole or not there, and can be gone on with.

While a file is written, finished rows stand in a journal beside it (``.NAME.part``), so that a run that was
stopped goes on where it was. A row is kept while the bytes of its recording and the settings are the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from profiling.audio import hash_file
from profiling.errors import AudioError, ConfigError
from profiling.predict.answer import Profile
from profiling.predict.rows import Row, to_json, to_table
from profiling.predict.sources import Source
from profiling.provenance import atomic_write

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet")
#: Column and JSON field that names what a row depends on besides its recording.
SETTINGS = "settings"


def rows_of(profile: Profile, kind: Format, settings: str = "") -> list[Row]:
    """The rows of a profile: one JSON object, or flat rows."""
    rows = [to_json(profile)] if kind == "jsonl" else to_table(profile)
    return [{**row, SETTINGS: settings} if settings else row for row in rows]


def format_of(asked: str | None, out: Path | None) -> Format:
    """The format asked for, else that of the file's suffix, else JSON lines.

    Raises:
        ConfigError: a suffix that names no format, or Parquet to standard output.
    """
    suffixes: dict[str, Format] = {".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}
    if asked is None and out is not None and out.suffix.lower() not in suffixes:
        raise ConfigError(f"--out {out}: give --format, or a name in {', '.join(suffixes)}")
    for kind in FORMATS:
        if asked == kind or (asked is None and out is not None and suffixes[out.suffix.lower()] == kind):
            if kind == "parquet" and out is None:
                raise ConfigError("--format parquet needs a file: give --out answers.parquet")
            return kind
    return "jsonl"


class TableStream:
    """CSV rows on a stream as they come; the first row's columns are the header.

    Columns are known from the first recording with an answer, so rows of failed ones wait for it.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._waiting = stream, list[Row]()
        self._writer: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Takes the rows of one recording."""
        self._waiting += rows
        if self._writer is None and rows[0]["error"]:
            return
        self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if self._writer is None and self._waiting:
            widest = max(self._waiting, key=len)
            self._writer = csv.DictWriter(self._stream, list(widest), restval="", lineterminator="\n")
            self._writer.writeheader()
        for row in self._waiting:
            if self._writer is not None:
                self._writer.writerow(row)
        self._waiting = []
        self._stream.flush()


class Journal:
    """The rows of a file on their way.

    Args:
        out: the file.
        kind: its format.
        settings: names what every row depends on besides its recording.
        resume: keep the rows of an earlier run that still hold.

    Raises:
        ConfigError: the file exists and is not to be gone on with, or is not what such a run writes.
    """

    def __init__(self, out: Path, kind: Format, settings: str, *, resume: bool) -> None:
        self._out, self._kind, self._settings = out, kind, settings
        self._path = out.with_name(f".{out.name}.part")
        if out.exists() and not resume:
            raise ConfigError(
                f"{out} exists; give --resume to keep its rows that still hold, or another --out"
            )
        self._known = _by_path([*_read(out, kind), *_read_journal(self._path)]) if resume else {}
        self._rows: dict[tuple[str, str], list[Row]] = {}
        self._stream: IO[str] | None = None

    def changed(self, sources: Sequence[Source]) -> list[Source]:
        """The sources to be answered; the others and the settings are as they were, their earlier rows are kept."""
        return [one for one in sources if not (isinstance(one, str | Path) and self._keep(str(one)))]

    def _keep(self, path: str) -> bool:
        rows = [rows for (name, _), rows in self._known.items() if name == path]
        if not rows or not all(self._holds(path, one) for one in rows):
            return False
        for one in rows:
            self._rows[path, str(one[0]["channel"])] = one
        return True

    def add(self, profile: Profile) -> None:
        """Keeps the rows of a recording, on disk at once."""
        rows = rows_of(profile, self._kind, self._settings)
        self._rows[profile.path, profile.channel] = rows
        if self._stream is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("a", encoding="utf-8")
        for row in rows:
            self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._stream.flush()

    def finish(self, order: Iterable[str]) -> None:
        """Writes the file, its recordings in this order, and removes the journal."""
        place = {path: number for number, path in enumerate(order)}
        listed = sorted(self._rows, key=lambda key: (place.get(key[0], len(place)), key[1]))
        rows = [row for key in listed for row in self._rows[key]]
        atomic_write(self._out, _encoded(rows, self._kind))
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the journal; it stays for the next run."""
        if self._stream is not None:
            self._stream.close()

    def _holds(self, path: str, rows: list[Row]) -> bool:
        first = rows[0]
        if first.get("error") or first.get(SETTINGS) != self._settings:
            return False
        try:
            return hash_file(Path(path)) == first.get("audio_sha256")
        except AudioError:
            return False


def _by_path(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by (path, channel); what was written last counts."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        key = str(row["path"]), str(row["channel"])
        if row.get("part", "whole") == "whole":
            found[key] = []
        found.setdefault(key, []).append(row)
    return found


def _read(path: Path, kind: Format) -> list[Row]:
    if not path.exists():
        return []
    try:
        if kind == "parquet":
            import pyarrow.parquet as pq

            rows: list[Row] = pq.read_table(path).to_pylist()
        elif kind == "csv":
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                rows = [dict.fromkeys(reader.fieldnames or ()), *reader]  # the header has to fit as well
        else:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if any("path" not in row or "channel" not in row for row in rows):
            raise ValueError("no path and channel")
        rows = [row for row in rows if row["path"] is not None]
    except (ValueError, OSError, TypeError) as error:
        raise ConfigError(
            f"{path}: not the {kind} answers of an earlier run ({error}); name another --out"
        ) from error
    return rows


def _read_journal(path: Path) -> list[Row]:
    """Every whole line; a line that a kill cut short is dropped."""
    rows: list[Row] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def _encoded(rows: list[Row], kind: Format) -> bytes | str:
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    columns = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    if kind == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    return _parquet(rows, columns)


def _parquet(rows: list[Row], columns: list[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: dict[str, Any] = {name: pa.array([row.get(name) for row in rows]) for name in columns}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded
