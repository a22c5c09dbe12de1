"""``profiling serve``: a web page and a REST endpoint that answer on recordings, on this machine."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from profiling.commands.arguments import Parser, say
from profiling.serve.limits import Limits

if TYPE_CHECKING:
    from profiling.predict.profiler import Profiler

_NEEDED = ("fastapi", "uvicorn", "python_multipart")
_EPILOG = "The page, the endpoint, limits and what is kept (nothing): docs/serve.md."


def _parser() -> Parser:
    parser = Parser(
        "profiling serve",
        description="A page in the browser and a REST endpoint: age, gender and emotion of a recording.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add(
        "--model",
        action="append",
        metavar="RUN",
        help="run or bundle folder, or user/name on the hub; may be repeated (default: age and gender by the mini "
        "backbone)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", type=int, default=8000, help="default: 8000; 0 takes a free one")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:0, ...")
    add("--vad", default="auto", help="what finds speech for the timeline: auto, silero, energy, none")
    most = Limits()
    add(
        "--max-mb",
        type=float,
        default=most.max_mb,
        metavar="MB",
        help="largest upload (default: %(default)g)",
    )
    add(
        "--max-seconds",
        type=float,
        default=most.max_seconds,
        metavar="S",
        help="longest recording (default: %(default)g)",
    )
    add(
        "--queue",
        type=int,
        default=most.queue,
        metavar="N",
        help="requests at a time, the others get 503 (default: %(default)s)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Serves until it is stopped."""
    asked = _parser().parse_args(argv)
    _check_installed()
    from profiling.serve.server import allowed_hosts, bind, is_local, run, url_of

    limits = Limits(asked.max_mb, asked.max_seconds, asked.queue)
    with bind(asked.host, asked.port) as bound:
        from profiling.serve.app import build_app
        from profiling.serve.desk import Desk

        desk = Desk(_profilers(asked), limits, asked.vad)
        if not is_local(asked.host):
            say(f"open to everyone who can reach {asked.host}, without a password and without encryption;")
            say("browsers record from a microphone over https or on localhost only")
        run(
            build_app(desk, allowed_hosts(asked.host)),
            bound,
            lambda: say(f"{url_of(bound)}  (Ctrl-C ends it)"),
        )
    return 0


def _check_installed() -> None:
    from profiling.errors import ConfigError

    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"{', '.join(missing)} not installed; pip install profiling[serve]")


def _profilers(asked: Namespace) -> list[Profiler]:
    from profiling.commands.predict import DEFAULT_SAYS
    from profiling.features.prepare import TRAINING_NOTES
    from profiling.predict.loading import default_bundles, load_profilers

    if not asked.model:
        for line in DEFAULT_SAYS:
            say(line)
    profilers = load_profilers(asked.model or default_bundles(), device=asked.device)
    for profiler in profilers:
        say(f"{profiler.task}: {profiler.backbone.name}, {TRAINING_NOTES[profiler.backbone.training]}")
    return profilers
