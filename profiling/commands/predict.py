"""``profiling predict --model RUN a.wav b.flac``: one JSON line per recording on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence

from profiling.commands.arguments import Parser, answer, say


def main(argv: Sequence[str]) -> int:
    """Answers; 0 for every recording, 1 if one could not be used (its line says why)."""
    parser = Parser("profiling predict", description="Age, gender or emotion of recordings, as JSON lines.")
    parser.add_argument("recordings", nargs="+", metavar="FILE")
    parser.add_argument(
        "--model", action="append", required=True, metavar="RUN", help="run or bundle folder; may be repeated"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    arguments = parser.parse_args(argv)

    from profiling.features.prepare import TRAINING_NOTES
    from profiling.predict import Profiler, answers_of

    profilers = [Profiler.from_pretrained(path, device=arguments.device) for path in arguments.model]
    for profiler in profilers:
        backbone = profiler.backbone
        say(f"{profiler.task}: {backbone.name}, {TRAINING_NOTES[backbone.training]}")
    failed = 0
    for given in answers_of(profilers, arguments.recordings):
        failed += given.error is not None
        answer(json.dumps(given.to_json(), ensure_ascii=False))
    return 1 if failed else 0
