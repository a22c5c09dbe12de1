"""``profiling manifest reader:path ... out.csv``: writes a corpus as a checked manifest with hashes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from profiling.commands.arguments import Parser, answer, say
from profiling.commands.places import split_paths
from profiling.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from argparse import Namespace

    import pandas as pd

    from profiling.corpora.recordings import Filled

EPILOG = """Every recording is decoded once and hashed; hashes are remembered in paths.cache, so an interrupted
run goes on where it stopped. Use the result as csv:out.csv."""
_SHOWN = 50


def _parser() -> Parser:
    parser = Parser("profiling manifest", description="Write a checked manifest.", epilog=EPILOG)
    parser.add_argument("corpora", nargs="+", metavar="READER:PATH", help="see `profiling corpora`")
    parser.add_argument("out", metavar="OUT.csv", help="the manifest to write")
    parser.add_argument("--force", action="store_true", help="replace OUT.csv if it is there")
    parser.add_argument("--drop", action="append", default=[], metavar="LABEL", help="leave its rows out")
    parser.add_argument("--no-hash", action="store_true", help="open no recording: no hashes, no lengths")
    parser.add_argument("--workers", type=int, default=2, help="threads")
    return parser


def main(argv: Sequence[str]) -> int:
    """Writes the manifest; 0 all well, 1 some recordings cannot be used (they stay in, without a hash)."""
    if {"-h", "--help"} & set(argv):
        _parser().parse_args(argv)  # prints and leaves, before anything is imported
    paths, rest = split_paths(argv)
    arguments = _parser().parse_args(rest)
    out = Path(arguments.out)
    _check(arguments, out)

    from profiling.corpora.manifest import read_manifest, write_manifest
    from profiling.corpora.reading import read_corpora

    table = read_corpora(arguments.corpora, vars(paths), arguments.drop)
    filled = None if arguments.no_hash else _fill(table, Path(paths.cache), arguments.workers)
    write_manifest(filled.table if filled else table, out)
    for line in _summary(read_manifest(out), filled):  # read back: the check is of the file
        answer(line)
    answer(f"written: {out}")
    return 1 if filled is not None and len(filled.problems) else 0


def _check(arguments: Namespace, out: Path) -> None:
    if out.suffix != ".csv":
        raise ConfigError(f"{out}: the last argument is the manifest to write, and ends in .csv")
    if out.exists() and not arguments.force:
        raise ManifestError(f"{out} is there already; name another file or add --force")
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: must be at least 1")


def _fill(table: pd.DataFrame, cache: Path, workers: int) -> Filled:
    from tqdm import tqdm

    from profiling.audio_index import AudioIndex
    from profiling.corpora.recordings import fill_audio

    total = table["path"].nunique()
    shown = sys.stderr.isatty()
    if not shown:
        say(f"reading {total} recordings")
    with tqdm(total=total, unit="file", file=sys.stderr, disable=not shown) as bar:
        return fill_audio(table, AudioIndex(cache), workers, lambda done: bar.update(done))


def _summary(table: pd.DataFrame, filled: Filled | None) -> Iterator[str]:
    """Counts by corpus and label, then what is wrong."""
    for corpus, part in table.groupby("corpus", sort=False):
        speakers = part["speaker_id"].nunique()
        yield f"{corpus}: {len(part)} utterances, {speakers or 'unknown'} speakers{_hours(part)}"
        for column in ("split", "language", "gender", "emotion"):
            counts = part[column].value_counts().sort_index()
            if len(counts):
                yield f"  {column}: " + ", ".join(f"{word} {count}" for word, count in counts.items())
        ages = part["age_years"].dropna()
        if len(ages):
            yield f"  age: {len(ages)} rows, {ages.min():g} to {ages.max():g} years"
    if filled is not None:
        yield from _found(filled)


def _hours(part: pd.DataFrame) -> str:
    known = part[part["sample_rate_hz"] > 0]
    if known.empty:
        return ""
    ends = known["end_sample"].where(known["end_sample"] >= 0, known["num_samples"])
    seconds = ((ends - known["start_sample"]) / known["sample_rate_hz"]).sum()
    return f", {seconds / 3600:.2f} h"


def _found(filled: Filled) -> Iterator[str]:
    yield f"{filled.opened} recordings read, {filled.remembered} remembered"
    if filled.duplicates:
        yield f"{filled.duplicates} rows hold the same audio as an earlier row"
    for row in filled.problems.head(_SHOWN).itertuples():
        yield f"{row.utt_id}: {row.stage}: {row.reason}"
    if len(filled.problems) > _SHOWN:
        yield f"... and {len(filled.problems) - _SHOWN} more"
    if len(filled.problems):
        yield f"{len(filled.problems)} rows cannot be used; they are in the manifest without a hash"
