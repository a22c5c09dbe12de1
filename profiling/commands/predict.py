"""``profiling predict --model RUN a.wav folder/ @list.txt -``: age, gender and emotion of recordings."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from profiling.commands.arguments import Parser, answer, say

if TYPE_CHECKING:
    from profiling.predict.answer import Profile
    from profiling.predict.output import Format
    from profiling.predict.panel import Panel
    from profiling.predict.progress import PredictProgress
    from profiling.predict.sources import Source

#: There is no corpus of emotional speech whose licence lets a head trained on it travel with the package.
DEFAULT_SAYS = (
    "no --model: the default answers, age and gender by the small offline network (docs/mini.md), not by ECAPA2",
    "for emotion train a head: profiling train task=emotion corpus.train=[csv:PATH] backbone=native_mini",
)
_EPILOG = (
    "A row for every recording, also for one that cannot be used: it says why, and the exit code is 1. "
    "What the fields and flags mean: docs/predict.md."
)


def _parser() -> Parser:
    parser = Parser("profiling predict", description="Age, gender and emotion of recordings.", epilog=_EPILOG)
    add = parser.add_argument
    add(
        "recordings",
        nargs="*",
        metavar="RECORDING",
        help="files, folders, globs, @list.txt; - reads one from stdin",
    )
    add(
        "--list",
        action="append",
        default=[],
        metavar="FILE",
        help="a path on each line; - reads them from stdin",
    )
    add(
        "--model",
        action="append",
        metavar="RUN",
        help="run or bundle folder; may be repeated (default: age and gender by the mini backbone)",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:0, ...")
    add("--channel", help="mix, 0, 1, ..., or each for a row per channel (default: as the head was trained)")
    add(
        "--timeline",
        type=float,
        metavar="SECONDS",
        help="also answer on windows of speech of at most this length",
    )
    add("--vad", default="auto", help="what finds speech for --timeline: auto, silero, energy, none")
    add(
        "--out", type=Path, metavar="FILE", help="write there, whole or not at all (default: standard output)"
    )
    add("--format", choices=["jsonl", "csv", "parquet"], help="default: by the suffix of --out, else jsonl")
    add("--text", action="store_true", help="for reading: a few lines a recording instead of a row")
    add("--resume", action="store_true", help="go on with --out: rows that still hold are kept")
    add("--cache", default="read", help="features seen before: read, write (and read), off (default: read)")
    add("--features", type=Path, metavar="FOLDER", help="of the feature cache (default: paths.features)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Answers; 0 for every recording, 1 if one could not be used (its row says why)."""
    asked = _parser().parse_args(argv)
    from profiling.predict.output import format_of
    from profiling.predict.sources import expand

    kind = format_of(asked.format, asked.out)
    _check(asked)
    sources = expand(asked.recordings, asked.list)
    panel = _panel(asked)
    from profiling.predict.progress import PredictProgress

    with PredictProgress(len(sources)) as progress:
        if asked.out is None:
            _stream(panel, sources, "text" if asked.text else kind, progress)
        else:
            _write(panel, sources, kind, progress, asked)
    if progress.done > 1:
        found = f", {panel.found_in_cache} from the feature cache" if panel.found_in_cache else ""
        say(progress.summary() + found)
    return 1 if progress.failed else 0


def _check(asked: Namespace) -> None:
    from profiling.errors import ConfigError

    if asked.text and (asked.out or asked.format):
        raise ConfigError("--text is for reading on the screen: leave out --out and --format")
    if asked.resume and asked.out is None:
        raise ConfigError("--resume goes on with a file: give --out")


def _panel(asked: Namespace) -> Panel:
    from profiling.backbones.protocol import notice_of
    from profiling.features.prepare import TRAINING_NOTES
    from profiling.predict.loading import default_bundles, load_profilers
    from profiling.predict.panel import Panel, PanelOptions

    options = PanelOptions(
        channel=asked.channel,
        window_s=asked.timeline,
        vad=asked.vad,
        cache=asked.cache,
        features=asked.features,
    )
    if not asked.model:
        for line in DEFAULT_SAYS:
            say(line)
    panel = Panel(load_profilers(asked.model or default_bundles(), device=asked.device), options)
    for profiler in panel.profilers:
        backbone = profiler.backbone
        say(f"{profiler.task}: {backbone.name}, {TRAINING_NOTES[backbone.training]}")
        if notice := notice_of(backbone):
            say(f"{profiler.task}: {notice}")
        if profiler.calibration.quantile is None:
            say(f"{profiler.task}: no interval, {profiler.calibration.reason}")
        if steps := profiler.audio.perturb:
            say(f"{profiler.task}: trained on recordings after {', '.join(steps)}; yours go through the same")
    if panel.vad:
        say(f"speech is found by {panel.vad}")
    return panel


def _stream(
    panel: Panel, sources: Sequence[Source], kind: Format | Literal["text"], progress: PredictProgress
) -> None:
    from profiling.predict.output import TableStream, rows_of
    from profiling.predict.text import to_text

    table = TableStream(sys.stdout) if kind == "csv" else None
    for profile in panel.profiles(sources):
        if kind == "text":
            answer(to_text(profile))
        elif table is not None:
            table.write(rows_of(profile, "csv"))
        else:
            answer(json.dumps(rows_of(profile, "jsonl")[0], ensure_ascii=False))
        _count(progress, profile)
    if table is not None:
        table.flush()


def _write(
    panel: Panel, sources: Sequence[Source], kind: Format, progress: PredictProgress, asked: Namespace
) -> None:
    from profiling.predict.output import Journal
    from profiling.predict.sources import name_of

    journal = Journal(asked.out, kind, panel.signature, resume=asked.resume)
    try:
        todo = journal.changed(sources)
        if len(todo) < len(sources):
            say(f"{len(sources) - len(todo)} of {len(sources)} rows kept from before")
        for profile in panel.profiles(todo):
            journal.add(profile)
            _count(progress, profile)
        journal.finish([name_of(source) for source in sources])
    except KeyboardInterrupt:
        say(f"stopped; the same command with --resume goes on after {progress.done} new rows")
        raise
    finally:
        journal.close()
    say(f"answers in {asked.out}")


def _count(progress: PredictProgress, profile: Profile) -> None:
    progress.update(profile.duration_s or 0.0, failed=profile.error is not None)
