"""``profiling predict --model RUN a.wav b.flac``: one JSON line per recording on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence

from profiling.commands.arguments import Parser, answer, say

#: There is no corpus of emotional speech whose licence lets a head trained on it travel with the package.
DEFAULT_SAYS = (
    "no --model: the default answers, age and gender by the small offline network (docs/mini.md), not by ECAPA2",
    "for emotion train a head: python train.py task=emotion corpus.train=[csv:PATH] backbone=native_mini",
)


def main(argv: Sequence[str]) -> int:
    """Answers; 0 for every recording, 1 if one could not be used (its line says why)."""
    parser = Parser("profiling predict", description="Age, gender or emotion of recordings, as JSON lines.")
    parser.add_argument("recordings", nargs="+", metavar="FILE")
    parser.add_argument(
        "--model",
        action="append",
        metavar="RUN",
        help="run or bundle folder; may be repeated (default: age and gender by the mini backbone)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    arguments = parser.parse_args(argv)

    from profiling.features.prepare import TRAINING_NOTES
    from profiling.predict import answers_of, default_bundles, load_profilers

    if not arguments.model:
        for line in DEFAULT_SAYS:
            say(line)
    profilers = load_profilers(arguments.model or default_bundles(), device=arguments.device)
    for profiler in profilers:
        backbone = profiler.backbone
        say(f"{profiler.task}: {backbone.name}, {TRAINING_NOTES[backbone.training]}")
        if steps := profiler.audio.perturb:
            say(f"{profiler.task}: trained on recordings after {', '.join(steps)}; yours go through the same")
    failed = 0
    for given in answers_of(profilers, arguments.recordings):
        failed += given.error is not None
        answer(json.dumps(given.to_json(), ensure_ascii=False))
    return 1 if failed else 0
